"""DCGAN, and the plain convolutional networks that later papers measured on 32x32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.api import DataSpec, Discriminator, FeatureDiscriminator, Generator, GeneratorNetwork
from ganforge.builtin.networks.layers.channel_schedule import resolution_of
from ganforge.builtin.networks.layers.dropout import DROPOUT, Dropout
from ganforge.builtin.networks.layers.label_concatenation import concatenate_labels
from ganforge.builtin.networks.layers.norms import NORM, Norm, has_bias, image_norm

Layout = Literal["radford", "miyato"]
_LAYOUT = "radford: Radford et al. 2015; miyato: the standard CNN of Miyato et al. 2018 (arXiv:1802.05957, table 3)"
_WIDEST = 8  # the deepest layers have at most so many times the width


class DcganGenerator(Generator):
    """DCGAN generator (Radford et al. 2015, arXiv:1511.06434, sec. 3 and fig. 1), any power-of-two resolution from 8.

    Transposed convolutions double the resolution from 4x4; a norm everywhere but at the output, ReLU, tanh; weights
    from N(0, 0.02). Kernels are 4x4, which divide evenly by the stride (the paper's are 5x5). Labels are appended to
    the latents as one-hot vectors.
    """

    kind: Literal["dcgan"] = "dcgan"
    width_field: ClassVar[str | None] = "width"
    width: int = Field(
        default=64, ge=1, le=4096, description="channels of the last hidden layer; they double with depth, up to 8 x"
    )
    layout: Layout = Field(default="radford", description=_LAYOUT)
    norm: Norm = Field(default="batch", description=NORM)
    dropout: float = DROPOUT

    def build(self, data: DataSpec) -> DcganGeneratorNetwork:
        """Make the network; a `DataError` where the data are not images of a power-of-two resolution from 8."""
        return DcganGeneratorNetwork(self, data)


class DcganGeneratorNetwork(GeneratorNetwork):
    """Latents [B, L] -> images [B, C, R, R] in [-1, 1]."""

    def __init__(self, recipe: DcganGenerator, data: DataSpec) -> None:
        super().__init__()
        self.data = data
        plain = recipe.layout == "radford"
        doublings = _doublings(data)
        widths = [recipe.width * min(2**i, _WIDEST) for i in reversed(range(doublings + (not plain)))]
        bias = not (plain and has_bias(recipe.norm))  # the layout `miyato` counts it beside the norm's
        self.first = nn.Linear(recipe.latent + data.label_size, widths[0] * 16, bias=bias)
        layers = [*_hidden(recipe, nn.ReLU(), widths[0])] if plain else []
        for before, after in pairwise(widths):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=bias), *_hidden(recipe, nn.ReLU(), after)]
        if plain:
            layers += [nn.ConvTranspose2d(widths[-1], data.channels, 4, 2, 1)]
        else:
            layers += [nn.Conv2d(widths[-1], data.channels, 3, 1, 1)]
        self.layers = nn.Sequential(*layers)
        self.apply(_initialise)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images [B, C, R, R] in [-1, 1]."""
        start = self.first(concatenate_labels(latents, labels, self.data)).unflatten(1, (-1, 4, 4))
        images: Tensor = self.layers(start)
        return images.tanh()


class DcganDiscriminator(Discriminator):
    """DCGAN discriminator (Radford et al. 2015, arXiv:1511.06434, sec. 3), any power-of-two resolution from 8.

    Strided convolutions halve the resolution to 4x4; a norm everywhere but at the input (of the layout `radford`),
    leaky ReLU (slope 0.2; 0.1 in the layout `miyato`), no hidden dense layers, weights from N(0, 0.02). A label is a
    learned plane beside the image's channels (Mirza & Osindero 2014, arXiv:1411.1784). The last layer of the layout
    `miyato` scores the sum over positions, which gives PyTorch-StudioGAN's parameter count for that network.
    """

    kind: Literal["dcgan"] = "dcgan"
    width_field: ClassVar[str | None] = "width"
    width: int = Field(
        default=64, ge=1, le=4096, description="channels of the first layer; they double with depth, up to 8 x"
    )
    layout: Layout = Field(default="radford", description=_LAYOUT)
    norm: Norm = Field(default="batch", description=f"{NORM}, which gradient penalties forbid")
    dropout: float = DROPOUT

    def build(self, data: DataSpec) -> DcganDiscriminatorNetwork:
        """Make the network; a `DataError` where the data are not images of a power-of-two resolution from 8."""
        return DcganDiscriminatorNetwork(self, data)


class DcganDiscriminatorNetwork(FeatureDiscriminator):
    """Images [B, C, R, R] -> logits [B]."""

    def __init__(self, recipe: DcganDiscriminator, data: DataSpec) -> None:
        super().__init__()
        self.data, self.pooled = data, recipe.layout == "miyato"
        self.batch_group = 0 if recipe.norm == "batch" else 1
        widths = [recipe.width * min(2**i, _WIDEST) for i in range(_doublings(data) + self.pooled)]
        self.planes = nn.Linear(data.label_size, data.resolution**2, bias=False) if data.label_size else None
        self.layers = nn.Sequential()
        before = data.channels + (data.label_size > 0)
        for index, after in enumerate(widths):
            if self.pooled:
                self._add(recipe, before, after, 3)
            if not self.pooled or index < len(widths) - 1:
                self._add(recipe, after if self.pooled else before, after, 4, norm=self.pooled or index > 0)
            before = after
        self.last = nn.Linear(before, 1) if self.pooled else nn.Conv2d(before, 1, 4)
        self.apply(_initialise)

    def _add(self, recipe: DcganDiscriminator, before: int, after: int, kernel: int, norm: bool = True) -> None:
        """Append a layer: a kernel of 3 keeps the resolution, one of 4 halves it."""
        bias = self.pooled or not (norm and has_bias(recipe.norm))  # as in the generator
        self.layers.append(nn.Conv2d(before, after, kernel, kernel - 2, 1, bias=bias))
        self.layers.extend(_hidden(recipe, nn.LeakyReLU(0.1 if self.pooled else 0.2), after if norm else 0))

    @property
    def width(self) -> int:
        """Numbers that the last layer scores: summed over the image in the layout `miyato`, 4x4 of them otherwise."""
        return self.last.weight[0].numel()

    def forward_features(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Sequence[Tensor]]:
        """Return logits [B] and what each layer gave to the next, [B, C, H, W], the last of them flat [B, F]."""
        if self.planes is not None:
            planes = self.planes(self.data.encode(labels)).reshape(-1, 1, self.data.resolution, self.data.resolution)
            samples = torch.cat([samples, planes.to(samples.dtype)], 1)
        hidden, activations = samples, []
        for index, layer in enumerate(self.layers):
            if index and isinstance(layer, nn.Conv2d):
                activations.append(hidden)
            hidden = layer(hidden)
        last = hidden.sum((2, 3)) if self.pooled else hidden
        return self.last(last).flatten(), [*activations, last.flatten(1)]


def _hidden(recipe: DcganGenerator | DcganDiscriminator, activation: nn.Module, channels: int) -> Iterator[nn.Module]:
    """Make what follows a convolution: norm (none where `channels` is 0), activation, dropout."""
    norm = image_norm(recipe.norm, channels) if channels else None
    if norm is not None:
        yield norm
    yield activation
    if recipe.dropout > 0:
        yield Dropout(recipe.dropout)


def _doublings(data: DataSpec) -> int:
    """Return how often 4x4 is doubled to give the resolution."""
    return resolution_of(data, "dcgan").bit_length() - 3


def _initialise(module: nn.Module) -> None:
    """Draw weights from N(0, 0.02), those of norms from N(1, 0.02), as the paper's authors did."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm | nn.InstanceNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
