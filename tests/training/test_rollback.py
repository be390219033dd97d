"""What a finding asks for is done: a warning, a stop with a checkpoint, or a roll-back and another draw of the dice."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from accelerate import Accelerator
from pydantic import Field
from support.toys import ToySource, gan_table, recipe_of
from torch import Tensor

from ganforge.api.data import DataSpec
from ganforge.api.families import Monitor
from ganforge.api.monitor import Finding, LogLine, Watcher
from ganforge.api.plan import Plan
from ganforge.errors import DivergedError
from ganforge.storage.checkpoint import list_checkpoints, load_newest
from ganforge.tracking import RunFolder, read_lines
from ganforge.training.assemble import assemble
from ganforge.training.callbacks.callback import Callback
from ganforge.training.callbacks.watch import WatchCallback
from ganforge.training.loop import play_session
from ganforge.training.reporter import SilentReporter
from ganforge.training.rollback import MOST
from ganforge.training.session import Session

SPEC = DataSpec((1, 8, 8))


class Fail(Monitor):
    """Finds a failure from so many images on, in the first lives of a run; for tests."""

    kind: Literal["fail"] = "fail"
    images: int = Field(default=64, description="images shown")
    lives: int = Field(default=1, description="how many lives fail")

    def build(self, plan: Plan) -> Watcher:
        return Failing(self)


class Failing(Watcher):
    def __init__(self, monitor: Fail) -> None:
        self.monitor, self.rollbacks = monitor, 0

    def look(self, line: LogLine) -> list[Finding]:
        self.rollbacks = int(line.get("run/rollbacks") or self.rollbacks)
        if line.images < self.monitor.images or self.rollbacks >= self.monitor.lives:
            return []
        return [Finding("failed", "it fails", f"at {line.images}", "a test", ("seed=4",))]


def session_of(folder: Path, *monitors: Monitor, **changes: Any) -> tuple[Session, list[Callback], RunFolder]:
    settings = {
        "run__images": 128,
        "run__log_every_images": 32,
        "checkpoints__every_images": 32,
        "checkpoints__keep": 9,
    }
    recipe = recipe_of(gan_table(), **{**settings, "diagnosis__samples": 0, **changes})
    tracker = RunFolder(folder)
    session, callbacks = assemble(
        recipe,
        Accelerator(cpu=True),
        ToySource(SPEC),
        folder=folder,
        cache=folder,
        tracker=tracker,
        reporter=SilentReporter(),
        monitors=monitors,
    )
    return session, callbacks, tracker


def resumed(folder: Path, *monitors: Monitor, **changes: Any) -> tuple[Session, list[Callback], RunFolder]:
    session, callbacks, tracker = session_of(folder, *monitors, **changes)
    checkpoint, _, _ = load_newest(folder / "checkpoints")
    session.restore(checkpoint.tensors, checkpoint.facts)
    tracker.rewind(session.images)
    return session, callbacks, tracker


def findings_of(folder: Path) -> list[dict[str, Any]]:
    return [event for event in read_lines(folder / "events.jsonl") if event["kind"] == "finding"]


def state_of(session: Session) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in session.runner.state()[0].items()}


def logged(folder: Path) -> list[tuple[int, float | None]]:
    return [(line["images"], line["values"].get("run/rollbacks")) for line in read_lines(folder / "metrics.jsonl")]


def test_a_warning_is_told_once_and_written_whole(tmp_path: Path):
    session, callbacks, _ = session_of(tmp_path, Fail(lives=9))
    assert play_session(session, callbacks, lambda: False) is True
    (event,) = findings_of(tmp_path)
    assert (event["images"], event["text"]) == (64, "it fails")
    told = {"name": "failed", "evidence": "at 64", "cause": "a test", "remedies": ["seed=4"], "severity": "failure"}
    assert told.items() <= event["details"].items()
    assert event["details"]["monitor"] == "fail"
    assert session.findings == ["failed"]
    assert session.decision is None


def test_a_stop_saves_and_says_why(tmp_path: Path):
    session, callbacks, _ = session_of(tmp_path, Fail(action="stop"), checkpoints__every_images=1_000)
    assert play_session(session, callbacks, lambda: False) is False
    assert session.decision is not None
    assert (session.decision.name, session.decision.images, session.decision.remedies) == ("failed", 64, ("seed=4",))
    assert [path.name for path in list_checkpoints(tmp_path / "checkpoints")] == ["images-000000000064"]


def test_what_was_said_is_not_said_or_done_again_when_resumed(tmp_path: Path):
    session, callbacks, tracker = session_of(tmp_path, Fail(action="stop"))
    play_session(session, callbacks, lambda: False)
    tracker.close()
    session, callbacks, _ = resumed(tmp_path, Fail(action="stop"))
    assert play_session(session, callbacks, lambda: False) is True, "who resumes it wants it to go on"
    assert [event["images"] for event in findings_of(tmp_path)] == [64]
    watch = next(callback for callback in callbacks if isinstance(callback, WatchCallback))
    assert [(case.first, case.last) for case in watch.panel.cases] == [(64, 128)], "the log of before was looked at"


def test_a_monitor_that_is_new_when_resumed_looks_at_what_was_logged_before(tmp_path: Path):
    session, callbacks, tracker = session_of(tmp_path)
    play_session(session, callbacks, lambda: session.images >= 96)
    tracker.close()
    session, callbacks, _ = resumed(tmp_path, Fail())
    play_session(session, callbacks, lambda: True)
    (event,) = findings_of(tmp_path)
    assert event["details"]["first"] == 64


def test_a_roll_back_goes_to_before_the_symptom_and_draws_anew(tmp_path: Path):
    session, callbacks, _ = session_of(tmp_path, Fail(action="roll-back", images=96))
    note = Note()
    play_session(session, [*callbacks, note], lambda: False)
    assert session.rollbacks == 1
    assert logged(tmp_path)[-4:] == [(96, None), (64, 1.0), (96, None), (128, None)]
    assert [images for images, _ in note.rates] == [16, 32, 48, 64, 80, 80, 96, 112, 128]
    assert [rate for _, rate in note.rates] == pytest.approx([2e-3] * 5 + [1e-3] * 4), "learning rates are halved"
    (event,) = [event for event in read_lines(tmp_path / "events.jsonl") if event["kind"] == "rolled-back"]
    assert event["details"] == {"from": 96, "to": 64, "rollbacks": 1, "because": "failed"}


class Note(Callback):
    """Notes the learning rate after each round."""

    def __init__(self) -> None:
        super().__init__(1)
        self.rates: list[tuple[int, float]] = []

    def run(self, session: Session) -> None:
        self.rates.append((session.images, session.runner.players["generator"].optimizer.param_groups[0]["lr"]))


def test_after_a_roll_back_draws_are_others(tmp_path: Path):
    session, _, _ = session_of(tmp_path)
    tensors, facts = session.state()
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    found = []
    for rollbacks in (0, 0, 1):
        session.restore(tensors, {**facts, "rollbacks": rollbacks})
        for player in session.runner.players.values():
            player.step = lambda *_: None
        report = session.runner.play_round(session.next_batch())
        found.append(report["generator/adversarial"].item())
    assert found[0] == found[1] != found[2]


def test_a_resume_after_a_roll_back_is_exact(tmp_path: Path):
    whole, callbacks, _ = session_of(tmp_path / "whole", Fail(action="roll-back"))
    assert play_session(whole, callbacks, lambda: False) is True
    cut, callbacks, tracker = session_of(tmp_path / "cut", Fail(action="roll-back"))
    assert play_session(cut, callbacks, lambda: cut.rollbacks == 1 and cut.images >= 80) is False
    tracker.close()
    cut, callbacks, _ = resumed(tmp_path / "cut", Fail(action="roll-back"))
    assert (cut.images, cut.rollbacks) == (80, 1)
    assert play_session(cut, callbacks, lambda: False) is True
    left, right = state_of(whole), state_of(cut)
    assert all(torch.equal(left[name], right[name]) for name in left)
    assert logged(tmp_path / "whole") == logged(tmp_path / "cut"), "a resumed run keeps what was rolled back, too"


def test_it_is_rolled_back_so_often_and_then_ended(tmp_path: Path):
    session, callbacks, _ = session_of(tmp_path, Fail(action="roll-back", lives=99))
    assert play_session(session, callbacks, lambda: False) is False
    assert session.decision is not None
    assert session.decision.action == "roll-back"
    assert session.rollbacks == MOST
    assert len(findings_of(tmp_path)) == MOST + 1
    assert [path.name for path in list_checkpoints(tmp_path / "checkpoints")][-1] == "images-000000000032", (
        "not what failed"
    )


def test_the_best_checkpoint_is_gone_back_to(tmp_path: Path):
    session, callbacks, _ = session_of(tmp_path, Fail(action="roll-back", images=128), run__images=160)
    session.best = (1.0, 32)
    play_session(session, callbacks, lambda: False)
    (event,) = [event for event in read_lines(tmp_path / "events.jsonl") if event["kind"] == "rolled-back"]
    assert event["details"]["to"] == 32


def test_there_is_always_something_to_go_back_to(tmp_path: Path):
    session, callbacks, _ = session_of(tmp_path, diagnosis__action="roll-back", checkpoints__every_images=1_000)
    play_session(session, callbacks, lambda: session.images >= 32)
    assert list_checkpoints(tmp_path / "checkpoints")[0].name == "images-000000000000"


@pytest.mark.parametrize("action", ["warn", "roll-back"])
def test_a_gradient_that_is_not_finite(tmp_path: Path, action: str, monkeypatch: pytest.MonkeyPatch):
    session, callbacks, _ = session_of(tmp_path, diagnosis__action=action)
    keep = session.runner.game.discriminator_terms

    def judge(duel, regularizers):
        terms = keep(duel, regularizers)
        spoilt = session.images == 48 and session.rollbacks == 0
        return {name: term * float("nan") if spoilt else term for name, term in terms.items()}

    monkeypatch.setattr(session.runner.game, "discriminator_terms", judge)
    if action == "warn":
        with pytest.raises(DivergedError, match=r"try game\.discriminator\.optimizer\.lr=0\.0005"):
            play_session(session, callbacks, lambda: False)
    else:
        assert play_session(session, callbacks, lambda: False) is True
        assert session.rollbacks == 1
        assert all(tally.pending.abs().sum() == 0 for tally in session.runner._tallies)
    (event,) = findings_of(tmp_path)
    assert event["details"]["name"] == "non-finite"
    assert "first in term adversarial" in event["text"]


def test_rewinding_keeps_what_was_rolled_back(tmp_path: Path):
    """A log with two lives, of which the second is taken back in part."""
    folder = RunFolder(tmp_path)
    for images, values in ((10, {}), (20, {}), (30, {}), (10, {"run/rollbacks": 1.0}), (20, {}), (30, {})):
        folder.metrics(images, 0, values)
    folder.rewind(20)
    assert [line["images"] for line in read_lines(tmp_path / "metrics.jsonl")] == [10, 20, 30, 10, 20]
    folder.rewind(5)
    assert read_lines(tmp_path / "metrics.jsonl") == []
