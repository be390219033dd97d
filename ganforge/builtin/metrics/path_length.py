"""Perceptual path length: the smoothness of images along a path through the latents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.api import (
    AnyFeatures,
    Better,
    DataError,
    Draw,
    Exam,
    ExaminedBatch,
    FeatureBuilder,
    Features,
    GanforgeError,
    Measurement,
    Metric,
    SampleRequest,
    Source,
    StyleGenerator,
    UnroundedFeatureNetwork,
    View,
    all_dice,
)
from ganforge.builtin.features.lpips import Lpips
from ganforge.builtin.metrics.parts.comparability import comparability_warning
from ganforge.builtin.metrics.parts.perceptual_vectors import vectors_from

LARGEST = 256  # pixels: larger images are averaged down to that


@dataclass(frozen=True)
class PathSteps(View):
    """The squared distance that a small step along a path makes, over the squared step.

    Args:
        by: tells how far apart two images are.
        space: of the path.
        path: steps anywhere on it, or at its start.
        epsilon: the step, where the path has length 1.
        crop: look at the middle of the image only.
    """

    by: Features
    space: Literal["z", "w"]
    path: Literal["full", "end"]
    epsilon: float
    crop: bool

    @property
    def features(self) -> FeatureBuilder | None:
        """Its network."""
        return self.by

    def rows(self, seen: ExaminedBatch) -> Tensor:
        """Return them, [B, 1].

        Raises:
            GanforgeError: the generator has no such space, or the features look at rounded images only.
        """
        network = seen.network(self.by)
        if not isinstance(network, UnroundedFeatureNetwork):
            raise GanforgeError(
                f"a path length is made of steps too small to be seen in rounded images, and the features "
                f'{network.name} look at no others; choose features = "lpips-vgg16", "efficientnet-lite0" or "pixels"'
            )
        ends = (seen.draw, seen.draw_again("Steps"))
        if ends[0].codes is not None and self.space == "z":
            raise GanforgeError("a path between latents would mix categorical codes of this game; leave ppl out of it")
        places = seen.dice(type(self).__name__).uniform(len(ends[0].latents), 1) * (self.path == "full")
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            one, two = (vectors_from(network(self._images(ends, places + step))) for step in (0.0, self.epsilon))
        far: Tensor = (two.double() - one.double()).square().sum(1, keepdim=True)
        return far / self.epsilon**2

    def _images(self, ends: tuple[Draw, Draw], places: Tensor) -> Tensor:
        """Return images [B, 3, H, W] in 0..255, not rounded, at `places` [B, 1] in [0, 1] between two draws."""
        (generator, latents, labels, _), (_, others, _, _) = ends
        reset_noise(generator)
        if self.space == "z":
            images: Tensor = generator(slerp(latents, others, places), labels)
        elif isinstance(generator, StyleGenerator):
            one, two = generator.styles(latents, labels), generator.styles(others, labels)
            images = generator.synthesize(torch.lerp(one, two, places[:, :, None]))
        else:
            raise GanforgeError(
                'ppl with space = "w" needs a generator with styles, and game.generator.network is a '
                f'{type(generator).__name__}; choose space = "z"'
            )
        images = (images.float() + 1) * 127.5
        height, width = images.shape[2:]
        if self.crop:
            images = images[:, :, height * 3 // 8 : height * 7 // 8, width // 4 : width * 3 // 4]
        if height >= 2 * LARGEST:
            images = F.avg_pool2d(images, height // LARGEST)
        return images.expand(-1, 3, -1, -1)


class PerceptualPathLength(Metric):
    """Perceptual path length (Karras et al. 2019, arXiv:1812.04948, sec. 4.1): small where images change evenly.

    The mean, over random paths between two latents and (for path = "full") over places on them, of LPIPS between two
    images a step of `epsilon` apart, over the step squared. Paths are straight in w, and arcs in z (between directions;
    lengths of latents are interpolated, which StyleGAN's mapping does not see). Both ends have one class and one noise.
    Images are not rounded and not clamped, as published: a step is less than a level of 8 bits. The least and the
    greatest percent are left out. Values: `ppl-zfull` and so on; with other features `path-length-zfull-KIND`, whose
    squared distances have a scale of their own.
    """

    kind: Literal["ppl"] = "ppl"
    features: AnyFeatures = Field(default=Lpips(), description="that tell how far apart two images are")
    space: Literal["z", "w"] = Field(default="z", description="the latents, or the styles of a StyleGAN")
    path: Literal["full", "end"] = Field(default="full", description="steps anywhere on the path, or at its start")
    epsilon: float = Field(default=1e-4, ge=1e-5, le=0.1, description="the step; published values have 1e-4")
    crop: bool = Field(default=False, description="look at the middle of the image only, where FFHQ has the face")
    samples: int = Field(default=1_000, ge=2, le=1_000_000, description="paths; papers take 50,000 or 100,000")
    discard: float = Field(default=1.0, ge=0, lt=50, description="percent left out at either end")

    def directions(self) -> Mapping[str, Better | None]:
        """Return the name of its value, and which way it is better."""
        return {self._name: "lower"}

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """Steps along paths.

        Raises:
            DataError: the data are no images of 1 or 3 channels.
        """
        if source.spec.channels not in (1, 3):
            raise DataError(f"ppl looks at images of 1 or 3 channels, and the data have {source.spec.channels}")
        return (SampleRequest(self._view, self.samples),)

    def measure(self, exam: Exam) -> Measurement:
        """Return the mean of what is not discarded, and its receipt."""
        found = exam.rows(self._view, self.samples).flatten().double().numpy()
        low = np.percentile(found, self.discard, method="lower")
        high = np.percentile(found, 100 - self.discard, method="higher")
        receipt = exam.receipt(self.features)
        return Measurement(
            {self._name: float(found[(low <= found) & (found <= high)].mean())},
            {
                **receipt,
                "fake": len(found),
                "space": self.space,
                "path": self.path,
                "epsilon": self.epsilon,
                "crop": self.crop,
                "discard": self.discard,
                "dtype": "float32, not rounded to 8 bits",
                "warning": comparability_warning(self.features, receipt, len(found), "the mean is rough"),
            },
        )

    @property
    def _view(self) -> PathSteps:
        return PathSteps(self.features, self.space, self.path, self.epsilon, self.crop)

    @property
    def _name(self) -> str:
        which = f"{self.space}{self.path}"
        return f"ppl-{which}" if isinstance(self.features, Lpips) else f"path-length-{which}-{self.features.kind}"


def slerp(one: Tensor, two: Tensor, places: Tensor) -> Tensor:
    """Interpolate on arcs between latents [B, L], at `places` [B, 1] in [0, 1]; lengths are interpolated apart."""
    length, other_length = one.norm(dim=1, keepdim=True), two.norm(dim=1, keepdim=True)
    first, second = one / length, two / other_length
    angle = (first * second).sum(1, keepdim=True).clamp(-1, 1).acos()
    aside = second - first * (first * second).sum(1, keepdim=True)
    aside = aside / aside.norm(dim=1, keepdim=True).clamp(min=1e-12)
    along = places * angle
    return (first * along.cos() + aside * along.sin()) * torch.lerp(length, other_length, places)  # type: ignore[no-any-return]


def reset_noise(network: nn.Module) -> None:
    """Let a network draw the numbers that it drew first for these rows, again."""
    for _, dice in all_dice(network):
        if dice.last is not None:
            dice.set_roll(dice.path, dice.last)
