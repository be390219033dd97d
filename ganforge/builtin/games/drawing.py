"""How a game of two draws samples."""

from __future__ import annotations

from torch import Tensor

from ganforge.data import DataSpec
from ganforge.dice import Dice
from ganforge.game import Game
from ganforge.network import Draw, GeneratorNetwork


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
