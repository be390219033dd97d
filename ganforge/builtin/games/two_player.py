"""How generator and discriminator of a game of two face each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from ganforge.api import (
    AugmentationNetwork,
    Batch,
    Clock,
    DataSpec,
    Dice,
    DiscriminatorNetwork,
    Draw,
    Duel,
    FeatureDiscriminator,
    Game,
    GeneratorNetwork,
    Regularizer,
    Role,
)


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

    def augmented(self, samples: Tensor) -> Tensor:
        """Return samples as the discriminator is shown them: augmented."""
        for augmentation in self._augmentations():
            samples = augmentation(samples)
        return samples

    def see(self, samples: Tensor, labels: Tensor | None) -> Tensor:
        """Return the discriminator's logits of samples as it is shown them."""
        return self.discriminator(self.augmented(samples), labels)  # type: ignore[no-any-return]

    def forward_features(self, samples: Tensor, labels: Tensor | None) -> Sequence[Tensor]:
        """Return the discriminator's inner activations of samples as it is shown them."""
        assert isinstance(self.discriminator, FeatureDiscriminator), "terms say what they need, see `Regularizer.needs`"
        return self.discriminator.forward_features(self.augmented(samples), labels)[1]

    def score(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the discriminator's logits of samples that are not augmented."""
        return self.discriminator(samples, labels)  # type: ignore[no-any-return]


class Drawing(Game):
    """A game whose samples come from one generator and normal latents."""

    generator: GeneratorNetwork
    data: DataSpec
    latent: int  # numbers that are drawn for a sample
    dice: Dice

    def latents(self, like: Tensor) -> Tensor:  # [B, L]
        """Draw a latent for each sample of a batch."""
        return self.dice.normal(len(like), self.latent)

    def generate(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """Return the generator's samples [B, *shape]."""
        return self.generator(latents, labels)  # type: ignore[no-any-return]

    def draw_labels(self, count: int) -> Tensor | None:
        """Draw labels evenly, [count] or [count, K]; None where the data have none."""
        if self.data.classes:
            return self.dice.integers(self.data.classes, count)
        return self.dice.uniform(count, self.data.conditions) * 2 - 1 if self.data.conditions else None

    def sample(self, count: int, labels: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Return generated samples [count, *shape]; see `Game.sample`."""
        draw = self.draw(count, labels)
        return draw.generator.truncated(draw.latents, draw.labels, truncation)

    def draw(self, count: int, labels: Tensor | None = None) -> Draw:
        """Return what they are made of."""
        latents = self.dice.normal(count, self.latent)
        return Draw(self.generator, latents, self.draw_labels(count) if labels is None else labels)


class Facing(Sight, Drawing):
    """A game that makes the duel of a batch for either player's turn."""

    clock: Clock

    def duel_of_discriminator(self, batch: Batch, regularizers: Sequence[Regularizer], joint: bool = False) -> Duel:
        """As the discriminator sees it: the generator is out of reach, and samples are leaves where a penalty asks.

        Args:
            batch: real samples and, where the data have labels, theirs.
            regularizers: whose penalties will be asked for.
            joint: it is the player's main turn, in which both kinds of samples are looked at.
        """
        leaves = any(regularizer.input_gradients for regularizer in regularizers)
        real, labels = batch["image"].detach(), batch.get("label")
        latents = self.latents(real)

        def fake() -> Tensor:
            with torch.no_grad():
                return self.generate(latents, labels)

        shown: Tensor | None = None
        origin: Tensor | None = latents
        if joint and any(augmentation.exchanges for augmentation in self._augmentations()):
            made = fake()
            real, shown = self.exchanged(real, made, labels)
            origin = latents if shown is made else None  # nobody knows where exchanged samples came from
        group = self.discriminator.batch_group
        return self._duel(
            real.requires_grad_(leaves),
            lambda: (fake() if shown is None else shown).requires_grad_(leaves),
            labels,
            origin,
            role="discriminator",
            joint=joint and group > 0 and len(real) % group == 0,
        )

    def duel_of_generator(self, batch: Batch) -> Duel:
        """As the generator sees it: gradients flow through the discriminator into its samples."""
        real, labels = batch["image"], batch.get("label")
        latents = self.latents(real)
        return self._duel(real, lambda: self.generate(latents, labels), labels, latents, role="generator", joint=False)

    def _duel(
        self,
        real: Tensor,
        fake: Callable[[], Tensor],
        labels: Tensor | None,
        latents: Tensor | None,
        role: Role,
        joint: bool,
    ) -> Duel:
        return Duel(
            self.see,
            real,
            fake,
            labels,
            latents=latents,
            generator=self.generator,
            network=self.discriminator,
            features=self.forward_features,
            role=role,
            images=self.clock.images,
            joint=joint,
        )
