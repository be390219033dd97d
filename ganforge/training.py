"""The loop: rounds, and between them the tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ganforge.session import Session, Task
from ganforge.tasks.save import Save


def train(session: Session, tasks: Sequence[Task], stop: Callable[[], bool]) -> bool:
    """Play until all images of the recipe were shown, or until `stop()` is true on any process.

    Args:
        session: the run, new or resumed.
        tasks: run in this order after a round in which they are due.
        stop: asked between rounds; when it says so, a checkpoint is saved and the loop ends.

    Returns:
        Whether the run is over, rather than stopped.

    Raises:
        DivergedError: a gradient was not finite.
    """
    for task in tasks:
        task.begin(session)
    while not session.over:
        before = session.images
        session.ledger.note(session.runner.play_round(session.next_batch()))
        session.show.progress(session.images)
        for task in tasks:
            if task.due(session, before):
                task.run(session)
        if not session.over and _anyone_stops(session, stop):
            for task in tasks:
                if isinstance(task, Save) and not task.due(session, before):
                    task.run(session)
            return False
    return True


def _anyone_stops(session: Session, stop: Callable[[], bool]) -> bool:
    accelerator = session.runner.accelerator
    if accelerator.num_processes == 1:
        return stop()
    wish = torch.tensor(float(stop()), device=accelerator.device)
    return bool(accelerator.reduce(wish, reduction="sum").item() > 0)
