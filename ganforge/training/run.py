"""A run from its start to its end: built or resumed, played, recorded, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator

from ganforge.distributed.consistency import check_same_start
from ganforge.distributed.world import World, is_peer_loss
from ganforge.errors import CheckpointError, GanforgeError, LostError
from ganforge.plugins.catalogue import Catalogue
from ganforge.recipes.recipe import Recipe, monitors_of, recipe_digest
from ganforge.recipes.toml_writer import recipe_to_toml
from ganforge.storage.checkpoint import list_checkpoints, load_newest
from ganforge.storage.folders import cache_folder, discard_unused
from ganforge.storage.layout import RunLayout
from ganforge.tracking import NoTracker, RunFolder, Status, Store, run_record
from ganforge.training.assemble import assemble
from ganforge.training.build import keep_freed_memory
from ganforge.training.callbacks.callback import Callback
from ganforge.training.crash_report import explain, keep_traceback
from ganforge.training.loop import play_session
from ganforge.training.out_of_memory import explain_memory_shortage
from ganforge.training.reporter import Reporter
from ganforge.training.session import Session
from ganforge.training.signals import Signals


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        status: finished; failed, where a monitor's finding ended it; killed, where a signal did.
        reason: in a sentence; None where it finished.
        remark: a sentence about tracking, where there is something to say.
        seconds: that this process played.
        resumed_at: images shown when it went on; None where it began anew.
        store: that it was mirrored into; None for nowhere.
    """

    session: Session
    status: Status
    reason: str | None
    remark: str | None
    seconds: float
    resumed_at: int | None
    store: Store | None


def train_run(
    recipe: Recipe,
    folder: Path,
    *,
    catalogue: Catalogue,
    accelerator: Accelerator,
    reporter: Reporter,
    signals: Signals,
    callbacks: Sequence[Callback] = (),
    resume: bool = False,
    seed_group: str | None = None,
) -> Outcome:
    """Play a recipe in a folder until it is over, stopped, or ended by what a monitor found.

    Args:
        folder: of the run; a new one, or that of the run to go on with.
        reporter: is told how it goes, on the main process.
        signals: entered; the first signal asks for an end, see `Signals`.
        callbacks: more of them, which run before monitors look at the log and before checkpoints are saved.
        resume: go on from the newest checkpoint in `folder`, where there is one.
        seed_group: what several seeds of one recipe have in common, for MLflow.

    Raises:
        GanforgeError: whatever keeps it from training, or ended it, in words.
        KeyboardInterrupt: a signal came before the first round.
    """
    tracker: RunFolder | NoTracker = RunFolder(folder) if accelerator.is_main_process else NoTracker()
    try:
        keep_freed_memory()
        store, tracking = None, recipe.tracking
        if tracking.kind != "none":
            store = Store.of(tracking.uri, tracking.experiment, tracking.name or folder.name)
        cache = cache_folder()
        session, (*earlier, watch, save) = assemble(
            recipe,
            accelerator,
            recipe.data.open(cache),
            folder=folder,
            cache=cache,
            tracker=tracker,
            reporter=reporter,
            monitors=monitors_of(recipe, catalogue),
            installed=catalogue,
            fresh=not (resume and list_checkpoints(RunLayout(folder).checkpoints)),
        )
        resumed_at = resume_newest(session) if resume else None
        begun = {"recipe": recipe_digest(recipe), "data": session.source.fingerprint}
        check_same_start(World(accelerator), begun | {"checkpoint": f"{session.images:,} images"})
        signals.patient = True
        if isinstance(tracker, RunFolder):
            _begin_to_record(tracker, session, catalogue, store, seed_group, resume=resume)
        began = time.monotonic()
        ending = _play(session, [*earlier, *callbacks, watch, save], catalogue, signals)
        return Outcome(session, *ending, time.monotonic() - began, resumed_at, store)
    except (RuntimeError, MemoryError, OSError) as error:  # before the run began
        short = None if is_peer_loss(error) else explain_memory_shortage(error, recipe, None)
        if short is None:
            raise
        raise short from error
    finally:
        if isinstance(tracker, RunFolder):
            tracker.close()
            discard_unused(folder)


