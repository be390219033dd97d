"""Examinations: one pass over generated and real samples for all metrics, shared out over processes."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganforge.api.data import Source
from ganforge.api.metric import (
    EvaluationInterruptedError,
    Exam,
    FeatureBuilder,
    FeatureNetwork,
    Moments,
    Receipt,
    SampleRequest,
    Side,
    View,
)
from ganforge.distributed.world import World
from ganforge.errors import GanforgeError
from ganforge.evaluation.batch import FeatureNetworks
from ganforge.evaluation.reference_cache import Statistics, load_statistics, statistics_key, store_statistics
from ganforge.evaluation.subject import GameSubject, SourceSubject, Subject, real_order
from ganforge.version import __version__

NUMBERS = 2**22  # numbers in the samples of a batch, at most; a batch is of 64 samples, fewer where they are large
MOST = 64


@dataclass
class _Sum:
    """Rows of a view as they come: kept, or only their first two moments."""

    want: SampleRequest
    rows: list[Tensor] = field(default_factory=list)
    total: Tensor | None = None
    products: Tensor | None = None

    def add(self, rows: Tensor) -> None:
        """Add to the moments, in float64."""
        rows = rows.double()
        if rows.dim() != 2:
            raise RuntimeError(f"moments are of views [B, D], and this one gives {list(rows.shape)}")
        if self.total is None or self.products is None:
            self.total, self.products = rows.new_zeros(rows.shape[1]), rows.new_zeros(rows.shape[1], rows.shape[1])
        self.total += rows.sum(0)
        self.products.addmm_(rows.T, rows)  # in place: at 2048 features, a quarter of the time of a sum

    def kept(self, world: World, count: int) -> Statistics:
        """Return all of it, from all processes."""
        if self.want.keep == "rows":
            return torch.cat(self.rows)[:count] if self.rows else torch.empty(0)
        assert self.total is not None
        assert self.products is not None
        total, products = world.sum(self.total), world.sum(self.products)
        mean = total / count
        covariance = (products - count * torch.outer(mean, mean)) / max(count - 1, 1)
        return Moments(mean.cpu().numpy(), covariance.cpu().numpy(), count)


class Examination(Exam):
    """Samples of a subject (a game, or a data set) under examination, beside real ones of a reference.

    `gather` takes what all metrics want to know; then each may ask. A row depends on the weights, the seed
    and its sample's number, and not on how many samples are taken or how many processes there are. The game is put in
    evaluation mode only while it is asked, and every module gets back the mode that it had.

    Args:
        cache: a folder for reference statistics, shared by runs.
        seed: of the latents and whatever else is drawn at random.
        world: over which processes the work is spread; the main one keeps the rows.
        tell: is told, batch by batch, whose samples are looked at, how many were, and how many will be.
        stop: whether this process was asked for an end; looked at between batches.
    """

    def __init__(
        self,
        subject: Subject,
        source: Source,
        networks: FeatureNetworks,
        cache: Path,
        seed: int = 0,
        *,
        world: World | None = None,
        tell: Callable[[Side, int, int], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        self.subject, self.source, self.networks, self.cache, self.seed = subject, source, networks, cache, seed
        self.world, self.tell, self.stop = world or World(), tell, stop
        self.device = networks.device
        self._known: dict[SampleRequest, Statistics] = {}

    def gather(self, wants: Iterable[SampleRequest]) -> None:
        """Gather what is wanted, on all processes together: one pass of the generator, one of each feature network.

        Raises:
            GanforgeError: a sample is NaN or infinite, or features cannot be had or do not look at such samples.
            EvaluationInterruptedError: some process was asked for an end.
        """
        wants = [want for want in dict.fromkeys(self._clip(want) for want in wants) if want not in self._known]
        for want in wants:
            if want.view.features is not None:
                self.network(want.view.features)
        for want in [want for want in wants if want.of == "real"]:
            kept = load_statistics(self.cache, self._key(want), want) if self.world.main else None
            if self.world.broadcast(kept is not None):
                self._known[want] = kept if kept is not None else torch.empty(0)
        real = SourceSubject(self.source, self.networks, self.seed)
        for subject, side in ((self.subject, "generated"), (real, "real")):
            missing = [want for want in wants if want.of == side and want not in self._known]
            if missing:
                self._pass(subject, missing)

    def check(self, wants: Iterable[SampleRequest]) -> None:
        """See by one sample of each side whether what is wanted can be had, else raise a `GanforgeError`."""
        real = SourceSubject(self.source, self.networks, self.seed)
        for want in wants:
            if want.view.features is not None:
                self.network(want.view.features)
            subject = real if want.of == "real" else self.subject
            with subject.examining(), torch.no_grad():
                want.view.rows(subject.batch(0, 1))

    def _pass(self, subject: Subject, wants: Sequence[SampleRequest]) -> None:
        sums = [_Sum(want) for want in wants]
        longest: dict[View, int] = {}
        for want in wants:
            longest[want.view] = max(longest.get(want.view, 0), want.count)
        most = max(longest.values())
        kept_rows = {want.view for want in wants if want.keep == "rows"}
        size = max(1, min(MOST, NUMBERS // max(self.source.spec.size, 1)))
        with subject.examining(), torch.no_grad():
            for first in range(0, most, size * self.world.world_size):
                if self.stop is not None and self.world.any(self.stop()):
                    raise EvaluationInterruptedError
                start = first + size * self.world.rank
                seen = subject.batch(start, size)
                told = {view: _finite(view, view.rows(seen), start) for view, n in longest.items() if first < n}
                gathered = {view: self.world.gather(rows) for view, rows in told.items() if view in kept_rows}
                for sum_ in sums:
                    view, count = sum_.want.view, sum_.want.count
                    if first >= count:
                        continue
                    if sum_.want.keep == "moments":
                        sum_.add(told[view][: max(0, count - start)])
                    elif self.world.main:
                        sum_.rows.append(gathered[view])
                if self.tell is not None:
                    self.tell(wants[0].of, min(first + size * self.world.world_size, most), most)
        for sum_ in sums:
            self._known[sum_.want] = kept = sum_.kept(self.world, sum_.want.count)
            if sum_.want.of == "real" and self.world.main:
                store_statistics(self.cache, self._key(sum_.want), kept)

    def rows(self, view: View, count: int, of: Side = "generated") -> Tensor:
        """Return the rows [N, ...] of a view that was wanted, on the CPU; real samples in one fixed, shuffled order."""
        kept = self._known[self._clip(SampleRequest(view, count, of))]
        assert isinstance(kept, Tensor)
        return kept

    def moments(self, view: View, count: int, of: Side = "generated") -> Moments:
        """Return the mean and covariance of a view [B, D] that was wanted."""
        kept = self._known[self._clip(SampleRequest(view, count, of, "moments"))]
        assert isinstance(kept, Moments)
        return kept

    def _clip(self, want: SampleRequest) -> SampleRequest:
        there = len(self.source) if want.of == "real" else self.subject.most
        return want if there is None or want.count <= there else SampleRequest(want.view, there, want.of, want.keep)

    def _key(self, want: SampleRequest) -> str:
        return statistics_key(self.source, want, self.network(want.view.features) if want.view.features else None)

    def real(self, numbers: Sequence[int]) -> Tensor:
        """Return real samples [B, *shape] by their number in the order of `rows`, on the CPU."""
        return self.source.batch(real_order(self.source)[np.asarray(numbers, dtype=np.int64)])["image"]

    def network(self, features: FeatureBuilder) -> FeatureNetwork:
        """Return the network of a features component, built once."""
        return self.networks.of(features)

    def classify(self, samples: Tensor) -> Tensor:
        """Return what the game itself makes of samples [B, *shape] as they would be saved: logits [B, classes].

        Raises:
            GanforgeError: there is no game here, or it has no classifier.
        """
        if not isinstance(self.subject, GameSubject):
            raise GanforgeError("this metric asks the classifier of a game, and these are samples of no game")
        return self.subject.classify(samples)

    def receipt(self, features: FeatureBuilder | None = None) -> Receipt:
        """Return how the samples come about, and by which features; metrics add how many they took."""
        return {
            "reference": self.source.fingerprint,
            "reference-samples": len(self.source),
            "seed": self.seed,
            **self.subject.receipt(),
            **(self.networks.receipt(features) if features is not None else {}),
            "ganforge": __version__,
            "torch": str(torch.__version__),
            "torch-fidelity": importlib.metadata.version("torch-fidelity"),
        }


def _finite(view: View, rows: Tensor, start: int) -> Tensor:
    if rows.is_floating_point() and not bool(torch.isfinite(rows).all()):
        raise GanforgeError(
            f"{type(view).__name__} of samples {start} to {start + len(rows) - 1} holds NaN or infinity, so that no "
            "metric made of it means anything; sample an earlier checkpoint, or train with a lower learning rate"
        )
    return rows
