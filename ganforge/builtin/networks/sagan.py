"""SAGAN: residual networks that look at distant places."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ganforge.api import DataSpec, Discriminator
from ganforge.builtin.networks.layers.initial import INITIAL, Initial
from ganforge.builtin.networks.layers.ladder import nearest
from ganforge.builtin.networks.layers.pyramid import resolution_of
from ganforge.builtin.networks.layers.resnet import WIDTH, ResidualDiscriminatorNetwork, ResidualGenerator, shrinking
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
        return SnganGeneratorNetwork(self, data, nearest(self.attention, 8, max(resolution // 2, 8)))


class SaganDiscriminator(Discriminator):
    """SAGAN's discriminator (Zhang et al. 2019, arXiv:1805.08318, sec. 3 and 4), any power-of-two resolution from 8.

    SNGAN's residual network with self-attention, by default at the paper's 32x32 ("feat32", table 1). Labels are met by
    projection. The paper normalises both players spectrally (sec. 4.1): `constraints = ["spectral-norm"]`.
    """

    kind: Literal["sagan"] = "sagan"
    width_field: ClassVar[str | None] = "width"
    width: int = Field(default=64, ge=1, le=1024, description=WIDTH)
    initial: Initial = Field(default="xavier", description=INITIAL)
    attention: Attention = Field(default=32, description=ATTENTION)

    def build(self, data: DataSpec) -> ResidualDiscriminatorNetwork:
        """Make the network; a `DataError` where the data are not images of a power-of-two resolution from 8."""
        return shrinking(data, self.kind, self.width, self.initial, self.attention)
