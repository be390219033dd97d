"""A plugin with a component of every family; each of its methods says where it is, and breaks when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from pydantic import model_validator
from torch import Tensor, nn

from ganforge import Augmentation, AugmentationNetwork, Constraint, Dataset, DataSpec, Duel, Loss, Regularizer, hookimpl
from ganforge.api.data import Source
from ganforge.api.families import Metric, Monitor, Optimizer
from ganforge.api.metric import Exam, Measurement, SampleRequest, View
from ganforge.api.monitor import Finding, LogLine, Watcher
from ganforge.builtin.features.pixels import PixelNetwork, Pixels
from ganforge.builtin.games.gan import Gan, GanGame
from ganforge.builtin.metrics.fid import FrechetDistance
from ganforge.builtin.networks.mlp import MlpDiscriminator, MlpDiscriminatorNetwork, MlpGenerator, MlpGeneratorNetwork

at: list[Callable[[str], None]] = []  # told of each place


def reach(place: str) -> None:
    for told in at:
        told(place)


class ClumsyData(Dataset):
    kind: Literal["clumsy-data"] = "clumsy-data"

    def open(self, cache: Path) -> Source:
        reach("ClumsyData.open")
        return ClumsySource()


class ClumsySource(Source):
    def __init__(self) -> None:
        self.spec, self.fingerprint = DataSpec((1, 8, 8)), "clumsy"
        self.samples = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (64, 1, 8, 8), dtype=np.uint8)

    def __len__(self) -> int:
        reach("ClumsySource.__len__")
        return 64

    def batch(self, indices: np.ndarray) -> Mapping[str, Tensor]:
        reach("ClumsySource.batch")
        return {"image": torch.from_numpy(self.samples[indices])}

    def show(self, samples: Tensor) -> Image.Image:
        reach("ClumsySource.show")
        return Image.new("L", (8, 8))


class ClumsyGame(Gan):
    kind: Literal["clumsy-game"] = "clumsy-game"  # type: ignore[assignment]

    def build(self, data: DataSpec) -> GanGame:
        reach("ClumsyGame.build")
        return ClumsyPlay(self, data)

    def players(self) -> Any:
        reach("ClumsyGame.players")
        return super().players()


class ClumsyPlay(GanGame):
    def turns(self) -> Any:
        reach("ClumsyPlay.turns")
        return super().turns()

    def begin_round(self, images: int) -> None:
        reach("ClumsyPlay.begin_round")
        super().begin_round(images)

    def discriminator_objective(self, regularizers: Any, batch: Any) -> Any:
        reach("ClumsyPlay.discriminator_objective")
        return super().discriminator_objective(regularizers, batch)

    def sample(self, count: int, labels: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        reach("ClumsyPlay.sample")
        return super().sample(count, labels, truncation)

    def readings(self) -> Mapping[str, Tensor]:
        reach("ClumsyPlay.readings")
        return super().readings()


class ClumsyGenerator(MlpGenerator):
    kind: Literal["clumsy-generator"] = "clumsy-generator"  # type: ignore[assignment]

    def build(self, data: DataSpec) -> MlpGeneratorNetwork:
        reach("ClumsyGenerator.build")
        return ClumsyGeneratorNetwork(self, data)


class ClumsyGeneratorNetwork(MlpGeneratorNetwork):
    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        reach("ClumsyGeneratorNetwork.forward")
        return Backward.apply(super().forward(latents, labels))


class Backward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        reach("Backward.backward")
        return gradient


class ClumsyDiscriminator(MlpDiscriminator):
    kind: Literal["clumsy-discriminator"] = "clumsy-discriminator"  # type: ignore[assignment]

    def build(self, data: DataSpec) -> MlpDiscriminatorNetwork:
        reach("ClumsyDiscriminator.build")
        network = ClumsyDiscriminatorNetwork(self, data)
        network.layer = ClumsyLayer()
        return network


class ClumsyLayer(nn.Module):
    """A layer of the plugin's own, inside of its network."""

    def forward(self, values: Tensor) -> Tensor:
        reach("ClumsyDiscriminatorNetwork.forward_features")
        return values


class ClumsyDiscriminatorNetwork(MlpDiscriminatorNetwork):
    layer: nn.Module

    def forward_features(self, samples: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Sequence[Tensor]]:
        logits, seen = super().forward_features(samples, labels)
        return self.layer(logits), seen


