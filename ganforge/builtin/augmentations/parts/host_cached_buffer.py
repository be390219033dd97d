"""A buffer of the state that the host can read without waiting for the device."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class HostCachedBuffer(nn.Module):
    """A buffer and what the host knows of it; whoever else writes to the buffer (a checkpoint) is noticed.

    Args:
        start: its first value.
    """

    value: Tensor

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.register_buffer("value", start)
        self._cached_at: tuple[Tensor, int] | None = None
        self._values: list[float] = []

    @property
    def values(self) -> list[float]:
        """The value, flat."""
        seen = self._cached_at
        # `_version` is private, and the only count of in-place writes that torch keeps, such as loading a checkpoint.
        if seen is None or seen[0] is not self.value or seen[1] != self.value._version:
            self._cache(self.value.cpu())
        return self._values

    @torch.no_grad()
    def write(self, value: Tensor) -> None:
        """Change the value to a tensor [...] of the host."""
        self.value.copy_(value)
        self._cache(value.to(self.value.dtype))

    def _cache(self, value: Tensor) -> None:
        self._values = value.flatten().tolist()
        self._cached_at = (self.value, self.value._version)
