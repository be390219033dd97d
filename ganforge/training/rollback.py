"""Going back to a checkpoint from before something went wrong, and trying again with another draw of the dice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ganforge.errors import CheckpointError
from ganforge.storage.checkpoint import (
    Checkpoint,
    checkpoint_path,
    discard_checkpoints,
    list_checkpoints,
    load_checkpoint,
)
from ganforge.storage.layout import RunLayout
from ganforge.training.callbacks.callback import Callback
from ganforge.training.runner import ROLLBACK_LR_FACTOR
from ganforge.training.session import Decision, Session

MOST = 3  # roll-backs in a run


def roll_back(session: Session, callbacks: Sequence[Callback], decision: Decision) -> bool:
    """Put a session back to the best checkpoint, else the newest from before the symptom; called by all processes.

    From there everything is drawn anew and learning rates are halved (`Runner.rollbacks`). Newer checkpoints are
    deleted; the log keeps what happened.

    Args:
        callbacks: of the run; those that remember rounds are told.

    Returns:
        Whether there was a checkpoint, and not too many roll-backs before.
    """
    number = session.rollbacks + 1
    found = _before(session, decision.images) if number <= MOST else None
    if found is None:
        return False
    checkpoint, path = found
    left = session.images
    session.restore(checkpoint.tensors, checkpoint.facts)
    session.runner.rollbacks = number
    session.unwatched, session.extra = [], {}
    session.runner.accelerator.wait_for_everyone()  # nobody reads any more
    if session.main:
        discard_checkpoints(RunLayout(session.folder).checkpoints, session.images)
    text = (
        f"rolled back from {left:,} to {session.images:,} images ({path.name}) because of {decision.name}: "
        f"everything is drawn anew, and learning rates are {ROLLBACK_LR_FACTOR**number:g} of the recipe's (roll-back "
        f"{number} of at most {MOST})"
    )
    details = {"from": left, "to": session.images, "rollbacks": number, "because": decision.name}
    session.tracker.event(session.images, "rolled-back", text, details)
    session.reporter.say(text)
    session.log({"run/rollbacks": float(number)})  # what tells readers of the log that it goes on from here
    for callback in callbacks:
        callback.rolled_back(session)
    return True


def _before(session: Session, images: int) -> tuple[Checkpoint, Path] | None:
    """Read the best checkpoint if it is from before, or the newest one from before that is whole."""
    folder = RunLayout(session.folder).checkpoints
    older = [path for path in reversed(list_checkpoints(folder)) if path < checkpoint_path(folder, images)]
    best = [] if session.best is None else [path for path in older if path == checkpoint_path(folder, session.best[1])]
    for path in dict.fromkeys([*best, *older]):
        try:
            return load_checkpoint(path), path
        except CheckpointError as error:
            session.reporter.say(f"passed over: {error}")
    return None