def dry_run(recipe: Recipe, accelerator: Accelerator, reporter: Reporter) -> Session:
    """Build everything that a recipe needs, write nothing but decoded data, and return the session."""
    cache = cache_folder()
    source = recipe.data.open(cache)
    session, _ = assemble(
        recipe, accelerator, source, folder=Path("-"), cache=cache, tracker=NoTracker(), reporter=reporter
    )
    return session


def _begin_to_record(
    tracker: RunFolder,
    session: Session,
    catalogue: Catalogue,
    store: Store | None,
    seed_group: str | None,
    *,
    resume: bool,
) -> None:
    """Write what the run is, and cut from its log what is played again."""
    previous = tracker.previous
    if resume and previous:
        damaged = tracker.rewind(session.images or -1)  # at no images the start of the log is written again
        if damaged:
            session.reporter.say(f"damaged lines in the logs of {session.folder}, left out: {damaged:,}")
    accelerator, source = session.runner.accelerator, session.source
    device = accelerator.device.type
    if device == "cuda":
        device += f" ({torch.cuda.get_device_name(accelerator.device)})"
    plugins = {entry.plugin.distribution: entry.plugin.version for entry in catalogue.entries}
    seed_group = seed_group or previous.get("seed_group")
    more = {"data": source.fingerprint}
    more |= {"data_notices": "; ".join(source.notices)} if source.notices else {}
    more |= {f"{name}_began_with": text for name, text in session.start_weights.items()}
    more |= {"seed_group": seed_group} if seed_group else {}
    digest = recipe_digest(session.recipe)
    record = run_record(device, digest, accelerator.num_processes, plugins, more=more)
    tracker.begin(record, recipe_to_toml(session.recipe), store, resumed=resume and bool(previous))


def _play(
    session: Session, callbacks: Sequence[Callback], catalogue: Catalogue, signals: Signals
) -> tuple[Status, str | None, str | None]:
    """Play, and record how it ended, whatever happens; return status, reason and the tracker's remark."""
    status: Status = "failed"
    reason: str | None = "it was ended by an error"
    try:
        if play_session(session, callbacks, lambda: signals.asked, signals.interruptible):
            status, reason = "finished", None
        elif session.decision is not None:
            reason = f"{session.decision.name}: {session.decision.text}"
        else:
            status, reason = "killed", f"stopped by {signals.name}"
    except KeyboardInterrupt:
        status, reason = "killed", "stopped at once by a second signal"
    except (Exception, SystemExit) as error:
        if is_peer_loss(error):
            reason = "another process of the run ended"
            raise LostError(reason) from error
        explained = explain(error, catalogue, session.recipe, session)
        if explained is None:
            reason = str(error) if isinstance(error, GanforgeError) else f"{type(error).__name__}: {error}"
            raise
        reason = str(explained).partition("\n")[0]
        if session.main and (where := keep_traceback(error, session.folder)):
            explained.add_note(where)
        raise explained from error
    finally:
        remark = session.tracker.finish(status, reason)
    return status, reason, remark


def resume_newest(session: Session) -> int | None:
    """Take on the newest checkpoint that is whole; return the images it was saved at, None where there is none yet.

    Raises:
        CheckpointError: none can be read, or it does not fit the recipe.
    """
    folder = RunLayout(session.folder).checkpoints
    if not list_checkpoints(folder):
        session.reporter.say(f"{session.folder} has no checkpoint yet: starting from the beginning")
        return None
    checkpoint, path, passed_over = load_newest(folder)
    for reason in passed_over:
        session.reporter.say(f"passed over: {reason}")
        session.tracker.event(session.images, "notice", f"passed over: {reason}")
    try:
        session.restore(checkpoint.tensors, checkpoint.facts)
    except (RuntimeError, KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError) as error:
        first = str(error).strip().splitlines()
        raise CheckpointError(
            f"{path} does not fit this recipe ({' '.join(line.strip() for line in first[:3])}); resume with the recipe "
            f"that it was saved with, {RunLayout(session.folder).recipe}"
        ) from error
    if checkpoint.facts["data"] != session.source.fingerprint:
        session.reporter.say("the data set is not the one that this run began with: it changed, or its settings did")
    session.reporter.say(f"resumed at {session.images:,} images from {path}")
    return session.images
