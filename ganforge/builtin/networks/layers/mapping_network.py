"""From latents to styles: the mapping network, and what all generators with one have in common."""

from __future__ import annotations

from abc import abstractmethod

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganforge.api import DataSpec, Dice, Generator, StyleGenerator, Tally
from ganforge.builtin.networks.layers.equalized_layers import EqualizedLinear
from ganforge.builtin.networks.layers.pixel_norm import pixel_norm

MIXING = Field(default=0.9, ge=0, le=1, description="share of samples in training that mix two styles")
STYLE_DECAY = Field(default=0.998, ge=0, lt=1, description="decay, by turn, of the mean style that truncation leads to")


class StyleBasedGenerator(Generator):
    """The fields that all generators with a mapping have."""

    latent: PositiveInt = Field(default=512, le=65_536, description="length L of a latent")
    style: PositiveInt | None = Field(
        default=None, le=65_536, description="length W of a style; as long as a latent by default"
    )
    mapping_layers: PositiveInt = Field(default=8, le=64, description="layers from latent to style")
    mapping_lr: float = Field(default=0.01, gt=0, le=1, description="learning rate of these layers, relative to others")


class MappingNetwork(nn.Module):
    """The mapping network: latents and labels to styles (arXiv:1912.04958, app. B; arXiv:2006.06676, app. D).

    Args:
        latent: length of a latent; 0 = only the label counts.
        data: what labels mean.
        style: length of a style.
        layers: how many there are.
        lr_multiplier: of their learning rate.
    """

    def __init__(self, latent: int, data: DataSpec, style: int, layers: int, lr_multiplier: float) -> None:
        super().__init__()
        self.data = data
        self.embedding = EqualizedLinear(data.label_size, style) if data.label_size else None
        width = latent + (style if data.label_size else 0)
        self.layers = nn.Sequential(
            *(
                EqualizedLinear(width if index == 0 else style, style, lr_multiplier=lr_multiplier, rectify=True)
                for index in range(layers)
            )
        )

    def forward(self, latents: Tensor | None, labels: Tensor | None) -> Tensor:
        """Map latents [B, L] and labels [B] to styles [B, W]."""
        parts = [] if latents is None else [pixel_norm(latents)]
        if self.embedding is not None:
            parts.append(pixel_norm(self.embedding(self.data.encode(labels))))
        return self.layers(parts[0] if len(parts) == 1 else torch.cat(parts, 1))  # type: ignore[no-any-return]


class StyleBasedGeneratorNetwork(StyleGenerator):
    """A mapping, then synthesis. A subclass sets `layers`, how many styles it takes, and `dice` where it mixes.

    Args:
        recipe: of the mapping.
        data: what labels mean.
        mixing: share of samples in training that change to another latent's style on the way up.
    """

    layers: int
    dice: Dice

    def __init__(self, recipe: StyleBasedGenerator, data: DataSpec, mixing: float = 0.0) -> None:
        super().__init__()
        self.latent, self.mixing, self.style = recipe.latent, mixing, recipe.style or recipe.latent
        self.mapping = MappingNetwork(recipe.latent, data, self.style, recipe.mapping_layers, recipe.mapping_lr)

    @abstractmethod
    def track_mean_style(self, style: Tensor) -> None:
        """Note styles [B, W] of a turn of the generator for the mean style."""

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images [B, C, H, W]."""
        return self.synthesize(self.styles(latents, labels))

    def styles(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents [B, L] to styles [B, layers, W]."""
        style = self.mapping(latents, labels)
        if self.training and torch.is_grad_enabled():
            self.track_mean_style(style)
        if not self.training or self.mixing == 0:
            return style[:, None].expand(-1, self.layers, -1)  # type: ignore[no-any-return]
        batch, layers = len(latents), torch.arange(self.layers, device=latents.device)
        other = self.mapping(self.dice.normal(batch, self.latent), labels)
        first = 1 + self.dice.integers(self.layers - 1, batch)  # the first layer of the other style
        mixed = self.dice.uniform(batch) < self.mixing
        swapped = mixed[:, None] & (layers >= first[:, None])  # [B, layers]
        return torch.where(swapped[:, :, None], other[:, None], style[:, None])


class EmaStyleGeneratorNetwork(StyleBasedGeneratorNetwork):
    """One whose mean style forgets by turns, and draws truncated images to itself.

    Args:
        recipe: of the mapping.
        data: what labels mean.
        decay: what a turn keeps of the mean style.
        mixing: see `StyleBasedGeneratorNetwork`.
    """

    mean_style: Tensor

    def __init__(self, recipe: StyleBasedGenerator, data: DataSpec, decay: float, mixing: float = 0.0) -> None:
        super().__init__(recipe, data, mixing)
        self.style_decay = decay
        self.register_buffer("mean_style", torch.zeros(self.style))
        self.seen_styles = Tally(self.style)

    def truncated(self, latents: Tensor, labels: Tensor | None, truncation: float) -> Tensor:
        """Return images whose styles are drawn towards the mean style (arXiv:1812.04948, app. B)."""
        return self.synthesize(torch.lerp(self.mean_style, self.styles(latents, labels), truncation))

    @torch.no_grad()
    def track_mean_style(self, style: Tensor) -> None:
        """Move the mean style towards what was seen up to the last turn, and note what is seen in this one."""
        seen = self.seen_styles
        weight = seen.count.clamp(max=1.0) * (1 - self.style_decay)  # 0 where nothing new was settled
        self.mean_style.lerp_(seen.take(), weight)
        seen.add(style)
