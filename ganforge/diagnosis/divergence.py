"""Divergence: the first thing that became NaN or infinite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from ganforge.api.data import Batch
from ganforge.errors import DivergedError


def find_divergence(
    game: nn.Module, batch: Batch, objective: Callable[[], Mapping[str, Tensor]]
) -> DivergedError | None:
    """Look for what went wrong first: in the data, the weights, a layer's output, a term, or a layer's gradient.

    Args:
        game: whose modules are looked at while they work; what they keep (running statistics, tallies) moves on.
        objective: plays the forward as it was played, the same draws included; returns the terms.

    Returns:
        The first, in a sentence without a full stop, with its term, layer or entry of the batch; None where all is
        finite this time: on another process it may not be.
    """
    for name, values in batch.items():
        if not _finite(values):
            rows = (~torch.isfinite(values.flatten(1)).all(1)).nonzero()[:, 0].tolist()
            text = f"the batch itself: '{name}' holds NaN or infinity in {len(rows)} of {len(values)} samples"
            return DivergedError(text, data=name)
    for name, weight in game.named_parameters():
        if not _finite(weight):
            return DivergedError(f"the weights '{name}' hold NaN or infinity already", layer=name.rpartition(".")[0])
    with _FirstNonFinite(game) as witness, torch.enable_grad():
        terms = objective()
        term = next((name for name, value in terms.items() if not _finite(value)), None)
        if witness.output is not None:
            path, text = witness.output
            return DivergedError(f"{text}{f', and then term {term!r}' if term else ''}", term=term, layer=path)
        if term is not None:
            return DivergedError(f"term '{term}': what layers gave it was finite", term=term)
        loss = torch.stack([value.mean() for value in terms.values()]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
    if witness.gradient is None:
        return None
    path, text = witness.gradient
    return DivergedError(text, layer=path)


class _FirstNonFinite(ExitStack):
    """Looks at what every module gives, and at the gradients that come back to it; keeps the first that is wrong."""

    def __init__(self, game: nn.Module) -> None:
        super().__init__()
        self.output: tuple[str, str] | None = None
        self.gradient: tuple[str, str] | None = None
        for path, module in game.named_modules():
            if path:
                self.callback(module.register_forward_hook(self._see(path)).remove)

    def _see(self, path: str) -> Callable[[nn.Module, object, object], None]:
        def look(module: nn.Module, given: object, made: object) -> None:
            what = f"'{path}' ({type(module).__name__})"
            for output in _tensors(made):
                if self.output is None and not _finite(output):
                    whole = all(map(_finite, _tensors(given)))
                    self.output = (
                        path,
                        f"the output of {what}, {'though its' if whole else 'and its'} input was "
                        + ("finite" if whole else "not finite either: it was computed between layers"),
                    )
                if output.requires_grad:
                    output.register_hook(self._feel(path, what))  # type: ignore[no-untyped-call]

        return look

    def _feel(self, path: str, what: str) -> Callable[[Tensor], None]:
        def look(gradient: Tensor) -> None:
            if self.gradient is None and not _finite(gradient):
                self.gradient = path, f"the gradient by the output of {what}; every value before it was finite"

        return look


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _tensors(entry)
    elif isinstance(value, dict):
        for entry in value.values():
            yield from _tensors(entry)


def _finite(values: Tensor) -> bool:
    return not values.is_floating_point() or bool(torch.isfinite(values).all())


ELSEWHERE = "not on this process"


def divergence_error(
    where: str,
    player: str,
    gradients: Mapping[str, Tensor],
    terms: Mapping[str, Tensor],
    look: Callable[[], DivergedError | None],
) -> DivergedError:
    """Return what went wrong on this process.

    Args:
        where: the round and the turn, in words.
        gradients: of its parameters, by name; their norm is not finite.
        look: plays the forward once more and looks closely, as `find_divergence` does.
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
    found = look() or DivergedError(ELSEWHERE)
    return DivergedError(
        f"{where} is not finite; the step was not taken. What went wrong first: {found.text}. Its terms: {said}. "
        f"First parameters hit: {', '.join(bad[:3])}{f' and {len(bad) - 3} more' if len(bad) > 3 else ''}",
        player=player,
        term=found.term,
        layer=found.layer,
        data=found.data,
    )


def agree_on_error(error: DivergedError, accelerator: Accelerator) -> DivergedError:
    """Return what the first process says that saw what went wrong, so that all say the same."""
    if accelerator.num_processes == 1:
        return error
    told = gather_object([(str(error), error.player, error.term, error.layer, error.data)])
    text, player, term, layer, data = next((one for one in told if ELSEWHERE not in one[0]), told[0])
    return DivergedError(text, player=player, term=term, layer=layer, data=data)
