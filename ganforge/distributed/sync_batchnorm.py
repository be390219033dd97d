"""BatchNorm with the statistics of the whole batch, however many processes share it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ganforge.api.collective import Collective
from ganforge.errors import RecipeError

BatchNorm = _BatchNorm  # the base of all three, which torch.nn does not export


class _SyncBatchNorm(BatchNorm):
    """Takes mean and variance over all processes while they play a turn together; by itself it is PyTorch's own.

    Each process gives the mean and variance of its rows, of which as many belong to each; so one gather does, and no
    difference of large numbers is taken. `torch.nn.SyncBatchNorm` wants CUDA and has no second derivative.
    """

    collective: Collective

    def forward(self, hidden: Tensor) -> Tensor:
        """Normalise [B, C, ...], B rows of this process."""
        if not self.training or self.collective.world_size == 1:
            return super().forward(hidden)
        self._check_input_dim(hidden)  # type: ignore[no-untyped-call]
        dims = [0, *range(2, hidden.dim())]
        variance, mean = torch.var_mean(hidden.float(), dims, correction=0)
        means, variances = self.collective.gather(torch.stack([mean, variance])).unbind(1)  # [processes, C]
        mean = means.mean(0)
        variance = (variances + (means - mean).square()).mean(0)
        self._follow(mean.detach(), variance.detach(), self.collective.world_size * hidden.numel() // len(mean))
        scale = (variance + self.eps).rsqrt()
        shape = [1, -1, *[1] * (hidden.dim() - 2)]
        normal = (hidden.float() - mean.view(shape)) * scale.view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(hidden.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move what is kept for evaluation, as `torch.nn.BatchNorm2d` does."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), momentum)


class SyncBatchNorm1d(_SyncBatchNorm, nn.BatchNorm1d):
    """Of [B, C] or [B, C, L]."""


class SyncBatchNorm2d(_SyncBatchNorm, nn.BatchNorm2d):
    """Of [B, C, H, W]."""


class SyncBatchNorm3d(_SyncBatchNorm, nn.BatchNorm3d):
    """Of [B, C, D, H, W]."""


_SYNCHRONISED: dict[type[BatchNorm], type[_SyncBatchNorm]] = {
    nn.BatchNorm1d: SyncBatchNorm1d,
    nn.BatchNorm2d: SyncBatchNorm2d,
    nn.BatchNorm3d: SyncBatchNorm3d,
}


def convert_batchnorms(module: nn.Module) -> int:
    """Put a shared one in place of every BatchNorm below `module`, with its weights and state; return how many.

    Raises:
        RecipeError: one is of a kind of its own, of which we do not know what it computes.
    """
    made: dict[BatchNorm, _SyncBatchNorm] = {}
    for path, parent in list(module.named_modules()):
        for name, child in list(parent.named_children()):
            if not isinstance(child, BatchNorm):
                continue
            if type(child) not in _SYNCHRONISED:
                raise RecipeError(
                    f"run.sync_batchnorm: {path}.{name} is a {type(child).__name__}, and only PyTorch's own BatchNorm "
                    "can be shared over processes; leave sync_batchnorm out, or choose another norm"
                )
            if child not in made:
                made[child] = _synchronised(child)
            setattr(parent, name, made[child])
    return len(made)


def _synchronised(norm: BatchNorm) -> _SyncBatchNorm:
    made = _SYNCHRONISED[type(norm)](
        norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats, device="meta"
    )
    made.weight, made.bias = norm.weight, norm.bias
    made.running_mean, made.running_var = norm.running_mean, norm.running_var
    made.num_batches_tracked = norm.num_batches_tracked
    made.collective = Collective()
    made.training = norm.training
    return made


def local_batchnorms(module: nn.Module) -> list[BatchNorm]:
    """Return every BatchNorm below `module` that keeps statistics of this process's rows alone."""
    norms = [
        child for child in module.modules() if isinstance(child, BatchNorm) and not isinstance(child, _SyncBatchNorm)
    ]
    return [norm for norm in norms if norm.track_running_stats]
