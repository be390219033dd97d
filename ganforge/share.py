"""Work spread over processes, and what each found brought together."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor


class Share:
    """This process's share of some work.

    Args:
        accelerator: of Accelerate, which knows the other processes; None = there are none.
    """

    def __init__(self, accelerator: Accelerator | None = None) -> None:
        self._accelerator = accelerator if accelerator is not None and accelerator.num_processes > 1 else None
        self.processes: int = 1 if self._accelerator is None else self._accelerator.num_processes
        self.index: int = 0 if self._accelerator is None else self._accelerator.process_index

    @property
    def main(self) -> bool:
        """Whether this is the process that keeps what is gathered."""
        return self.index == 0

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

    def agree(self, answer: bool) -> bool:
        """Return the main process's answer, on every process."""
        if self._accelerator is None:
            return answer
        return bool(broadcast_object_list([answer])[0])
