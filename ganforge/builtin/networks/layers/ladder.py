"""How many channels the residual GANs of 2018 have at each resolution."""

from __future__ import annotations

# From the image's side to 4x4, in multiples of the width: Miyato et al. 2018 (arXiv:1802.05957, tables 5 and 6) and
# Brock et al. 2019 (arXiv:1809.11096, tables 4 to 6). Above 512 every doubling adds one more 1.
_LADDERS = {
    64: (1, 2, 4, 8, 16),
    128: (1, 2, 4, 8, 16, 16),
    256: (1, 2, 4, 8, 8, 16, 16),
    512: (1, 1, 2, 4, 8, 8, 16, 16),
}
FLAT = 32  # up to this resolution all blocks are equally wide (Miyato et al. 2018, table 4, for CIFAR-10)


def inwards(resolution: int) -> tuple[int, ...]:
    """Return multiples of the width from the image's resolution to 4x4, of images larger than `FLAT`."""
    if resolution in _LADDERS:
        return _LADDERS[resolution]
    return 1, *inwards(resolution // 2)


def of_generator(resolution: int) -> tuple[int, ...]:
    """Return multiples of the width at 4x4, 8x8 and so on, to the image's resolution."""
    if resolution <= FLAT:
        return (4,) * (resolution.bit_length() - 2)
    return inwards(resolution)[::-1]


def of_discriminator(resolution: int, flat: int) -> tuple[tuple[int, ...], int]:
    """Return multiples of the width block by block, and how many blocks halve the resolution; they come first.

    Args:
        resolution: of the images.
        flat: the multiple in all blocks of images up to `FLAT`, which shrink to 8x8 (8x8 ones to 4x4) and no further.
    """
    if resolution <= FLAT:
        halvings = max(resolution.bit_length() - 4, 1)
        return (flat,) * (halvings + 2), halvings
    ladder = inwards(resolution)
    return ladder, len(ladder) - 1


def nearest(attention: int, low: int, high: int) -> int:
    """Return the resolution of the feature map that gets self-attention: what was asked for, clipped to [low, high]."""
    return min(max(attention, low), high)
