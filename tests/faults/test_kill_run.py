"""A whole run that is killed, saving included; `tests/reliability/kill.py` does the same more often."""

from __future__ import annotations

from pathlib import Path

from reliability.kill import INTERVAL, kill_again_and_again


def test_nothing_is_lost_but_what_was_not_saved_yet(tmp_path: Path):
    outcome = kill_again_and_again(tmp_path, 3)
    assert (outcome.kills, outcome.unreadable) == (3, [])
    assert outcome.read >= 3
    assert max(outcome.lost) <= INTERVAL
    assert outcome.same
