"""What is said of a gradient that is not finite: in one text, the same on all processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from ganforge.autopsy import Autopsy
from ganforge.errors import DivergedError

ELSEWHERE = "not on this process"


def verdict(
    where: str,
    player: str,
    gradients: Mapping[str, Tensor],
    terms: Mapping[str, Tensor],
    look: Callable[[], Autopsy | None],
) -> DivergedError:
    """Return what went wrong on this process.

    Args:
        where: the round and the turn, in words.
        player: whose turn it was.
        gradients: of its parameters, by name; their norm is not finite.
        terms: means, by name.
        look: plays the forward once more and looks closely; None where all is finite.
    """
    said = ", ".join(f"{name} = {value.item():.4g}" for name, value in terms.items())
    bad = [name for name, gradient in gradients.items() if not torch.isfinite(gradient).all()]
    if not bad:
        largest, name = max((float(g.abs().max()), name) for name, g in gradients.items() if g.numel())
        return DivergedError(
            f"{where} is too large: its numbers are finite, up to {largest:.3g} in {name}, but its norm is more "
            f"than 32 bits can hold; the step was not taken. Its terms: {said}",
            player=player,
        )
    found = look() or Autopsy(ELSEWHERE)
    return DivergedError(
        f"{where} is not finite; the step was not taken. What went wrong first: {found.text}. Its terms: {said}. "
        f"First parameters hit: {', '.join(bad[:3])}{f' and {len(bad) - 3} more' if len(bad) > 3 else ''}",
        player=player,
        term=found.term,
        layer=found.layer,
        data=found.data,
    )


def agreed(error: DivergedError, accelerator: Accelerator) -> DivergedError:
    """Return what the first process says that saw what went wrong, so that all say the same."""
    if accelerator.num_processes == 1:
        return error
    told = gather_object([(str(error), error.player, error.term, error.layer, error.data)])
    text, player, term, layer, data = next((one for one in told if ELSEWHERE not in one[0]), told[0])
    return DivergedError(text, player=player, term=term, layer=layer, data=data)
