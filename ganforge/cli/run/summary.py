"""The summary of a run that ended: what came out, where it is, what to do next."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from ganforge.cli.messages import say
from ganforge.cli.run.options import RunOptions
from ganforge.cli.terminal.formats import format_duration, format_rate
from ganforge.storage.checkpoint import list_checkpoints
from ganforge.storage.layout import RunLayout
from ganforge.tracking import Store
from ganforge.training.run import Outcome
from ganforge.training.session import Session


def summarise(options: RunOptions, outcome: Outcome) -> None:
    """Say what the run left and where, on stderr; the run's folder alone goes to stdout."""
    session, seconds = outcome.session, outcome.seconds
    if not options.quiet:
        shown = session.images - (outcome.resumed_at or 0)
        rate = f", {format_rate(shown / seconds)} images/s" if seconds > 1 else ""
        word: str = "stopped" if outcome.status == "killed" else outcome.status
        if session.decision is not None:
            rolled = f", after {session.rollbacks} roll-backs" if session.rollbacks else ""
            word = f"ended because of {session.decision.name}{rolled}"
        say(click.style(f"\n{word}: {session.images:,} of {session.recipe.run.images:,} images shown", bold=True))
        say(f"  {shown:,} of them here, in {format_duration(seconds)}{rate}")
        for name, value in session.metrics.items():
            say(f"  {name} {value:.4g}")
        for label, place in _places(session, outcome.store):
            say(f"  {label:<11} {place}")
        say("")
        for text, comment in _next_steps(options, session, outcome.status):
            say(f"  {click.style(text, bold=True)}\n      {comment}")
    if outcome.remark:
        say(outcome.remark)
    click.echo(session.folder)


def _places(session: Session, store: Store | None) -> list[tuple[str, str]]:
    layout = RunLayout(session.folder)
    grids, checkpoints = layout.all_grids(), list_checkpoints(layout.checkpoints)
    places = [("grid", str(grids[-1]))] if grids else []
    places.append(("metrics", str(layout.metrics)))
    places += [("checkpoint", str(checkpoints[-1]))] if checkpoints else []
    if store is not None:
        places.append(("MLflow", f"run {store.run} in experiment {store.experiment}; look: {store.viewing_command()}"))
    return places


def _next_steps(options: RunOptions, session: Session, status: str) -> list[tuple[str, str]]:
    folder: Path = session.folder
    steps = [(f"ganforge sample {folder} -n 64", "draw new samples")]
    if session.findings:
        steps.insert(0, (f"ganforge diagnose {folder}", f"what was found: {', '.join(session.findings)}"))
    if session.decision is not None:
        tries = "".join(f" --set {shlex.quote(remedy)}" for remedy in session.decision.remedies[:1])
        steps.append((f"ganforge run {options.recipe}{tries}", "a new run, with the first of the remedies"))
        go_on = "go on all the same: what was found is not said again"
        if session.decision.action == "roll-back":
            go_on = "go on from the newest checkpoint; change something with --set, or it ends as it did"
        steps.append((f"ganforge run {folder} --resume", go_on))
    elif status == "finished":
        more = 2 * session.recipe.run.images
        steps.append((f"ganforge run {folder} --resume --set run.images={more}", "train on"))
    else:
        steps.append((f"ganforge run {folder} --resume", "go on, exactly where it stopped"))
    steps.append((f"ganforge recipe show {RunLayout(folder).recipe}", "all that can be changed, with --set"))
    return steps
