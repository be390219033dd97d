"""A catalogue of toy components, and a recipe that uses them: recipes can be tested without networks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator

from ganforge.api import families
from ganforge.api.component import Strict
from ganforge.api.game import GameComponent, PlayerRecipe
from ganforge.api.schedule import Number
from ganforge.api.slots import (
    AnyAugmentation,
    AnyDiscriminator,
    AnyDiscriminatorRegularizer,
    AnyGenerator,
    AnyGeneratorRegularizer,
    AnyLoss,
)
from ganforge.builtin.optimizers.adam import Adam
from ganforge.plugins.catalogue import Catalogue, CatalogueEntry, Plugin


class ToyFaces(families.Dataset):
    """Toy faces (Nobody 2020, arXiv:2001.00001)."""

    kind: Literal["faces"] = "faces"
    resolution: int = Field(default=32, ge=4, le=4096, description="height and width")
    mirror: bool = Field(default=False, description="mirror half of them")
    grain: float = Field(default=0.0, ge=0, le=1, description="how grainy")

    def open(self, cache):
        raise NotImplementedError


class ToyImages(families.Dataset):
    """A folder of images (Nobody 2020)."""

    kind: Literal["images"] = "images"
    path: Path = Field(description="folder or ZIP of images")
    resolution: int = Field(default=64, ge=4, le=4096, description="height and width")
    mirror: bool = Field(default=False, description="mirror half of them")
    bad: Literal["skip", "refuse"] = Field(default="refuse", description="what happens to broken images")

    def open(self, cache):
        raise NotImplementedError


class ToyGenerator(families.Generator):
    """A toy generator (Nobody et al. 2020, arXiv:1912.04958, fig. 2)."""

    kind: Literal["style"] = "style"
    widths: tuple[PositiveInt, ...] = Field(default=(8, 4), min_length=1, description="channels of each layer")
    tags: dict[str, int] = Field(default={}, description="free notes")
    range: tuple[float, Annotated[int, Field(ge=1)]] = Field(default=(0.5, 2), description="a pair of two sorts")

    def build(self, data):
        raise NotImplementedError


class ToyDiscriminator(families.Discriminator):
    """A toy discriminator (Nobody et al. 2020, arXiv:1912.04958, fig. 3)."""

    kind: Literal["style"] = "style"
    group: int = Field(default=4, ge=1, multiple_of=2, description="samples in a group")

    def build(self, data):
        raise NotImplementedError


class ToyHinge(families.Loss):
    """The hinge loss (Lim & Ye 2017, arXiv:1705.02894)."""

    kind: Literal["hinge"] = "hinge"
    margin: float = Field(default=1.0, gt=0, description="logits beyond it cost nothing")

    def discriminator(self, duel):
        raise NotImplementedError

    def generator(self, duel):
        raise NotImplementedError


class ToyR1(families.Regularizer):
    """R1 (Mescheder et al. 2018, arXiv:1801.04406)."""

    kind: Literal["r1"] = "r1"
    gamma: Number = Field(default=10.0, description="weight, constant or a ramp")

    def penalty(self, duel):
        raise NotImplementedError


class ToyPathLength(families.Regularizer):
    """Path length (Karras et al. 2020, arXiv:1912.04958)."""

    player = "generator"
    kind: Literal["path-length"] = "path-length"

    def penalty(self, duel):
        raise NotImplementedError


class ToyAda(families.Augmentation):
    """ADA (Karras et al. 2020, arXiv:2006.06676)."""

    kind: Literal["ada"] = "ada"
    target: float = Field(default=0.6, gt=-1, lt=1, description="sign of the logits aimed at")

    def build(self, data):
        raise NotImplementedError


class ToyCount(families.Metric):
    """Counts samples (Nobody 2020)."""

    kind: Literal["count"] = "count"
    samples: PositiveInt = Field(default=1000, description="how many")
    note: str | None = Field(default=None, description="a remark")

    def directions(self):
        return {f"count-of-{self.samples}": "higher"}

    def measure(self, exam):
        raise NotImplementedError


class ToyGeneratorPlayer(PlayerRecipe):
    network: AnyGenerator = Field(description="what makes samples")
    regularizers: tuple[AnyGeneratorRegularizer, ...] = Field(default=(), description="penalties")


class ToyDiscriminatorPlayer(PlayerRecipe):
    network: AnyDiscriminator = Field(description="what scores samples")
    regularizers: tuple[AnyDiscriminatorRegularizer, ...] = Field(default=(), description="penalties")
    augmentation: AnyAugmentation | None = Field(default=None, description="changes to what it sees")

    @field_validator("regularizers")
    @classmethod
    def _no_twins(cls, regularizers):
        if len({regularizer.kind for regularizer in regularizers}) < len(regularizers):
            raise ValueError("a regularizer is named twice")
        return regularizers


class ToyBlend(Strict):
    """A plain table inside a component."""

    share: float = Field(ge=0, le=1, description="of the other")


class ToyGan(GameComponent):
    """A toy GAN (Goodfellow et al. 2014, arXiv:1406.2661)."""

    kind: Literal["gan"] = "gan"
    loss: AnyLoss = Field(description="what both minimise")
    generator: ToyGeneratorPlayer = Field(description="makes samples")
    discriminator: ToyDiscriminatorPlayer = Field(description="scores them")
    blends: tuple[ToyBlend, ...] = Field(default=(), description="tables in an array")

    def build(self, data):
        raise NotImplementedError

    def players(self):
        return {"generator": self.generator, "discriminator": self.discriminator}


OURS, THEIRS = Plugin("builtin", "ganforge", "0.1.0"), Plugin("toys", "toy-box", "2.1")
FAMILIES = {
    "games": [ToyGan],
    "generators": [ToyGenerator],
    "discriminators": [ToyDiscriminator],
    "losses": [ToyHinge],
    "regularizers": [ToyR1, ToyPathLength],
    "optimizers": [Adam],
    "augmentations": [ToyAda],
    "datasets": [ToyFaces, ToyImages],
    "metrics": [ToyCount],
}
CATALOGUE = Catalogue(
    CatalogueEntry(family, cls.kind_name(), cls, THEIRS if cls is ToyGenerator else OURS)
    for family, classes in FAMILIES.items()
    for cls in classes
)

TOY_RECIPE = """\
seed = 3

[data]
kind = "faces"
mirror = true

[run]
images = 200_000
batch = 32

[game]
kind = "gan"
loss = "hinge"

[game.generator]
network = { kind = "style", latent = 64 }
optimizer = { lr = 2.5e-3, betas = [0.0, 0.99] }
ema = { half_life_images = 5_000 }
regularizers = [{ kind = "path-length", every = 4 }]

[game.discriminator]
network = { kind = "style" }
optimizer = { lr = { start = 1e-3, end = 1e-4, images = 1_000 } }
regularizers = [{ kind = "r1", gamma = 0.5, every = 16 }]
augmentation = { kind = "ada", target = 0.6 }

[[metrics]]
kind = "count"
every_images = 50_000
"""
