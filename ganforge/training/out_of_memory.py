"""Remedies where memory ran out: which of micro-batches, batch, resolution, widths and samples, as overrides."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence

import torch

from ganforge.api.families import Dataset, Discriminator, Generator
from ganforge.api.network import DiscriminatorNetwork
from ganforge.diagnosis.memory import failing_module, shortage_of
from ganforge.errors import DivergedError, MemoryShortageError, Remedy
from ganforge.recipes.recipe import Recipe, plan_of
from ganforge.storage.checkpoint import list_checkpoints
from ganforge.storage.layout import RunLayout
from ganforge.training.callbacks.callback import Callback
from ganforge.training.runner import Runner
from ganforge.training.session import Session

BATCH = "run.batch"
FEWER = "fewer samples a step: that changes what is learnt"


def explain_memory_shortage(
    error: BaseException, recipe: Recipe | None, session: Session | None
) -> MemoryShortageError | None:
    """Return an error that says where memory ran out and what to try, in order.

    On a GPU, where one process plays, the number of micro-batches is found by trying: what is left of the session is
    not worth saving then, and its newest checkpoint lies on disk.

    Args:
        error: as it was caught; that of a turn comes from `Runner.play_round`.
        recipe: what is played or built; None = unknown, and there is nothing to suggest.
        session: at play; None = nothing was built yet.

    Returns:
        None where it was not memory that ran out.
    """
    if isinstance(error, MemoryShortageError) and error.turn is None:
        return error  # of `ganforge.diagnosis.memory`, which says what helps
    turn, layer = None, None
    sizes: Mapping[str, str] = {}
    if isinstance(error, MemoryShortageError):
        text, turn, layer = error.text, error.turn, error.layer
    else:
        shortage = shortage_of(error)
        if shortage is None:
            return None
        where, sizes = _where(error, session)
        at = "" if session is None else failing_module(error, session.runner.game)[0]
        text = f"{shortage}, {where}{at}"
    tries: list[Remedy] = []
    if recipe is not None:
        if turn is not None and session is not None:
            tries += turn_remedies(recipe, session, turn, layer)
        else:
            tries += _elsewhere(recipe, sizes)
            text += "" if BATCH in sizes else "; neither run.microbatches nor a smaller run.batch would change that"
    kept = [] if session is None else list_checkpoints(RunLayout(session.folder).checkpoints)
    return MemoryShortageError(text, turn=turn, remedies=tries, checkpoint=kept[-1] if kept else None)


def turn_remedies(recipe: Recipe, session: Session, turn: str, layer: str | None) -> Iterator[Remedy]:
    """Yield what makes a turn need less: smaller parts of the same batch first, since they change no result.

    Args:
        layer: that was at work then: its player is the one to make narrower.
    """
    runner, run = session.runner, recipe.run
    parts = microbatch_candidates(runner)
    cuda, alone = on_gpu(runner), runner.accelerator.num_processes == 1
    fits = first_fitting(session, parts) if cuda and alone else None
    if parts:
        modules = [module for module in runner.game.modules() if isinstance(module, DiscriminatorNetwork)]
        apart = not runner.game.whole_batch and all(module.batch_group > 0 for module in modules)
        same = "the same batch in smaller parts: results stay the same" if apart else "smaller parts of the same batch"
        but = "" if apart else ", each with statistics of its own (BatchNorm, or what the game compares)"
        tried = f"; tried here, and {fits} fit" if fits else "; tried here: it is not enough" if cuda and alone else ""
        yield Remedy(f"run.microbatches={fits or parts[-1 if tried else 0]}", same + but + tried)
    if cuda and run.precision == "no":
        yield Remedy("run.precision=bf16", "about half the memory of activations")
    index = max((i for i, later in enumerate(run.batches) if later.after_images <= session.images), default=None)
    key = BATCH if index is None else f"run.batches.{index}.batch"
    shares = runner.accelerator.num_processes * run.microbatches
    if runner.batch // 2 >= shares and runner.batch // 2 % shares == 0:
        yield Remedy(f"{key}={runner.batch // 2}", FEWER)
    own = next(known.player for known in runner.turns if known.name == turn)
    at_fault = (layer or own).split(".")[0]
    yield from _smaller(recipe, [at_fault if at_fault in runner.players else own])


def microbatch_candidates(runner: Runner) -> list[int]:
    """Return the numbers of micro-batches above the one in use that share out every batch evenly, ascending.

    Where discriminators compare samples in groups, groups stay whole.
    """
    processes = runner.accelerator.num_processes
    groups = [module.batch_group for module in runner.game.modules() if isinstance(module, DiscriminatorNetwork)]
    batches = [batch for _, batch in runner.batches]

    def fair(parts: int) -> bool:
        shares = parts * processes
        if any(batch % shares for batch in batches):
            return False
        return not any(batch // shares % group for batch in batches for group in groups if group > 1)

    return [parts for parts in range(runner.microbatches + 1, min(batches) // processes + 1) if fair(parts)]


def on_gpu(runner: Runner) -> bool:
    """Whether the game is played on a GPU, where to try once more costs seconds and harms nobody else."""
    return bool(runner.accelerator.device.type == "cuda")


def first_fitting(session: Session, candidates: Sequence[int]) -> int | None:
    """Return the first number of micro-batches with which every turn finds room, by taking all turns; else None."""
    runner, before = session.runner, session.runner.microbatches
    try:
        for parts in candidates:
            runner.microbatches = parts
            if _has_room(session):
                return parts
    finally:
        runner.microbatches = before
    return None


def _has_room(session: Session) -> bool:
    torch.cuda.empty_cache()  # does nothing where CUDA was not used
    batch = session.next_batch()
    for turn in session.runner.turns:
        try:
            session.runner.take(turn, batch)
        except DivergedError:
            continue  # it had room enough
        except (RuntimeError, MemoryError) as error:
            traceback.clear_frames(error.__traceback__)  # lets go of what it had computed
            return False
    return True


def _where(error: BaseException, session: Session | None) -> tuple[str, Mapping[str, str]]:
    """Return words for what was going on, and the numbers of the recipe that made it large, with what they count."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        actor = frame.f_locals.get("self")
        if isinstance(actor, Callback):
            return actor.activity, actor.memory_settings
        if isinstance(actor, Session) and frame.f_code.co_name == "next_batch":
            return "while a batch was read", {BATCH: FEWER}
        if isinstance(actor, Dataset):
            return "while the data were opened", {}
    return ("while the game was built" if session is None else f"after {session.images:,} images shown"), {}


def _elsewhere(recipe: Recipe, sizes: Mapping[str, str]) -> Iterator[Remedy]:
    plan = plan_of(recipe)
    for key, what in sizes.items():
        count = plan.value(key)
        if count is not None and count >= 2:
            yield Remedy(f"{key}={int(count) // 2}", what)
    yield from _smaller(recipe, list(recipe.game.players()))


def _smaller(recipe: Recipe, players: Sequence[str]) -> Iterator[Remedy]:
    plan = plan_of(recipe)
    resolution = plan.value("data.resolution")
    if resolution is not None and resolution >= 16:
        yield Remedy(f"data.resolution={int(resolution) // 2}", "a quarter of the pixels")
    for name in players:
        network = dict(recipe.game.players()[name]).get("network")
        field = network.width_field if isinstance(network, Generator | Discriminator) else None
        width = plan.value(f"game.{name}.network.{field}")
        if width is not None and width >= 2:
            yield Remedy(f"game.{name}.network.{field}={int(width) // 2}", f"a narrower {name}")
