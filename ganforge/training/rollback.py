"""Going back to a checkpoint from before something went wrong, and trying again with another draw of the dice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ganforge.errors import CheckpointError
from ganforge.storage.checkpoint import Checkpoint, discard, load, path_of, saved
from ganforge.training.callbacks.callback import Task
from ganforge.training.runner import CALM
from ganforge.training.session import Session, Verdict

MOST = 3  # roll-backs in a run


def roll_back(session: Session, tasks: Sequence[Task], verdict: Verdict) -> bool:
    """Put a session back to the best checkpoint, else the newest from before the symptom; called by all processes.

    From there everything is drawn anew and learning rates are halved (`Runner.life`). Newer checkpoints are deleted;
    the log keeps what happened.

    Args:
        session: at play.
        tasks: of the run; those that remember rounds are told.
        verdict: what asked for it.

    Returns:
        Whether there was a checkpoint, and not too many roll-backs before.
    """
    life = session.life + 1
    found = _before(session, verdict.images) if life <= MOST else None
    if found is None:
        return False
    checkpoint, path = found
    left = session.images
    session.restore(checkpoint.tensors, checkpoint.facts)
    session.runner.life = life
    session.unwatched, session.extra = [], {}
    session.runner.accelerator.wait_for_everyone()  # nobody reads any more
    if session.main:
        discard(session.folder / "checkpoints", session.images)
    text = (
        f"rolled back from {left:,} to {session.images:,} images ({path.name}) because of {verdict.name}: "
        f"everything is drawn anew, and learning rates are {CALM**life:g} of the recipe's (roll-back {life} of at most "
        f"{MOST})"
    )
    details = {"from": left, "to": session.images, "life": life, "because": verdict.name}
    session.tracker.event(session.images, "rolled-back", text, details)
    session.show.say(text)
    session.log({"run/life": float(life)})  # what tells readers of the log that it goes on from here
    for task in tasks:
        task.go_back(session)
    return True


def _before(session: Session, images: int) -> tuple[Checkpoint, Path] | None:
    """Read the best checkpoint if it is from before, or the newest one from before that is whole."""
    folder = session.folder / "checkpoints"
    older = [path for path in reversed(saved(folder)) if path < path_of(folder, images)]
    best = [] if session.best is None else [path for path in older if path == path_of(folder, session.best[1])]
    for path in dict.fromkeys([*best, *older]):
        try:
            return load(path), path
        except CheckpointError as error:
            session.show.say(f"passed over: {error}")
    return None
