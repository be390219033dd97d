"""Whole sessions, cut and resumed, evaluations included; `tests/reliability/resume.py` does so with every game."""

from __future__ import annotations

from pathlib import Path

import pytest
from reliability.resume import table_of, try_case
from support.examples import game_example
from support.installed import catalogue


@pytest.mark.parametrize("case", [("gan", "stylegan2", "ada"), ("gan", "mlp", "replay"), ("semi-supervised", "mlp")])
def test_resumed_equals_uninterrupted(tmp_path: Path, case: tuple[str, ...]):
    tried, wrong = try_case(table_of(game_example(*case)), catalogue(), 2, tmp_path)
    assert tried == 3
    assert wrong == []
