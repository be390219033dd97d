"""Gradients and what is counted on the way, made equal over all processes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from accelerate import Accelerator
from torch import nn

from ganforge.api.tally import Tally
from ganforge.distributed.sync_batchnorm import BatchNorm


def all_reduce(
    parameters: Sequence[nn.Parameter], tallies: Sequence[Tally], norms: Sequence[BatchNorm], accelerator: Accelerator
) -> None:
    """Put means over all processes in the place of gradients and running statistics, sums in that of tallies.

    One flat reduction, after which the tallies are settled.

    Args:
        parameters: whose gradients are meant; those without one are passed over, on all processes alike.
        tallies: with what this process has counted.
        norms: with running statistics of this process's own samples.
        accelerator: that knows the other processes.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    pending = [tally.pending for tally in tallies]
    if accelerator.num_processes > 1:
        statistics = [kept for norm in norms for kept in (norm.running_mean, norm.running_var) if kept is not None]
        everything = [*gradients, *pending, *statistics]
        flat = accelerator.reduce(torch.cat([part.reshape(-1) for part in everything]), reduction="mean")
        for part, mean in zip(everything, flat.split([part.numel() for part in everything]), strict=True):
            part.copy_(mean.view(part.shape))
        for part in pending:
            part.mul_(accelerator.num_processes)
    for tally in tallies:
        tally.settle(tally.pending)
