"""A sine network that makes samples, and the Pearson chi-square loss."""

from typing import Literal

from pydantic import Field
from torch import Tensor, nn, sin

from ganforge import Component, DataSpec, Duel, Generator, GeneratorNetwork, Loss, hookimpl


class Sine(Generator):
    """Two layers with a sine between them (Sitzmann et al. 2020, arXiv:2006.09661, sec. 3); labels are not used."""

    kind: Literal["sine"] = "sine"
    width: int = Field(default=128, ge=1, le=4096, description="units between the layers")
    frequency: float = Field(default=1.0, gt=0, le=100, description="what the sine's argument is multiplied by")

    def build(self, data: DataSpec) -> GeneratorNetwork:
        """Make the network for these data."""
        return SineNetwork(self, data)


class SineNetwork(GeneratorNetwork):
    """Latents [B, L] -> samples [B, *shape]; images end in a tanh."""

    def __init__(self, recipe: Sine, data: DataSpec) -> None:
        super().__init__()
        self.data, self.frequency = data, recipe.frequency
        self.inner = nn.Linear(recipe.latent, recipe.width)
        self.outer = nn.Linear(recipe.width, data.size)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return samples [B, *shape]."""
        samples: Tensor = self.outer(sin(self.frequency * self.inner(latents))).unflatten(1, self.data.shape)
        return samples.tanh() if len(self.data.shape) == 3 else samples


class PearsonChiSquare(Loss):
    """f-GAN with the Pearson chi-square divergence (Nowozin et al. 2016, arXiv:1606.00709, table 2 and sec. 3.2)."""

    kind: Literal["pearson-chi-square"] = "pearson-chi-square"

    def discriminator(self, duel: Duel) -> Tensor:
        """Return f*(V(fake)) - V(real), where f*(t) = t^2 / 4 + t."""
        return duel.fake_logits + duel.fake_logits.square() / 4 - duel.real_logits

    def generator(self, duel: Duel) -> Tensor:
        """Return -V(fake), the one of the two that does not saturate."""
        return -duel.fake_logits


@hookimpl
def ganforge_components() -> list[type[Component]]:
    return [Sine, PearsonChiSquare]
