"""Multilayer perceptrons, for data of any shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from ganforge.api import DataSpec, Discriminator, FeatureDiscriminator, Generator, GeneratorNetwork
from ganforge.builtin.networks.layers.dropout import DROPOUT, Dropout
from ganforge.builtin.networks.layers.label_concatenation import concatenate_labels
from ganforge.builtin.networks.layers.norms import VECTOR_NORM, VectorNorm, vector_norm

Activation = Literal["relu", "leaky-relu", "silu", "tanh"]
_ACTIVATIONS: Mapping[Activation, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": lambda: nn.LeakyReLU(0.2),
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def _layers(recipe: MlpGenerator | MlpDiscriminator, inputs: int, outputs: int) -> nn.Sequential:
    sizes = [inputs, *[recipe.width] * recipe.depth]
    hidden = [part for a, b in pairwise(sizes) for part in _hidden(recipe, a, b)]
    return nn.Sequential(*hidden, nn.Linear(sizes[-1], outputs))


def _hidden(recipe: MlpGenerator | MlpDiscriminator, inputs: int, outputs: int) -> Iterator[nn.Module]:
    """Make a hidden layer: linear, norm, activation, dropout."""
    yield nn.Linear(inputs, outputs)
    norm = vector_norm(recipe.norm, outputs)
    if norm is not None:
        yield norm
    yield _ACTIVATIONS[recipe.activation]()
    if recipe.dropout > 0:
        yield Dropout(recipe.dropout)


class MlpGenerator(Generator):
    """Multilayer perceptron for data of any shape (Goodfellow et al. 2014, arXiv:1406.2661, sec. 5).

    Images end in a tanh; points and other samples that are no images are left unbounded. Labels are appended to the
    latents as one-hot vectors.
    """

    kind: Literal["mlp"] = "mlp"
    width_field: ClassVar[str | None] = "width"
    width: int = Field(default=128, ge=1, le=65_536, description="units of a hidden layer")
    depth: int = Field(default=3, ge=1, le=64, description="hidden layers")
    activation: Activation = Field(default="relu", description="of the hidden layers; leaky-relu has slope 0.2")
    norm: VectorNorm = Field(default="none", description=VECTOR_NORM)
    dropout: float = DROPOUT

    def build(self, data: DataSpec) -> MlpGeneratorNetwork:
        """Make the network for samples of any shape."""
        return MlpGeneratorNetwork(self, data)


class MlpGeneratorNetwork(GeneratorNetwork):
    """Latents [B, L] -> samples [B, *shape]."""

    def __init__(self, recipe: MlpGenerator, data: DataSpec) -> None:
        super().__init__()
        self.data = data
        self.layers = _layers(recipe, recipe.latent + data.label_size, data.size)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return samples [B, *shape]; images in [-1, 1]."""
        samples: Tensor = self.layers(concatenate_labels(latents, labels, self.data))
        samples = samples.reshape(-1, *self.data.shape)
        return samples.tanh() if len(self.data.shape) == 3 else samples


class MlpDiscriminator(Discriminator):
    """Multilayer perceptron for data of any shape (Goodfellow et al. 2014, arXiv:1406.2661, sec. 5).

    Labels are appended to the flattened samples as one-hot vectors.
    """

    kind: Literal["mlp"] = "mlp"
    width_field: ClassVar[str | None] = "width"
    width: int = Field(default=128, ge=1, le=65_536, description="units of a hidden layer")
    depth: int = Field(default=3, ge=1, le=64, description="hidden layers")
    activation: Activation = Field(default="leaky-relu", description="of the hidden layers; leaky-relu has slope 0.2")
    norm: VectorNorm = Field(default="none", description=VECTOR_NORM)
    dropout: float = DROPOUT

    def build(self, data: DataSpec) -> MlpDiscriminatorNetwork:
        """Make the network for samples of any shape."""
        return MlpDiscriminatorNetwork(self, data)


class MlpDiscriminatorNetwork(FeatureDiscriminator):
    """Samples [B, *shape] -> logits [B]."""

    def __init__(self, recipe: MlpDiscriminator, data: DataSpec) -> None:
        super().__init__()
        self.batch_group, self.data = 0 if recipe.norm == "batch" else 1, data
        self.layers = _layers(recipe, data.size + data.label_size, 1)

    @property
    def width(self) -> int:
        """Units of the last hidden layer."""
        return self.layers[-1].in_features  # type: ignore[return-value]

    def forward_features(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Sequence[Tensor]]:
        """Return logits [B] and what each hidden layer gave to the next, [B, width]."""
        hidden, activations = concatenate_labels(samples.flatten(1), labels, self.data), []
        for index, layer in enumerate(self.layers):
            if index and isinstance(layer, nn.Linear):
                activations.append(hidden)
            hidden = layer(hidden)
        return hidden.squeeze(1), activations
