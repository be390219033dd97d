"""The loop: rounds, and between them the tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from ganforge.api.metric import CutShortError
from ganforge.diagnosis.panel import diverged
from ganforge.distributed.consistency import check_ranks
from ganforge.distributed.world import Share
from ganforge.errors import DivergedError
from ganforge.recipes.recipe import plan_of
from ganforge.training.callbacks.callback import Task
from ganforge.training.callbacks.checkpoint import Save
from ganforge.training.rollback import roll_back
from ganforge.training.session import Session, Verdict


def train(
    session: Session,
    tasks: Sequence[Task],
    stop: Callable[[], bool],
    dropping: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> bool:
    """Play until all images of the recipe were shown, or until `stop()` is true on any process.

    Args:
        session: the run, new or resumed.
        tasks: run in this order after a round in which they are due.
        stop: asked between rounds, and between the batches of an evaluation; when it says so, a checkpoint is saved and
            the loop ends. An evaluation that was cut short is done when the run goes on. Before the first round there
            is nothing new to save.
        dropping: within it, being asked for an end raises `CutShortError` wherever this process is: for what can be
            done again, and whose author did not think of an end.

    Returns:
        Whether the run is over, rather than stopped. Where what was found stopped it, `session.verdict` says why.

    Raises:
        DivergedError: a gradient was not finite, and the run is not to be rolled back.
    """
    session.stop, session.dropping = stop, dropping
    for task in tasks:
        task.begin(session)
    if _given_up(session, tasks) or session.anyone_stops():
        return False
    while not session.over or session.cut_short is not None:
        before, goes_on = session.images, session.cut_short is not None
        if session.cut_short is not None:
            before, session.cut_short = session.cut_short, None
        elif not _play_round(session, tasks):
            continue
        due = [task for task in tasks if task.again or not goes_on]
        saved = _between(session, due, before)
        if session.verdict is not None:
            if _given_up(session, tasks):
                return False
        elif session.cut_short is not None or (not session.over and session.anyone_stops()):
            if not saved:
                _save(session, tasks)
            return False
        elif goes_on and not saved:
            _save(session, tasks)  # in place of the one that says that there is something left to do
    return True


def _play_round(session: Session, tasks: Sequence[Task]) -> bool:
    """Play one round; return False where the run was rolled back instead."""
    try:
        session.ledger.note(session.runner.play_round(session.next_batch()))
    except DivergedError as error:
        finding = diverged(error, plan_of(session.recipe))
        rolls_back = session.recipe.diagnosis.action == "roll-back"
        session.tell(finding, show=rolls_back, life=session.life, term=error.term, layer=error.layer)
        verdict = Verdict("roll-back", finding.name, finding.symptom, session.images + 1)
        if not rolls_back or not roll_back(session, tasks, verdict):
            raise error.with_remedies(finding.remedies) from error
        return False
    every = session.recipe.run.check_ranks_every
    if every is not None and session.runner.round % every == 0:
        check_ranks(Share(session.runner.accelerator), session.runner.state()[0], session.images)
    session.show.progress(session.images)
    return True


def _between(session: Session, tasks: Sequence[Task], before: int) -> bool:
    """Run the tasks that are due; return whether a checkpoint was among them, which knows of what was cut short."""
    saved = False
    for task in tasks:
        if session.verdict is None and task.due(session, before):
            try:
                task.run(session)
            except CutShortError:
                session.cut_short = before
            saved = saved or isinstance(task, Save)
    return saved


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
    _save(session, tasks)
    return True


def _save(session: Session, tasks: Sequence[Task]) -> None:
    for task in tasks:
        if isinstance(task, Save):
            task.run(session)
