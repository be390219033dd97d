"""What went wrong in a turn: the first thing that became NaN or infinite, or where memory ran out."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganforge.data import Batch
from ganforge.errors import MemoryShortageError
from ganforge.memory import shortage_of


@dataclass(frozen=True)
class Autopsy:
    """What was found.

    Args:
        text: in a sentence without a full stop.
        term: the first term that is not finite, where one is.
        layer: the path in the game of the first module whose output or gradient is not finite, where there is one.
        data: the entry of the batch that is not finite, where one is.
    """

    text: str
    term: str | None = None
    layer: str | None = None
    data: str | None = None


def autopsy(game: nn.Module, batch: Batch, objective: Callable[[], Mapping[str, Tensor]]) -> Autopsy | None:
    """Look for what went wrong first: in the data, the weights, a layer's output, a term, or a layer's gradient.

    Args:
        game: whose modules are looked at while they work; what they keep (running statistics, tallies) moves on.
        batch: that was given.
        objective: plays the forward as it was played, the same draws included; returns the terms.

    Returns:
        None where all is finite this time; on another process it may not be.
    """
    for name, values in batch.items():
        if not _finite(values):
            rows = (~torch.isfinite(values.flatten(1)).all(1)).nonzero()[:, 0].tolist()
            text = f"the batch itself: '{name}' holds NaN or infinity in {len(rows)} of {len(values)} samples"
            return Autopsy(text, data=name)
    for name, weight in game.named_parameters():
        if not _finite(weight):
            return Autopsy(f"the weights '{name}' hold NaN or infinity already", layer=name.rpartition(".")[0])
    with _Witness(game) as witness, torch.enable_grad():
        terms = objective()
        term = next((name for name, value in terms.items() if not _finite(value)), None)
        if witness.output is not None:
            path, text = witness.output
            return Autopsy(f"{text}{f', and then term {term!r}' if term else ''}", term, path)
        if term is not None:
            return Autopsy(f"term '{term}': what layers gave it was finite", term)
        loss = torch.stack([value.mean() for value in terms.values()]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
    if witness.gradient is None:
        return None
    path, text = witness.gradient
    return Autopsy(text, layer=path)


@dataclass(frozen=True)
class AtWork:
    """Where an error came from.

    Args:
        text: the path and class of a module, or "the backward pass".
        path: of the module; None = the backward pass.
    """

    text: str
    path: str | None = None


def at_work(error: BaseException, game: nn.Module) -> AtWork | None:
    """Return which module of a game an error came from; None = neither a module nor the backward pass.

    Args:
        error: with its traceback.
        game: whose module it is, the innermost one that was at work.
    """
    paths = {module: path for path, module in game.named_modules() if path}
    found: AtWork | None = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        actor = frame.f_locals.get("self")
        if isinstance(actor, nn.Module) and actor in paths:
            found = AtWork(f"'{paths[actor]}' ({type(actor).__name__})", paths[actor])
        elif frame.f_code.co_name == "backward" and frame.f_globals.get("__name__") == "torch.autograd":
            found = AtWork("the backward pass")
    return found


def short_of_memory(error: BaseException, game: nn.Module, turn: str, when: str) -> MemoryShortageError | None:
    """Return in words that memory ran out in a turn, having let go of what it had computed; None = it was not that.

    Args:
        error: that ended the turn.
        game: at play.
        turn: its name.
        when: such as "after 64 images shown".
    """
    shortage = shortage_of(error)
    if shortage is None:
        return None
    place = at_work(error, game)
    traceback.clear_frames(error.__traceback__)
    return MemoryShortageError(
        f"{shortage}, in turn '{turn}' {when}{f', at {place.text}' if place else ''}",
        turn=turn,
        layer=place.path if place else None,
    )


class _Witness:
    """Looks at what every module gives, and at the gradients that come back to it; keeps the first that is wrong."""

    def __init__(self, game: nn.Module) -> None:
        self.output: tuple[str, str] | None = None
        self.gradient: tuple[str, str] | None = None
        self._modules = {path: module for path, module in game.named_modules() if path}
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> _Witness:
        for path, module in self._modules.items():
            self._hooks.append(module.register_forward_hook(self._see(path)))
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

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
