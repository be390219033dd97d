"""What the discriminator of a game of two is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from ganforge.families import AugmentationNetwork
from ganforge.game import Game
from ganforge.network import DiscriminatorNetwork, FeatureDiscriminator


class Sight(Game):
    """A game whose discriminator sees samples through augmentations, one after the other."""

    discriminator: DiscriminatorNetwork
    augmentations: nn.ModuleDict

    def exchanged(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return what passes for real and for generated, once augmentations have had their say."""
        with torch.no_grad():
            for augmentation in self._augmentations():
                if augmentation.exchanges:
                    real, fake = augmentation.exchange(real, fake, labels)
        return real, fake

    def _augmentations(self) -> Iterator[AugmentationNetwork]:
        for augmentation in self.augmentations.values():
            assert isinstance(augmentation, AugmentationNetwork)
            yield augmentation

    def shown(self, samples: Tensor) -> Tensor:
        """Return samples as the discriminator is shown them: augmented."""
        for augmentation in self._augmentations():
            samples = augmentation(samples)
        return samples

    def see(self, samples: Tensor, labels: Tensor | None) -> Tensor:
        """Return the discriminator's logits of samples as it is shown them."""
        return self.discriminator(self.shown(samples), labels)  # type: ignore[no-any-return]

    def examine(self, samples: Tensor, labels: Tensor | None) -> Sequence[Tensor]:
        """Return the discriminator's inner activations of samples as it is shown them."""
        assert isinstance(self.discriminator, FeatureDiscriminator), "terms say what they need, see `Regularizer.needs`"
        return self.discriminator.examine(self.shown(samples), labels)[1]

    def score(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the discriminator's logits of samples that are not augmented."""
        return self.discriminator(samples, labels)  # type: ignore[no-any-return]
