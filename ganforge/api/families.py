"""The families of components: what a class must offer to be named in a recipe."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganforge.api.component import Component
from ganforge.api.data import DataSpec, Source
from ganforge.api.duel import Duel, Role
from ganforge.api.metric import Exam, FeatureNetwork, Measurement, SampleRequest
from ganforge.api.monitor import Action, Watcher
from ganforge.api.network import DiscriminatorNetwork, GeneratorNetwork
from ganforge.api.plan import Plan
from ganforge.api.schedule import PositiveNumber, value_at

Better = Literal["lower", "higher"]  # in which direction a metric gets better
RemedyFor = Mapping[str, Mapping[str, Any]]
"""By trouble, the fields with which a regularizer, a constraint or an augmentation may help where it is added.

A trouble is the name of a finding, or one of `divergence` (a gradient is not finite) and `unbounded-critic` (a loss
without a lower bound, and nothing that holds the discriminator back). What is offered for a finding is told after what
its monitor proposes.
"""


class Generator(Component):
    """A network that turns latents into samples."""

    family: ClassVar[str] = "generators"
    noun: ClassVar[str] = "generator"

    width_field: ClassVar[str | None] = None  # by which it is made wider or narrower, and needs more memory or less

    latent: PositiveInt = Field(default=128, le=65_536, description="length L of a latent")

    @abstractmethod
    def build(self, data: DataSpec) -> GeneratorNetwork:
        """Make the network for these data."""


class Discriminator(Component):
    """A network that scores samples."""

    family: ClassVar[str] = "discriminators"
    noun: ClassVar[str] = "discriminator"
    width_field: ClassVar[str | None] = None  # by which it is made wider or narrower, and needs more memory or less

    @abstractmethod
    def build(self, data: DataSpec) -> DiscriminatorNetwork:
        """Make the network for these data."""


class Loss(Component):
    """An adversarial loss: what each side of a duel minimises."""

    family: ClassVar[str] = "losses"
    noun: ClassVar[str] = "loss"
    bounded: ClassVar[bool] = True  # the discriminator's has a lower bound; without, something must hold it back

    @abstractmethod
    def discriminator(self, duel: Duel) -> Tensor:
        """Return what the discriminator minimises, [B] or any shape with leading B."""

    @abstractmethod
    def generator(self, duel: Duel) -> Tensor:
        """Return what the generator minimises, [B] or any shape with leading B."""


class Regularizer(Component):
    """A penalty added to a player's loss. `every` > 1 makes it lazy: its own turn, its gain multiplied by `every`."""

    family: ClassVar[str] = "regularizers"
    noun: ClassVar[str] = "regularizer"
    remedy_for: ClassVar[RemedyFor] = MappingProxyType({})
    player: ClassVar[Role | Literal["either"]] = "discriminator"  # whose loss it can be added to
    input_gradients: ClassVar[bool] = False  # it differentiates by `duel.real` or `duel.fake`
    needs: ClassVar[type[nn.Module]] = nn.Module  # what that player's network must be
    needs_opponent: ClassVar[type[nn.Module]] = nn.Module  # what the other player's network must be

    every: PositiveInt = Field(default=1, description="rounds between applications; more than 1 = lazy")

    @abstractmethod
    def penalty(self, duel: Duel) -> Tensor:
        """Return the penalty, weight included, [B] or []."""

    def build(self, data: DataSpec) -> nn.Module:
        """Make the module (duel) -> penalty. One that keeps state or draws numbers overrides this."""
        return _Stateless(self)


class _Stateless(nn.Module):
    def __init__(self, regularizer: Regularizer) -> None:
        super().__init__()
        self.regularizer = regularizer

    def forward(self, duel: Duel) -> Tensor:
        return self.regularizer.penalty(duel)


class Constraint(Component):
    """What happens to a player's weights rather than to its loss: normalised, clipped, frozen."""

    family: ClassVar[str] = "constraints"
    noun: ClassVar[str] = "constraint"
    remedy_for: ClassVar[RemedyFor] = MappingProxyType({})

    def attach(self, network: nn.Module) -> None:
        """Change `network` in place, once, when it is built."""

    def project(self, network: nn.Module) -> None:
        """Change the weights in place after each step of the player."""


