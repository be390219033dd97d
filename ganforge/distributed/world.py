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
    while True:
        if isinstance(error, torch.distributed.DistNetworkError | torch.distributed.DistStoreError | LostError):
            return True
        if isinstance(error, RuntimeError) and any(words in str(error) for words in _GONE):
            return True
        before = error.__cause__ or error.__context__
        if before is None:
            return False
        error = before


class World:
    """This process's share of some work.

    Args:
        accelerator: of Accelerate, which knows the other processes; None = there are none.
    """

    def __init__(self, accelerator: Accelerator | None = None) -> None:
        self._accelerator = accelerator if accelerator is not None and accelerator.num_processes > 1 else None
        self.world_size: int = 1 if self._accelerator is None else self._accelerator.num_processes
        self.rank: int = 0 if self._accelerator is None else self._accelerator.process_index

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
        if self._accelerator is None:
            return answer
        wish = torch.tensor(float(answer), device=self._accelerator.device)
        return bool(self._accelerator.reduce(wish, reduction="sum").item() > 0)

    def broadcast(self, answer: bool) -> bool:
        """Return the main process's answer, on every process."""
        if self._accelerator is None:
            return answer
        return bool(broadcast_object_list([answer])[0])

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
