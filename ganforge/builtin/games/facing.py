"""How generator and discriminator of a game of two face each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ganforge.builtin.games.drawing import Drawing
from ganforge.builtin.games.sight import Sight
from ganforge.clock import Clock
from ganforge.data import Batch
from ganforge.duel import Duel, Role
from ganforge.families import Regularizer


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
            mover="discriminator",
            joint=joint and group > 0 and len(real) % group == 0,
        )

    def duel_of_generator(self, batch: Batch) -> Duel:
        """As the generator sees it: gradients flow through the discriminator into its samples."""
        real, labels = batch["image"], batch.get("label")
        latents = self.latents(real)
        return self._duel(real, lambda: self.generate(latents, labels), labels, latents, mover="generator", joint=False)

    def _duel(
        self,
        real: Tensor,
        fake: Callable[[], Tensor],
        labels: Tensor | None,
        latents: Tensor | None,
        mover: Role,
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
            features=self.examine,
            mover=mover,
            images=self.clock.images,
            joint=joint,
        )
