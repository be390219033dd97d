"""Transforms that scores should not depend on: a chain of augmentations of a regularizer's own."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field
from torch import Tensor, nn

from ganforge.api import AnyAugmentation, Augmentation, AugmentationNetwork, DataError, DataSpec, RecipeError
from ganforge.builtin.augmentations.diffaugment import DiffAugment
from ganforge.builtin.augmentations.mirror import Mirror
from ganforge.builtin.augmentations.parts.adaptive_augmentation import AdaptiveAugmentation

Transforms = tuple[AnyAugmentation, ...]
TRANSFORM = Field(
    default=(Mirror(), DiffAugment(policy=("translation",))),
    min_length=1,
    description="the changes T that should not matter, one after the other; those of images need images",
)


class ConsistencyTransform(nn.Module):
    """Applies augmentations that have a strength of their own, one after the other.

    Args:
        components: which.
        data: what samples look like.

    Raises:
        RecipeError: one of them steers by what the discriminator says, which nobody tells it here.
        DataError: one of them does not fit the data.
    """

    def __init__(self, components: Sequence[Augmentation], data: DataSpec) -> None:
        super().__init__()
        self.steps = nn.ModuleList(_build(component, data) for component in components)
        for component, step in zip(components, self.steps, strict=True):
            assert isinstance(step, AugmentationNetwork)
            if step.exchanges or (isinstance(component, AdaptiveAugmentation) and component.p is None):
                raise RecipeError(
                    f"'{component.kind}' adapts to the discriminator or exchanges samples, and a transform changes "
                    "single samples by a strength of its own; give it a fixed p, or choose mirror, diffaugment or "
                    "instance-noise"
                )

    def forward(self, samples: Tensor, images: int) -> Tensor:
        """Return changed samples of the same shape; `images` were shown so far."""
        for step in self.steps:
            assert isinstance(step, AugmentationNetwork)
            step.begin_round(images)
            samples = step(samples)
        return samples


def _build(component: Augmentation, data: DataSpec) -> AugmentationNetwork:
    try:
        return component.build(data)
    except DataError as error:
        raise DataError(
            f"transform '{component.kind}': {error}. For samples of any shape there is transform = [\"instance-noise\"]"
        ) from error
