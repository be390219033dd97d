"""SAGAN: residual networks that look at distant places."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ganforge.api import DataSpec, Discriminator
from ganforge.builtin.networks.layers.channel_schedule import resolution_of
from ganforge.builtin.networks.layers.residual_networks import (
    WIDTH,
    ResidualDiscriminatorNetwork,
    ResidualGenerator,
    residual_discriminator,
)
from ganforge.builtin.networks.layers.weight_init import WEIGHT_INIT_TEXT, WeightInit
from ganforge.builtin.networks.layers.width_multipliers import attention_resolution
from ganforge.builtin.networks.sngan import SnganGeneratorNetwork

Attention = Literal[4, 8, 16, 32, 64, 128, 256]
ATTENTION = (
    "resolution of the feature map that gets self-attention; where the image is not at least twice as large, the "
    "largest that is"
)


class SaganGenerator(ResidualGenerator):
    """SAGAN's generator (Zhang et al. 2019, arXiv:1805.08318, sec. 3 and 4), any power-of-two resolution from 8.

    SNGAN's residual network with self-attention, by default at the paper's 32x32 ("feat32", table 1). Labels steer its
    BatchNorms. The paper normalises both players spectrally (sec. 4.1): `constraints = ["spectral-norm"]`.
    """

    kind: Literal["sagan"] = "sagan"
    attention: Attention = Field(default=32, description=ATTENTION)

    def build(self, data: DataSpec) -> SnganGeneratorNetwork:
        """Make the network; a `DataError` where the data are not images of a power-of-two resolution from 8."""
        resolution = resolution_of(data, self.kind)
        return SnganGeneratorNetwork(self, data, attention_resolution(self.attention, 8, max(resolution // 2, 8)))


class SaganDiscriminator(Discriminator):
    """SAGAN's discriminator (Zhang et al. 2019, arXiv:1805.08318, sec. 3 and 4), any power-of-two resolution from 8.

    SNGAN's residual network with self-attention, by default at the paper's 32x32 ("feat32", table 1). Labels are met by
    projection. The paper normalises both players spectrally (sec. 4.1): `constraints = ["spectral-norm"]`.
    """

    kind: Literal["sagan"] = "sagan"
    width_field: ClassVar[str | None] = "width"
    width: int = Field(default=64, ge=1, le=1024, description=WIDTH)
    weight_init: WeightInit = Field(default="xavier", description=WEIGHT_INIT_TEXT)
    attention: Attention = Field(default=32, description=ATTENTION)

    def build(self, data: DataSpec) -> ResidualDiscriminatorNetwork:
        """Make the network; a `DataError` where the data are not images of a power-of-two resolution from 8."""
        return residual_discriminator(data, self.kind, self.width, self.weight_init, self.attention)
