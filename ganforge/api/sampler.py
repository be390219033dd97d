"""Order in which real samples are shown: a pure function of the seed and of the images shown."""

from __future__ import annotations

import numpy as np

from ganforge.api.data import Batch, Source
from ganforge.api.dice import derive_seed


class Sampler:
    """An endless stream of indices: one permutation of the data set after the other.

    Position p of the stream is `permutation[p // length][p % length]`. Whoever knows the seed and how many images were
    shown can go on from there, with any number of processes, without replaying anything.

    Args:
        seed: of the run.
        length: samples in the data set, at least 1.
    """

    def __init__(self, seed: int, length: int) -> None:
        if length < 1:
            raise ValueError(f"a sampler needs at least one sample, got length = {length}")
        self.seed, self.length = seed, length
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def at(self, start: int, count: int) -> np.ndarray:
        """Return the indices [count] int64 at positions `start`, ..., `start + count - 1` of the stream."""
        if start < 0 or count < 0:
            raise ValueError(f"positions are 0 or more, got start = {start} and count = {count}")
        taken: list[np.ndarray] = []
        while count > 0:
            epoch, offset = divmod(start, self.length)
            part = self.permutation(epoch)[offset : offset + count]
            taken.append(part)
            start, count = start + len(part), count - len(part)
        return np.concatenate(taken) if taken else np.empty(0, np.int64)

    def permutation(self, epoch: int) -> np.ndarray:
        """Return the order [length] int64 of one pass through the data; the last one asked for is kept."""
        if epoch != self._epoch:
            # Sorting raw bits rather than Generator.permutation: numpy promises the former never to change (NEP 19).
            bits = np.random.PCG64(derive_seed(self.seed, "order of the data", epoch)).random_raw(self.length)
            self._epoch, self._order = epoch, np.argsort(bits, kind="stable").astype(np.int64, copy=False)
        return self._order


def load_samples(source: Source, sampler: Sampler, start: int, rows: int) -> Batch:
    """Return the real samples at positions `start`, ..., `start + rows - 1` of the stream."""
    return source.batch(sampler.at(start, rows))
