"""Who reports an error: one of those where it happened, and nobody who only lost another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch.distributed

from ganforge.distributed.error_reports import report_once
from ganforge.distributed.launch import LAUNCHER, free_port
from ganforge.errors import LostError, RecipeError


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LAUNCHER, raising=False)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(free_port()))


@pytest.fixture
def _met() -> Iterator[None]:
    torch.distributed.init_process_group("gloo", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def reported(error: Exception) -> tuple[int, list[str]]:
    told: list[Exception] = []
    return report_once(error, told.append), [str(one) for one in told]


@pytest.mark.usefixtures("_met")
def test_an_error_is_reported_once_and_another_one_too():
    assert reported(RecipeError("no such kind")) == (2, ["no such kind"])
    assert reported(RecipeError("no such kind")) == (2, []), "as by another process"
    assert reported(ZeroDivisionError("one is not none")) == (1, ["one is not none"])


@pytest.mark.usefixtures("_met")
def test_who_lost_another_is_silent_where_that_one_reported():
    code, told = reported(LostError("gone"))
    assert code == LostError.exit_code
    assert len(told) == 1
    assert told[0].startswith("another process of this run ended without a word")
    reported(RecipeError("no such kind"))
    assert reported(LostError("gone")) == (LostError.exit_code, [])


def test_a_loss_is_told_by_the_main_process_unless_the_launcher_does(monkeypatch: pytest.MonkeyPatch):
    assert len(reported(LostError("gone"))[1]) == 1
    monkeypatch.setenv("RANK", "1")
    assert reported(LostError("gone"))[1] == []
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv(LAUNCHER, "1")
    assert reported(LostError("gone"))[1] == []


def test_before_they_meet_the_first_process_of_a_machine_reports(monkeypatch: pytest.MonkeyPatch):
    assert reported(RecipeError("no such kind")) == (2, ["no such kind"])
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert reported(RecipeError("no such kind")) == (2, [])
    assert reported(ZeroDivisionError("none")) == (1, ["none"]), "a mistake of our own is of each process"
