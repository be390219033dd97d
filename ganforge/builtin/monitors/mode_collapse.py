"""Generated samples that are all alike."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from ganforge.api import Finding, LogLine, Monitor, Plan, Series, Watcher, lower_learning_rate, remedies
from ganforge.builtin.monitors.parts.remedies import raise_learning_rate_to
from ganforge.builtin.monitors.parts.trends import Likeness, Streak

VARIETY = ("modes-covered", "recall", "coverage", "lpips-diversity", "feature-diversity")  # how metrics of it begin
QUALITY = ("high-quality", "precision", "density")  # how metrics begin that tell whether single samples are good
NOT_OURS = ("-of-real", "-expected", "-within-classes")  # how values end that are not of the samples, or not of all
DEEP = ("generator", "discriminator")
LEAST_ROUNDS = 100  # that variety is to be missing, however many lines these are
NARROW = 8  # numbers in a latent, under which there are too few for the variety of images


class ModeCollapse(Monitor):
    """Speaks where generated samples are all alike, or have lost most of the variety that they had.

    The generator always emits much the same, as Salimans et al. 2016, arXiv:1606.03498, sec. 3.2, describe it.

    Samples of fixed latents are compared with each other, as real samples are: their mean distance, that to the nearest
    other one, and the share that has a twin. So are metrics of variety with the best that they were.
    """

    kind: Literal["mode-collapse"] = "mode-collapse"
    rank: ClassVar[int] = 50
    distance: float = Field(default=0.08, gt=0, lt=1, description="mean distance of samples, over that of real ones")
    nearest: float = Field(
        default=0.05, gt=0, lt=1, description="distance to the nearest sample, over that of real ones"
    )
    duplicates: float = Field(
        default=0.5, gt=0, le=1, description="share of samples with a twin, beyond that of real ones"
    )
    fallen: float = Field(
        default=0.3,
        gt=0,
        lt=1,
        description="mean distance, over the highest so far, or over that of real ones where this is less",
    )
    lost: float = Field(default=0.5, gt=0, lt=1, description="a metric of variety, over the highest so far")
    measurements: PositiveInt = Field(default=2, description="of such a metric, in a row")
    after_rounds: PositiveInt = Field(default=400, description="what an untrained generator makes is all alike, too")
    lines: PositiveInt = Field(default=3, description="lines of the log in a row")

    def build(self, plan: Plan) -> Watcher:
        """Make the watcher."""
        return CollapseWatcher(self, plan)


class CollapseWatcher(Watcher):
    """Looks at how far samples of fixed latents are from each other."""

    def __init__(self, monitor: ModeCollapse, plan: Plan) -> None:
        self.monitor, self.plan = monitor, plan
        self.likeness, self.streak, self.distances = Likeness(), Streak(), Series("grid/distance")
        ours = [name for name in plan.better if not name.endswith(NOT_OURS)]
        self.metrics = [Series(name) for name in ours if name.startswith(VARIETY)]
        self.quality = [Series(name) for name in ours if name.startswith(QUALITY)]

    def look(self, line: LogLine) -> list[Finding]:
        """Return a finding where there is no variety, or no longer."""
        self.likeness.note(line)
        signs = self._lost(line)
        if self.distances.note(line):
            seen = self._fallen(line) + (self._signs(line) if line.round >= self.monitor.after_rounds else [])
            lasts = (
                self.streak.note(bool(seen), line.round) >= self.monitor.lines and self.streak.rounds >= LEAST_ROUNDS
            )
            signs += seen if lasts else []
        if not signs:
            return []
        plan, regularized = self.plan, "game.discriminator.regularizers"
        latent = plan.value("game.generator.network.latent")
        narrow = latent is not None and latent < NARROW and "contrast" in self.likeness.real
        return [
            Finding(
                name=self.monitor.kind,
                symptom="generated samples are all alike: the generator makes few of the modes of the data",
                evidence=f"{'; '.join(signs)}; healthy: half of real samples' and more",
                cause=f"a latent of {latent:.0f} number{'s' * (latent != 1)}: samples lie on a line or a thin sheet"
                if latent is not None and narrow
                else "the generator has found what the discriminator of the moment believes, which does not catch up",
                remedies=remedies(
                    plan.changed("game.generator.network.latent", 64) if narrow else None,
                    raise_learning_rate_to(plan, "discriminator", "generator"),
                    *(plan.changed(f"game.{player}.network.norm", "batch") for player in DEEP if self._bare(player)),
                    None if plan.kind("game.loss") == "wasserstein" else plan.changed("game.loss", "relativistic"),
                    plan.added(regularized, "r1", gamma=0.1),
                    plan.added(regularized, "r2", gamma=0.1),
                    lower_learning_rate(plan, "generator"),
                ),
            )
        ]

    def _bare(self, player: str) -> bool:
        """Whether a deep convolutional network has no normalisation, nor a penalty that would forbid it."""
        network, penalties = f"game.{player}.network", self.plan.kinds("game.discriminator.regularizers")
        bare = self.plan.kind(network) == "dcgan" and self.plan.at(f"{network}.norm") == "none"
        return bare and (player == "generator" or not penalties)

    def _lost(self, line: LogLine) -> list[str]:
        """Return the metrics of variety that have fallen, where they were measured just now and samples are as good."""
        measured = [series for series in self.quality if series.note(line)]
        worse = any(series.values[-1] < self.monitor.lost * max(series.values) for series in measured)
        signs = []
        for series in self.metrics:
            if series.note(line) and len(series) > self.monitor.measurements and not worse:
                most, recent = max(series.values), series.last(self.monitor.measurements)
                if max(recent) < self.monitor.lost * most:
                    signs.append(f"{series.name} was {most:.3g} at its best and is {recent[-1]:.3g}")
        return signs

    def _signs(self, line: LogLine) -> list[str]:
        monitor, likeness = self.monitor, self.likeness
        signs = []
        far, near = likeness.ratio(line, "distance"), likeness.ratio(line, "nearest")
        twins, of_real = line.get("grid/duplicates") or 0.0, likeness.real.get("duplicates", 0.0)
        if far is not None and far < monitor.distance:
            signs.append(f"their mean distance is {far:.1%} of real samples'")
        if near is not None and near < monitor.nearest:
            signs.append(f"to the nearest other one it is {near:.1%} of real samples'")
        if twins > of_real + monitor.duplicates:
            signs.append(f"{twins:.0%} of them have a twin, of real samples {of_real:.0%}")
        return signs

    def _fallen(self, line: LogLine) -> list[str]:
        """Return that they have lost the variety that they had, if they had some."""
        now, real = self.distances.values[-1], self.likeness.real.get("distance") or math.inf
        far, most = self.likeness.ratio(line, "distance"), min(max(self.distances.values), real)
        if line.round < self.monitor.after_rounds // 4 or far is None or far > 0.6 or most < 0.25 * real:
            return []
        if now >= self.monitor.fallen * most:
            return []
        return [f"their mean distance was {most:.3g} at its highest and is {now:.3g}, {far:.1%} of real samples'"]
