"""What a signal does at which time."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from ganforge.api.metric import EvaluationInterruptedError
from ganforge.training.signals import Signals


@pytest.fixture
def signals() -> Iterator[Signals]:
    with Signals(talks=False) as heard:
        heard.patient = True
        yield heard


def hear(number: signal.Signals = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)
    _ = [None for _ in range(100)]  # the interpreter looks for signals between two steps


def test_the_first_is_remembered_and_the_second_ends_it(signals: Signals):
    hear()
    assert (signals.asked, signals.name, signals.exit_code) == (True, "SIGTERM", 143)
    with pytest.raises(KeyboardInterrupt):
        hear(signal.SIGINT)
    assert signals.exit_code == 143


def test_without_patience_the_first_ends_it(signals: Signals):
    signals.patient = False
    with pytest.raises(KeyboardInterrupt):
        hear(signal.SIGINT)
    assert signals.exit_code == 130


def test_work_that_may_be_dropped_is_dropped(signals: Signals):
    with pytest.raises(EvaluationInterruptedError), signals.interruptible():
        hear()
    assert signals.asked
    with pytest.raises(KeyboardInterrupt):
        hear()


def test_it_is_not_begun_where_an_end_was_asked_for_before(signals: Signals):
    hear()
    done = []
    with pytest.raises(EvaluationInterruptedError), signals.interruptible():
        done.append("begun")
    assert done == []


def test_what_follows_it_is_not_dropped(signals: Signals):
    with signals.interruptible():
        pass
    hear()
    assert signals.asked
