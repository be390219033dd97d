"""Multiples of the width at each resolution, of the residual GANs of 2018."""

from __future__ import annotations

# From the image's side to 4x4, in multiples of the width: Miyato et al. 2018 (arXiv:1802.05957, tables 5 and 6) and
# Brock et al. 2019 (arXiv:1809.11096, tables 4 to 6). Above 512 every doubling adds one more 1.
_MULTIPLIERS = {
    64: (1, 2, 4, 8, 16),
    128: (1, 2, 4, 8, 16, 16),
    256: (1, 2, 4, 8, 8, 16, 16),
    512: (1, 1, 2, 4, 8, 8, 16, 16),
}
UNIFORM_UP_TO = 32  # up to this resolution all blocks are equally wide (Miyato et al. 2018, table 4, for CIFAR-10)


def multipliers_from_image(resolution: int) -> tuple[int, ...]:
    """Return multiples of the width from the image's resolution to 4x4, of images larger than `UNIFORM_UP_TO`."""
    if resolution in _MULTIPLIERS:
        return _MULTIPLIERS[resolution]
    return 1, *multipliers_from_image(resolution // 2)


def generator_multipliers(resolution: int) -> tuple[int, ...]:
    """Return multiples of the width at 4x4, 8x8 and so on, to the image's resolution."""
    if resolution <= UNIFORM_UP_TO:
        return (4,) * (resolution.bit_length() - 2)
    return multipliers_from_image(resolution)[::-1]


def discriminator_multipliers(resolution: int, uniform: int) -> tuple[tuple[int, ...], int]:
    """Return multiples of the width block by block, and how many blocks halve the resolution; they come first.

    Args:
        resolution: of the images.
        uniform: the multiple in all blocks of images up to `UNIFORM_UP_TO`, which shrink to 8x8 (8x8 ones to 4x4)
            and no further.
    """
    if resolution <= UNIFORM_UP_TO:
        halvings = max(resolution.bit_length() - 4, 1)
        return (uniform,) * (halvings + 2), halvings
    multipliers = multipliers_from_image(resolution)
    return multipliers, len(multipliers) - 1


def attention_resolution(attention: int, low: int, high: int) -> int:
    """Return the resolution of the feature map that gets self-attention: what was asked for, clipped to [low, high]."""
    return min(max(attention, low), high)