class AugmentationNetwork(nn.Module):
    """Changes samples [B, *shape] before the discriminator sees them, real and generated alike, differentiably."""

    exchanges: bool = False  # it also has a say in which samples pass for real and which for generated

    @abstractmethod
    def forward(self, samples: Tensor) -> Tensor:
        """Return augmented samples of the same shape."""

    def exchange(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return what the discriminator's own turn shows as real and as generated, where `exchanges`.

        Args:
            real: [B, *shape].
            fake: [B, *shape], made just now, of the same labels in the same order.
            labels: [B] or [B, K], see `DataSpec`; None where the data have none. What comes back must have them, too.
        """
        return real, fake

    def begin_round(self, images: int) -> None:
        """Adapt, before a round, to what was observed; `images` were shown so far."""

    def observe(self, real_logits: Tensor) -> None:
        """Note the discriminator's logits of (augmented) real samples in its own turn."""

    def readings(self) -> Mapping[str, Tensor]:
        """Return what is worth logging, such as the strength."""
        return {}


class Augmentation(Component):
    """A family of changes to what the discriminator sees."""

    family: ClassVar[str] = "augmentations"
    noun: ClassVar[str] = "augmentation"
    remedy_for: ClassVar[RemedyFor] = MappingProxyType({})

    @abstractmethod
    def build(self, data: DataSpec) -> AugmentationNetwork:
        """Make the module for these data."""


class Dataset(Component):
    """Where real samples come from."""

    family: ClassVar[str] = "datasets"
    noun: ClassVar[str] = "data set"

    @abstractmethod
    def open(self, cache: Path) -> Source:
        """Open the data; `cache` is a folder for decoded copies, safe to share between processes."""

    @classmethod
    def of_path(cls, path: str) -> Dataset | None:
        """Return the data in a file or folder that is named without a kind; None where this kind reads none such."""
        return None

    def image_sizes(self, cache: Path) -> Mapping[tuple[int, int], int] | None:
        """Return how many images have which width and height; None where they have whatever size is asked for."""
        return None


class Features(Component):
    """A pretrained network whose features metrics compare."""

    family: ClassVar[str] = "features"
    noun: ClassVar[str] = "features"

    @abstractmethod
    def build(self) -> FeatureNetwork:
        """Load the network; a `GanforgeError` in one sentence where its weights cannot be had."""


class Metric(Component):
    """A number about the generated samples, measured between rounds."""

    family: ClassVar[str] = "metrics"
    noun: ClassVar[str] = "metric"
    rank: ClassVar[int] = 50  # the lower, the earlier it is told of where nobody names metrics

    every_images: PositiveInt | None = Field(
        default=None, description="images shown between measurements; without it, once at the end"
    )

    @classmethod
    def is_usual(cls, source: Source) -> bool:
        """Whether samples of these reference data are measured by it where nobody names metrics."""
        return False

    @abstractmethod
    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better; None for a mere yardstick."""

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """Say what is to be gathered from the samples, given the reference data; all metrics share one pass."""
        return ()

    @abstractmethod
    def measure(self, exam: Exam) -> Measurement:
        """Make a value of what was gathered; done by the main process alone."""


def metric_directions(metrics: Iterable[Metric]) -> dict[str, Better]:
    """Return which way values get better, by name; those that are better neither way are left out."""
    return {name: way for metric in metrics for name, way in metric.directions().items() if way is not None}


class Monitor(Component):
    """Watches the log for a sign that training fails, see docs/diagnosis.md."""

    family: ClassVar[str] = "monitors"
    noun: ClassVar[str] = "monitor"
    standard: ClassVar[bool] = True  # it watches every run that does not say otherwise, with its defaults
    rank: ClassVar[int] = 50  # the lower, the earlier it is asked: causes before what follows from them

    action: Action | None = Field(
        default=None,
        description="what follows whatever it finds: warn, stop or roll-back; left out: diagnosis.action for failures",
    )

    @abstractmethod
    def build(self, plan: Plan) -> Watcher:
        """Make the watcher for a run; one that can say nothing about this recipe may look and stay silent."""


class Optimizer(Component):
    """How a player's weights follow its gradients."""

    family: ClassVar[str] = "optimizers"
    noun: ClassVar[str] = "optimizer"
    usual_lr: ClassVar[float | None] = None  # that most recipes of GANs give it; None = unknown

    lr: PositiveNumber = Field(description="learning rate, constant or a ramp over images shown")

    @abstractmethod
    def build(self, parameters: Iterable[nn.Parameter], step_fraction: float) -> torch.optim.Optimizer:
        """Make the optimizer.

        Args:
            parameters: of the player.
            step_fraction: of the player's steps that are not lazy, in (0, 1]; the learning rate is multiplied by it and
                decay rates are raised to it, which undoes what lazy steps add (Karras et al. 2020, arXiv:1912.04958,
                app. B).
        """

    def adjust(self, optimizer: torch.optim.Optimizer, images: int, step_fraction: float) -> None:
        """Set what is scheduled, before a step, `images` having been shown. One that schedules more extends this."""
        for group in optimizer.param_groups:
            group["lr"] = self.lr_at(images) * step_fraction

    def lr_at(self, images: int) -> float:
        """Return the learning rate after `images` images shown, before the lazy correction."""
        return value_at(self.lr, images)
