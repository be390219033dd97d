"""The loop: rounds, and between them the tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ganforge.diagnosis import diverged, plan_of
from ganforge.errors import DivergedError
from ganforge.rollback import roll_back
from ganforge.session import Session, Task, Verdict
from ganforge.tasks.save import Save


def train(session: Session, tasks: Sequence[Task], stop: Callable[[], bool]) -> bool:
    """Play until all images of the recipe were shown, or until `stop()` is true on any process.

    Args:
        session: the run, new or resumed.
        tasks: run in this order after a round in which they are due.
        stop: asked between rounds; when it says so, a checkpoint is saved and the loop ends.

    Returns:
        Whether the run is over, rather than stopped. Where what was found stopped it, `session.verdict` says why.

    Raises:
        DivergedError: a gradient was not finite, and the run is not to be rolled back.
    """
    for task in tasks:
        task.begin(session)
    if _given_up(session, tasks):
        return False
    while not session.over:
        before = session.images
        try:
            session.ledger.note(session.runner.play_round(session.next_batch()))
        except DivergedError as error:
            finding = diverged(error, plan_of(session.recipe))
            rolls_back = session.recipe.diagnosis.action == "roll-back"
            session.tell(finding, show=rolls_back, life=session.life, term=error.term, layer=error.layer)
            verdict = Verdict("roll-back", finding.name, finding.symptom, session.images + 1)
            if not rolls_back or not roll_back(session, tasks, verdict):
                raise error.with_remedies(finding.remedies) from error
            continue
        session.show.progress(session.images)
        for task in tasks:
            if session.verdict is None and task.due(session, before):
                task.run(session)
        if session.verdict is not None:
            if _given_up(session, tasks):
                return False
        elif not session.over and _anyone_stops(session, stop):
            _save(session, tasks, before)
            return False
    return True


def _given_up(session: Session, tasks: Sequence[Task]) -> bool:
    """Follow what was found: roll back if that is asked for and possible; else return that the run is to end."""
    verdict = session.verdict
    if verdict is None:
        return False
    if verdict.action == "roll-back":
        if roll_back(session, tasks, verdict):
            session.verdict = None
            return False
        return True  # the newest checkpoint is from before the symptom, or as good as it gets: it is left alone
    _save(session, tasks, session.images)
    return True


def _save(session: Session, tasks: Sequence[Task], before: int) -> None:
    for task in tasks:
        if isinstance(task, Save) and not (before < session.images and task.due(session, before)):
            task.run(session)


def _anyone_stops(session: Session, stop: Callable[[], bool]) -> bool:
    accelerator = session.runner.accelerator
    if accelerator.num_processes == 1:
        return stop()
    wish = torch.tensor(float(stop()), device=accelerator.device)
    return bool(accelerator.reduce(wish, reduction="sum").item() > 0)
