"""One training process, from the order on the command line to the summary at the end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import torch
from accelerate import Accelerator

from ganforge.api.families import metric_directions
from ganforge.cli.crash_report import explain, keep_traceback
from ganforge.cli.distributed_errors import one_voice
from ganforge.cli.run.options import Order, agree_on_folder
from ganforge.cli.run.signals import Signals
from ganforge.cli.run.summary import summarise
from ganforge.cli.terminal.console import say
from ganforge.cli.terminal.view import make_view
from ganforge.distributed.consistency import check_same_start
from ganforge.distributed.world import World, is_peer_loss
from ganforge.errors import CheckpointError, GanforgeError, LostError
from ganforge.plugins.catalogue import Catalogue
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.recipe import Recipe, monitors_of, read_recipe, recipe_hash
from ganforge.recipes.toml_writer import recipe_to_toml
from ganforge.storage.checkpoint import list_checkpoints, load_newest
from ganforge.storage.folders import cache_folder, discard_unused
from ganforge.tracking import NoTracker, RunFolder, RunMetadata, Status, Store
from ganforge.training.assemble import assemble
from ganforge.training.build import keep_freed_memory, make_accelerator
from ganforge.training.loop import train
from ganforge.training.out_of_memory import explain_memory_shortage
from ganforge.training.session import Session

if TYPE_CHECKING:
    from ganforge.tracking import Tracker


STOPPED = 4  # exit code of a run that was ended by what a monitor found


def play(order: Order) -> int:
    """Train; return the exit code.

    Raises:
        GanforgeError: whatever keeps it from training, in words.
    """
    catalogue = load_catalogue(order.leave_out)
    notices: list[str] = []
    recipe = read_recipe(order.file, catalogue, order.overrides, notices.append)
    accelerator = make_accelerator(order.device, recipe.run.precision, order.processes)
    if accelerator.is_main_process and not order.quiet:
        for notice in notices:
            say(notice)
        for plugin in catalogue.broken:
            say(f"plugin {plugin.name} of {plugin.origin} was left out: {plugin.reason}")
    if order.dry_run:
        return _dry_run(order, recipe, accelerator)
    folder = agree_on_folder(order, accelerator)
    with Signals(talks=accelerator.is_main_process) as signals:
        tracker: RunFolder | NoTracker = RunFolder(folder) if accelerator.is_main_process else NoTracker()
        try:
            with one_voice():
                try:
                    return _play(order, recipe, catalogue, accelerator, folder, tracker, signals)
                except (RuntimeError, MemoryError, OSError) as error:  # before the run began
                    short = None if is_peer_loss(error) else explain_memory_shortage(error, recipe, None)
                    if short is None:
                        raise
                    raise short from error
                except KeyboardInterrupt:
                    if not signals.asked:
                        raise
                    if accelerator.is_main_process:
                        when = "at once, while it was being ended" if signals.patient else "before the first round"
                        say(f"stopped by {signals.name} {when}")
                    return signals.exit_code
        finally:
            if isinstance(tracker, RunFolder):
                tracker.close()
                discard_unused(folder)
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()


def _play(
    order: Order,
    recipe: Recipe,
    catalogue: Catalogue,
    accelerator: Accelerator,
    folder: Path,
    tracker: RunFolder | NoTracker,
    signals: Signals,
) -> int:
    keep_freed_memory()
    cache = cache_folder()
    store = None if recipe.tracking.kind == "none" else _store(recipe, folder)
    source = recipe.data.open(cache)
    talks = accelerator.is_main_process
    better = metric_directions(recipe.metrics)
    with make_view(recipe.run.images, 0, order.quiet, mute=not talks, better=better) as view:
        fresh = not (order.resume and list_checkpoints(folder / "checkpoints"))
        session, callbacks = assemble(
            recipe,
            accelerator,
            source,
            folder=folder,
            cache=cache,
            tracker=tracker,
            reporter=view,
            monitors=monitors_of(recipe, catalogue),
            installed=catalogue,
            fresh=fresh,
        )
        resumed_at = _resume(order, session) if order.resume else None
        begun = {"recipe": recipe_hash(recipe), "data": source.fingerprint, "checkpoint": f"{session.images:,} images"}
        check_same_start(World(accelerator), begun)
        signals.patient = True
        if isinstance(tracker, RunFolder):
            resumed = order.resume and bool(tracker.previous)
            if resumed:
                damaged = tracker.rewind(session.images or -1)  # at no images the start of the log is written again
                if damaged:
                    view.say(f"damaged lines in the logs of {folder}, left out: {damaged:,}")
            tracker.begin(
                _facts(accelerator, catalogue, session, order.sweep or tracker.previous.get("sweep")),
                recipe_to_toml(recipe),
                store,
                resumed=resumed,
            )
        status: Status = "failed"
        reason: str | None = "it was ended by an error"
        code = 1
        began = time.monotonic()
        try:
            over = train(session, callbacks, lambda: signals.asked, signals.interruptible)
            if over:
                status, reason, code = "finished", None, 0
            elif session.decision is not None:
                decision = session.decision
                status, reason, code = "failed", f"{decision.name}: {decision.text}", STOPPED
            else:
                status, reason, code = "killed", f"stopped by {signals.name}", signals.exit_code
        except KeyboardInterrupt:
            status, reason, code = "killed", "stopped at once by a second signal", signals.exit_code
        except (Exception, SystemExit) as error:
            if is_peer_loss(error):
                reason = "another process of the run ended"
                raise LostError(reason) from error
            explained = explain(error, catalogue, recipe, session)
            if explained is None:
                reason = str(error) if isinstance(error, GanforgeError) else f"{type(error).__name__}: {error}"
                raise
            reason = str(explained).partition("\n")[0]
            if talks and (where := keep_traceback(error, folder)):
                explained.add_note(where)
            raise explained from error
        finally:
            remark = tracker.finish(status, reason)
    if talks:
        summarise(order, session, status, time.monotonic() - began, resumed_at, store, remark)
    return code


def _store(recipe: Recipe, folder: Path) -> Store:
    tracking = recipe.tracking
    return Store.of(tracking.uri, tracking.experiment, tracking.name or folder.name)


def _facts(accelerator: Accelerator, catalogue: Catalogue, session: Session, sweep: str | None) -> RunMetadata:
    device = accelerator.device.type
    if device == "cuda":
        device += f" ({torch.cuda.get_device_name(accelerator.device)})"
    plugins = {entry.plugin.distribution: entry.plugin.version for entry in catalogue.entries}
    more = {"data": session.source.fingerprint}
    more |= {"data_notices": "; ".join(session.source.notices)} if session.source.notices else {}
    more |= {f"{name}_began_with": text for name, text in session.start_weights.items()}
    more |= {"sweep": sweep} if sweep else {}
    return RunMetadata(device, accelerator.num_processes, plugins, more=more)


def _resume(order: Order, session: Session) -> int | None:
    """Take on the newest checkpoint that is whole; return the images it was saved at, None where there is none yet."""
    folder = session.folder / "checkpoints"
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
            f"that it was saved with: ganforge run {session.folder} --resume"
        ) from error
    if checkpoint.facts["data"] != session.source.fingerprint:
        session.reporter.say(
            "the data set is not the one that this run began with: it was changed, or its settings were"
        )
    session.reporter.say(f"resumed at {session.images:,} images from {path}")
    return session.images


def _dry_run(order: Order, recipe: Recipe, accelerator: Accelerator) -> int:
    """Build everything, write nothing but decoded data, and say what would be trained."""
    source = recipe.data.open(cache_folder())
    tracker: Tracker = NoTracker()
    with make_view(recipe.run.images, 0, True) as view:
        session, _ = assemble(
            recipe, accelerator, source, folder=Path("-"), cache=cache_folder(), tracker=tracker, reporter=view
        )
    if accelerator.is_main_process:
        players = ", ".join(
            f"{name} {sum(p.numel() for p in player.parameters):,}" for name, player in session.runner.players.items()
        )
        click.echo(
            f"{order.file} is in order: {recipe.run.images:,} images in rounds of {recipe.run.batch}, data of "
            f"{len(source):,} samples {list(source.spec.shape)}; parameters: {players}. Nothing was trained; "
            f"`ganforge check {order.recipe}` measures speed and memory"
        )
    return 0
