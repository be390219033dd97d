"""Adam with optimism."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal

import torch
from torch import nn

from ganforge.builtin.optimizers.parts.adam_family import AdamFamily


class OptimisticAdam(AdamFamily):
    """Optimistic Adam (Daskalakis et al. 2018, arXiv:1711.00141, algorithm 1).

    It takes the next gradient to be like this one: a step goes twice along Adam's direction and takes the last one
    back. Where players circle around each other, as in min max xy, it converges and gradient descent spirals out.
    """

    kind: Literal["optimistic-adam"] = "optimistic-adam"
    usual_lr: ClassVar[float | None] = 2e-4

    def build(self, parameters: Iterable[nn.Parameter], step_fraction: float) -> torch.optim.Optimizer:
        """Make it; see `Optimizer.build` for the step fraction."""
        return OptimisticAdamOptimizer(
            parameters, self.lr_at(0) * step_fraction, self.betas_at(0, step_fraction), self.eps
        )


class OptimisticAdamOptimizer(torch.optim.Optimizer):
    """theta -= 2 lr d_t - lr d_{t-1}, where d_t = m_t / (sqrt(v_t) + eps) is Adam's direction, moments without bias.

    Args:
        params: as every optimizer takes them.
        lr: the paper's eta.
        betas: decay of the first and second moment.
        eps: added to the root of the second moment.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, betas: tuple[float, float], eps: float) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step; weights without a gradient stay."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step(group)
        return loss

    def _step(self, group: dict[str, Any]) -> None:
        parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
        if not parameters:
            return
        gradients = [parameter.grad for parameter in parameters]
        states = [self._state_of(parameter) for parameter in parameters]
        first, second = group["betas"]
        means, squares, last = ([state[key] for state in states] for key in ("mean", "square", "direction"))
        # Private, and what torch.optim is made of: one kernel for all weights; torch has no public name for it.
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        for state in states:
            state["step"] += 1
        scales = [(1 - second ** state["step"]) ** 0.5 for state in states]
        roots = torch._foreach_sqrt(squares)
        torch._foreach_div_(roots, scales)
        torch._foreach_add_(roots, group["eps"])
        directions = torch._foreach_div(means, roots)
        torch._foreach_div_(directions, [1 - first ** state["step"] for state in states])
        torch._foreach_add_(parameters, directions, alpha=-2 * group["lr"])
        torch._foreach_add_(parameters, last, alpha=group["lr"])
        torch._foreach_copy_(last, directions)

    def _state_of(self, parameter: nn.Parameter) -> dict[str, Any]:
        state: dict[str, Any] = self.state[parameter]
        if not state:
            state["step"] = 0
            for key in ("mean", "square", "direction"):
                state[key] = torch.zeros_like(parameter)
        return state
