"""Work spread over processes, and what each found brought together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor

from ganforge.errors import GanforgeError, LostError

Found = TypeVar("Found")
# What gloo and the store say when the other end of a line is gone.
_GONE = (
    "gloo/transport",
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "connection was closed",
)


def is_peer_loss(error: BaseException) -> bool:
    """Whether an error is what a process gets that waits for another which is gone."""
    if isinstance(error, torch.distributed.DistNetworkError | torch.distributed.DistStoreError | LostError):
        return True
    if isinstance(error, RuntimeError) and any(words in str(error) for words in _GONE):
        return True
    before = error.__cause__ or error.__context__
    return before is not None and is_peer_loss(before)


class World:
    """This process's share of some work.

    Args:
        accelerator: of Accelerate, which knows the other processes; None = there are none.
    """

    def __init__(self, accelerator: Accelerator | None = None) -> None:
        self.world_size: int = 1 if accelerator is None else accelerator.num_processes
        self.rank: int = 0 if accelerator is None else accelerator.process_index
        self._accelerator = accelerator if self.world_size > 1 else None

    @property
    def main(self) -> bool:
        """Whether this is the process that keeps what is gathered."""
        return self.rank == 0

    def gather(self, rows: Tensor) -> Tensor:
        """Return the rows of all processes, in their order, on the CPU; each process gives as many."""
        if self._accelerator is None:
            return rows.cpu()
        gathered: Tensor = self._accelerator.gather(rows.to(self._accelerator.device).contiguous())
        return gathered.cpu()

    def sum(self, value: Tensor) -> Tensor:
        """Return the sum over processes."""
        if self._accelerator is None:
            return value
        found: Tensor = self._accelerator.reduce(value.to(self._accelerator.device), reduction="sum")
        return found

    def any(self, answer: bool) -> bool:
        """Return whether any process answers so, on every process."""
        return bool(self.sum(torch.tensor(float(answer))) > 0)

    def broadcast(self, answer: bool) -> bool:
        """Return the main process's answer, on every process."""
        return self.from_main(lambda: answer)

    def from_main(self, work: Callable[[], Found]) -> Found:
        """Return on every process what the main one finds; what it cannot do, it raises on all of them.

        Raises:
            GanforgeError: as the main process did.
        """
        if self._accelerator is None:
            return work()
        answer: list[Any] = [None, None]
        if self.main:
            try:
                answer = [work(), None]
            except GanforgeError as error:
                answer = [None, error]
        found, problem = broadcast_object_list(answer)
        if problem is not None:
            raise problem
        return found  # type: ignore[no-any-return]
