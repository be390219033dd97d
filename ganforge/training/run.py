"""A run from its start to its end: built or resumed, played, recorded, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
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
from ganforge.training.loop import train
from ganforge.training.out_of_memory import explain_memory_shortage
from ganforge.training.reporter import Reporter
from ganforge.training.session import Session
from ganforge.training.signals import Signals


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        session: as it was then.
        status: finished; failed, where a monitor's finding ended it; killed, where a signal did.
        reason: in a sentence; None where it finished.
        seconds: that this process played.
        resumed_at: images shown when it went on; None where it began anew.
        store: that it was mirrored into; None for nowhere.
        remark: a sentence about tracking, where there is something to say.
    """

    session: Session
    status: Status
    reason: str | None
    seconds: float
    resumed_at: int | None
    store: Store | None
    remark: str | None


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
        recipe: what to play.
        folder: of the run; a new one, or that of the run to go on with.
        catalogue: the installed components.
        accelerator: of Accelerate.
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
        run = _Run(recipe, folder, catalogue, accelerator, reporter, signals, tracker)
        run.prepare(callbacks, resume=resume, seed_group=seed_group)
        return run.play()
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


class _Run:
    """One run on its way from `prepare` to the end of `play`."""

    session: Session
    callbacks: list[Callback]
    resumed_at: int | None

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        catalogue: Catalogue,
        accelerator: Accelerator,
        reporter: Reporter,
        signals: Signals,
        tracker: RunFolder | NoTracker,
    ) -> None:
        self.recipe, self.folder, self.catalogue, self.accelerator = recipe, folder, catalogue, accelerator
        self.reporter, self.signals, self.tracker = reporter, signals, tracker
        tracking = recipe.tracking
        self.store = None
        if tracking.kind != "none":
            self.store = Store.of(tracking.uri, tracking.experiment, tracking.name or folder.name)

    def prepare(self, callbacks: Sequence[Callback], *, resume: bool, seed_group: str | None) -> None:
        """Build the session, go on from a checkpoint where that is wanted, and begin to record."""
        keep_freed_memory()
        cache = cache_folder()
        checkpoints = RunLayout(self.folder).checkpoints
        self.session, own = assemble(
            self.recipe,
            self.accelerator,
            self.recipe.data.open(cache),
            folder=self.folder,
            cache=cache,
            tracker=self.tracker,
            reporter=self.reporter,
            monitors=monitors_of(self.recipe, self.catalogue),
            installed=self.catalogue,
            fresh=not (resume and list_checkpoints(checkpoints)),
        )
        *earlier, watch, save = own
        self.callbacks = [*earlier, *callbacks, watch, save]
        self.resumed_at = resume_newest(self.session) if resume else None
        images = self.session.images
        begun = {"recipe": recipe_digest(self.recipe), "data": self.session.source.fingerprint}
        check_same_start(World(self.accelerator), begun | {"checkpoint": f"{images:,} images"})
        self.signals.patient = True
        if isinstance(self.tracker, RunFolder):
            previous = self.tracker.previous
            if resume and previous:
                damaged = self.tracker.rewind(images or -1)  # at no images the start of the log is written again
                if damaged:
                    self.reporter.say(f"damaged lines in the logs of {self.folder}, left out: {damaged:,}")
            self.tracker.begin(
                self._record(seed_group or previous.get("seed_group")),
                recipe_to_toml(self.recipe),
                self.store,
                resumed=resume and bool(previous),
            )

    def play(self) -> Outcome:
        """Play, and record how it ended, whatever happens."""
        session, signals = self.session, self.signals
        status: Status = "failed"
        reason: str | None = "it was ended by an error"
        began = time.monotonic()
        try:
            if train(session, self.callbacks, lambda: signals.asked, signals.interruptible):
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
            explained = explain(error, self.catalogue, self.recipe, session)
            if explained is None:
                reason = str(error) if isinstance(error, GanforgeError) else f"{type(error).__name__}: {error}"
                raise
            reason = str(explained).partition("\n")[0]
            if self.accelerator.is_main_process and (where := keep_traceback(error, self.folder)):
                explained.add_note(where)
            raise explained from error
        finally:
            remark = self.tracker.finish(status, reason)
        return Outcome(session, status, reason, time.monotonic() - began, self.resumed_at, self.store, remark)

    def _record(self, seed_group: str | None) -> Mapping[str, object]:
        device = self.accelerator.device.type
        if device == "cuda":
            device += f" ({torch.cuda.get_device_name(self.accelerator.device)})"
        plugins = {entry.plugin.distribution: entry.plugin.version for entry in self.catalogue.entries}
        source = self.session.source
        more = {"data": source.fingerprint}
        more |= {"data_notices": "; ".join(source.notices)} if source.notices else {}
        more |= {f"{name}_began_with": text for name, text in self.session.start_weights.items()}
        more |= {"seed_group": seed_group} if seed_group else {}
        return run_record(device, recipe_digest(self.recipe), self.accelerator.num_processes, plugins, more=more)


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
    facts: Mapping[str, object] = checkpoint.facts
    try:
        session.restore(checkpoint.tensors, checkpoint.facts)
    except (RuntimeError, KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError) as error:
        first = str(error).strip().splitlines()
        raise CheckpointError(
            f"{path} does not fit this recipe ({' '.join(line.strip() for line in first[:3])}); resume with the recipe "
            f"that it was saved with, {RunLayout(session.folder).recipe}"
        ) from error
    if facts["data"] != session.source.fingerprint:
        session.reporter.say("the data set is not the one that this run began with: it changed, or its settings did")
    session.reporter.say(f"resumed at {session.images:,} images from {path}")
    return session.images
