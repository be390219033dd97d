"""Generators with BatchNorm whose truncated samples have statistics of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ganforge.api import DataSpec, GeneratorNetwork, derive_seed

BatchNormStatistics = tuple[Tensor, Tensor]  # mean and variance of each channel, [C] and [C]

_BATCH_SIZE = 64  # samples in a batch that is measured


class StandingStatisticsGenerator(GeneratorNetwork):
    """A generator with BatchNorm that measures its statistics anew for every truncation.

    Statistics gathered over whole latents do not fit truncated ones; "standing statistics" (Brock et al. 2019,
    arXiv:1809.11096, sec. 3.1 and app. C) are means over many batches of latents truncated as the samples will be. They
    are measured when a truncation is first asked for, and again when weights have changed since. They depend on the
    weights and on the truncation alone, since the latents and labels that are measured are always the same; so a sample
    stays a function of its own latent and label. Statistics gathered in training, and all other state, are left as they
    were.

    Args:
        data: what labels look like; classes are drawn evenly, continuous conditions uniformly in [-1, 1].
        latent: length of a latent.
        batches: of 64 latents each that are measured.
    """

    def __init__(self, data: DataSpec, latent: int, batches: int) -> None:
        super().__init__()
        self.data, self.latent, self.batches = data, latent, batches
        self._cached_statistics: dict[float, list[BatchNormStatistics]] = {}
        self._weights: Tensor | None = None  # fingerprint of those that were measured

    def truncated(self, latents: Tensor, labels: Tensor | None, truncation: float) -> Tensor:
        """Return samples of less variety, see `GeneratorNetwork.truncated`, with standing statistics."""
        if truncation >= 1:
            return super().truncated(latents, labels, truncation)
        with _norm_statistics(self._norms(), self.statistics(truncation), measuring=False):
            return super().truncated(latents, labels, truncation)

    @torch.no_grad()
    def statistics(self, truncation: float) -> Sequence[BatchNormStatistics]:
        """Return the mean and variance of what each norm sees at this truncation, in the norms' order."""
        weights = torch.stack([tensor.float().norm() for tensor in self._state()])
        if self._weights is None or not torch.equal(weights, self._weights):
            self._cached_statistics, self._weights = {}, weights
        if truncation not in self._cached_statistics:
            self._cached_statistics[truncation] = self._measure(truncation)
        return self._cached_statistics[truncation]

    def _state(self) -> list[Tensor]:
        return [tensor for tensor in (*self.parameters(), *self.buffers()) if tensor.is_floating_point()]

    def _norms(self) -> list[nn.BatchNorm2d]:
        return [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]

    def _measure(self, truncation: float) -> list[BatchNormStatistics]:
        norms = self._norms()
        device = next(self.parameters()).device
        numbers = torch.Generator().manual_seed(derive_seed("standing statistics"))
        fresh = [(torch.zeros_like(norm.running_mean), torch.ones_like(norm.running_var)) for norm in norms]  # type: ignore[arg-type]
        with _norm_statistics(norms, fresh, measuring=True):
            for _ in range(self.batches):
                latents = torch.randn(_BATCH_SIZE, self.latent, generator=numbers).to(device)
                labels = self._labels(numbers)
                super().truncated(latents, None if labels is None else labels.to(device), truncation)
        return fresh

    def _labels(self, numbers: torch.Generator) -> Tensor | None:
        if self.data.classes:
            return torch.randint(self.data.classes, (_BATCH_SIZE,), generator=numbers)
        if self.data.conditions:
            return torch.rand(_BATCH_SIZE, self.data.conditions, generator=numbers) * 2 - 1
        return None


@contextmanager
def _norm_statistics(
    norms: Sequence[nn.BatchNorm2d], moments: Sequence[BatchNormStatistics], *, measuring: bool
) -> Iterator[None]:
    """Let norms use these moments for a while, or gather into them the means over the batches that they see."""
    kept = [(n.running_mean, n.running_var, n.num_batches_tracked, n.momentum, n.training) for n in norms]
    try:
        for norm, (mean, variance) in zip(norms, moments, strict=True):
            norm.running_mean, norm.running_var = mean, variance
            norm.num_batches_tracked = torch.zeros_like(norm.num_batches_tracked)  # type: ignore[arg-type]
            norm.momentum, norm.training = None, measuring  # no momentum: the plain mean over all batches
        yield
    finally:
        for norm, (mean_, variance_, count, momentum, training) in zip(norms, kept, strict=True):
            norm.running_mean, norm.running_var, norm.num_batches_tracked = mean_, variance_, count
            norm.momentum, norm.training = momentum, training