class ClumsyLoss(Loss):
    kind: Literal["clumsy-loss"] = "clumsy-loss"

    @model_validator(mode="after")
    def check(self) -> ClumsyLoss:
        reach("ClumsyLoss.check")
        return self

    def discriminator(self, duel: Duel) -> Tensor:
        reach("ClumsyLoss.discriminator")
        return duel.fake_logits - duel.real_logits

    def generator(self, duel: Duel) -> Tensor:
        reach("ClumsyLoss.generator")
        return -duel.fake_logits


class ClumsyPenalty(Regularizer):
    kind: Literal["clumsy-penalty"] = "clumsy-penalty"

    def build(self, data: DataSpec) -> nn.Module:
        reach("ClumsyPenalty.build")
        return super().build(data)

    def penalty(self, duel: Duel) -> Tensor:
        reach("ClumsyPenalty.penalty")
        return duel.real_logits.square()


class ClumsyConstraint(Constraint):
    kind: Literal["clumsy-constraint"] = "clumsy-constraint"

    def attach(self, network: nn.Module) -> None:
        reach("ClumsyConstraint.attach")

    def project(self, network: nn.Module) -> None:
        reach("ClumsyConstraint.project")


class ClumsyOptimizer(Optimizer):
    kind: Literal["clumsy-optimizer"] = "clumsy-optimizer"

    def build(self, parameters: Iterable[nn.Parameter], share: float) -> torch.optim.Optimizer:
        reach("ClumsyOptimizer.build")
        return ClumsySteps(parameters, lr=1e-3)

    def adjust(self, optimizer: torch.optim.Optimizer, images: int, share: float) -> None:
        reach("ClumsyOptimizer.adjust")
        super().adjust(optimizer, images, share)


class ClumsySteps(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        reach("ClumsySteps.step")
        return super().step(closure)


class ClumsyAugmentation(Augmentation):
    kind: Literal["clumsy-augmentation"] = "clumsy-augmentation"

    def build(self, data: DataSpec) -> AugmentationNetwork:
        reach("ClumsyAugmentation.build")
        return ClumsyChange()


class ClumsyChange(AugmentationNetwork):
    exchanges = True

    def forward(self, samples: Tensor) -> Tensor:
        reach("ClumsyChange.forward")
        return samples

    def exchange(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        reach("ClumsyChange.exchange")
        return real, fake

    def begin_round(self, images: int) -> None:
        reach("ClumsyChange.begin_round")

    def observe(self, real_logits: Tensor) -> None:
        reach("ClumsyChange.observe")

    def readings(self) -> Mapping[str, Tensor]:
        reach("ClumsyChange.readings")
        return {}


class ClumsyFeatures(Pixels):
    kind: Literal["clumsy-features"] = "clumsy-features"  # type: ignore[assignment]

    def build(self) -> PixelNetwork:
        reach("ClumsyFeatures.build")
        return ClumsyEyes(4)


class ClumsyEyes(PixelNetwork):
    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        reach("ClumsyEyes.forward")
        return super().forward(images)


class ClumsyView(View):
    def rows(self, seen: Any) -> Tensor:
        reach("ClumsyView.rows")
        return seen.samples.flatten(1).float()


class ClumsyMetric(FrechetDistance):
    kind: Literal["clumsy-metric"] = "clumsy-metric"  # type: ignore[assignment]

    def directions(self) -> Mapping[str, Any]:
        reach("ClumsyMetric.directions")
        return super().directions()

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        reach("ClumsyMetric.requests")
        return [*super().requests(source), SampleRequest(ClumsyView(), 8)]

    def measure(self, exam: Exam) -> Measurement:
        reach("ClumsyMetric.measure")
        return super().measure(exam)


class ClumsyMonitor(Monitor):
    kind: Literal["clumsy-monitor"] = "clumsy-monitor"

    def build(self, plan: Any) -> Watcher:
        reach("ClumsyMonitor.build")
        return ClumsyWatcher()


class ClumsyWatcher(Watcher):
    def look(self, line: LogLine) -> list[Finding]:
        reach("ClumsyWatcher.look")
        return []


OFFERED = [
    ClumsyGame,
    ClumsyGenerator,
    ClumsyDiscriminator,
    ClumsyLoss,
    ClumsyPenalty,
    ClumsyConstraint,
    ClumsyOptimizer,
    ClumsyAugmentation,
    ClumsyData,
    ClumsyFeatures,
    ClumsyMetric,
    ClumsyMonitor,
]


@hookimpl
def ganforge_components() -> list[type]:
    reach("ganforge_components")
    return list(OFFERED)


assert Metric  # the family of FrechetDistance
