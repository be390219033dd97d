"""The loop: rounds, and between them the callbacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from ganforge.api.metric import EvaluationInterruptedError
from ganforge.diagnosis.panel import divergence_finding
from ganforge.distributed.consistency import check_ranks
from ganforge.distributed.world import World
from ganforge.errors import DivergedError
from ganforge.training.callbacks.callback import Callback
from ganforge.training.callbacks.checkpoint import CheckpointCallback
from ganforge.training.rollback import roll_back
from ganforge.training.session import Decision, Session


def play_session(
    session: Session,
    callbacks: Sequence[Callback],
    stop: Callable[[], bool],
    interruptible: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> bool:
    """Play until all images of the recipe were shown, or until `stop()` is true on any process.

    Args:
        callbacks: run in this order after a round in which they are due.
        stop: asked between rounds, and between the batches of an evaluation; when it says so, a checkpoint is saved and
            the loop ends. An evaluation that was cut short is done when the run goes on. Before the first round there
            is nothing new to save.
        interruptible: within it, being asked for an end raises `EvaluationInterruptedError` wherever this process is:
            for what can be done again, and whose author did not think of an end.

    Returns:
        Whether the run is over, rather than stopped. Where what was found stopped it, `session.decision` says why.

    Raises:
        DivergedError: a gradient was not finite, and the run is not to be rolled back.
    """
    session.stop, session.interruptible = stop, interruptible
    for callback in callbacks:
        callback.begin(session)
    if _given_up(session, callbacks) or session.any_process_stops():
        return False
    while not session.over or session.interrupted_at is not None:
        before, goes_on = session.images, session.interrupted_at is not None
        if session.interrupted_at is not None:
            before, session.interrupted_at = session.interrupted_at, None
        elif not _play_round(session, callbacks):
            continue
        due = [callback for callback in callbacks if callback.of_evaluation or not goes_on]
        saved = _between(session, due, before)
        if session.decision is not None:
            if _given_up(session, callbacks):
                return False
        elif session.interrupted_at is not None or (not session.over and session.any_process_stops()):
            if not saved:
                _save(session, callbacks)
            return False
        elif goes_on and not saved:
            _save(session, callbacks)  # in place of the one that says that there is something left to do
    return True


def _play_round(session: Session, callbacks: Sequence[Callback]) -> bool:
    """Play one round; return False where the run was rolled back instead."""
    try:
        session.running_means.note(session.runner.play_round(session.next_batch()))
    except DivergedError as error:
        finding = divergence_finding(error, session.plan)
        rolls_back = session.recipe.diagnosis.action == "roll-back"
        session.report_finding(
            finding, show=rolls_back, rollbacks=session.rollbacks, term=error.term, layer=error.layer
        )
        decision = Decision("roll-back", finding.name, finding.symptom, session.images + 1)
        if not rolls_back or not roll_back(session, callbacks, decision):
            raise error.with_remedies(finding.remedies) from error
        return False
    every = session.recipe.run.check_ranks_every
    if every is not None and session.runner.round % every == 0:
        check_ranks(World(session.runner.accelerator), session.runner.state()[0], session.images)
    session.reporter.progress(session.images)
    return True


def _between(session: Session, callbacks: Sequence[Callback], before: int) -> bool:
    """Run the callbacks that are due; return whether a checkpoint was among them, which knows of what was cut short."""
    saved = False
    for callback in callbacks:
        if session.decision is None and callback.due(session, before):
            try:
                callback.run(session)
            except EvaluationInterruptedError:
                session.interrupted_at = before
            saved = saved or isinstance(callback, CheckpointCallback)
    return saved


def _given_up(session: Session, callbacks: Sequence[Callback]) -> bool:
    """Follow what was found: roll back if that is asked for and possible; else return that the run is to end."""
    decision = session.decision
    if decision is None:
        return False
    if decision.action == "roll-back":
        if roll_back(session, callbacks, decision):
            session.decision = None
            return False
        return True  # the newest checkpoint is from before the symptom, or as good as it gets: it is left alone
    _save(session, callbacks)
    return True


def _save(session: Session, callbacks: Sequence[Callback]) -> None:
    for callback in callbacks:
        if isinstance(callback, CheckpointCallback):
            callback.run(session)
