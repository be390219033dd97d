"""Folders of runs that were damaged, or made by somebody else: every command answers in words."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from reliability import folders

from ganforge.tracking import EventLine, read_log, read_run_json

LINES = [
    b'{"images": 10, "round": 1, "time": 1.5, "values": {"a": 1, "b": null}}',
    b"",
    b"nothing",
    b'{"images": 20}',
    b'{"images": "20", "values": {}}',
    b'{"images": true, "values": {}}',
    b'{"images": -20, "values": {}}',
    b'{"images": 20, "values": {"a": "1"}}',
    b'{"images": 20, "values": {"a": {}}}',
    b'{"images": 20, "values": {"\\ud800": 1}}',
    b'{"images": 20, "values": [1]}',
    b'{"images": 20, "values": {"a": 2}, "receipts": {"a": 1}}',
    b'{"images": 20, "values": {"a": 2}, "receipts": {"a": {"seed": 0}}, "more": []}',
    b'{"images": 30, "values": {"a": ' + b"9" * 5_000 + b"}}",
    b'{"images": 30, "values": {}, "more": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    b'{"images": 40, "values": {"a": 3}}',  # the last one is torn
]


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder to work in, with a cache and no plugins."""
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANFORGE_PLUGINS", "")
    monkeypatch.chdir(tmp_path)


def test_lines_of_another_shape_are_left_out(tmp_path: Path):
    (tmp_path / "metrics.jsonl").write_bytes(b"\n".join(LINES))
    read = read_log(tmp_path / "metrics.jsonl")
    assert [line["images"] for line in read] == [10, 20]
    assert read[0]["values"] == {"a": 1, "b": None}
    assert read[1]["more"] == [], "what later versions add is no damage"


def test_events_of_another_shape_are_left_out(tmp_path: Path):
    events = [
        {"images": 1, "kind": "finding", "text": "x", "details": {"name": "x", "remedies": ["a=1"], "more": 1}},
        {"images": 1, "kind": "finding", "text": "x", "details": {"name": 1}},
        {"images": 1, "kind": "finding", "text": "x", "details": {"remedies": "a=1"}},
        {"images": 1, "kind": "finding", "text": "x", "details": {"severity": "terrible"}},
        {"images": 1, "kind": 1, "text": "x"},
        {"images": 1, "kind": "notice", "text": "y", "details": None},
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    assert [event["text"] for event in read_log(tmp_path / "events.jsonl", EventLine)] == ["x", "y"]


def test_fields_of_another_shape_are_left_out(tmp_path: Path):
    record = {"id": "a", "start": "yesterday", "end": 1e300, "status": "splendid", "device": ["cpu"], "pid": 7, "x": 1}
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert read_run_json(tmp_path) == {"id": "a", "pid": 7, "x": 1}


def test_a_person_is_told_of_a_damaged_log(tmp_path: Path):
    folders.make(tmp_path / "run")
    log = tmp_path / "run" / "metrics.jsonl"
    log.write_bytes(log.read_bytes() + b"null\n{}\n")
    code, said = folders.ask(["diagnose", "run"])
    assert code == 0
    assert "metrics.jsonl is damaged: 2 of its lines are no lines of a log, and are left out" in " ".join(said.split())


def test_a_run_that_goes_on_says_which_lines_were_lost(tmp_path: Path):
    folders.make(tmp_path / "run")
    log = tmp_path / "run" / "metrics.jsonl"
    log.write_bytes(b"null\n" + log.read_bytes())
    resume = ["run", "run", "--resume", "--device", "cpu", *folders.STOPS_AT]
    code, said = folders.ask(resume)
    assert code == 0
    assert "damaged lines in the logs of run, left out: 1" in said
    assert "damaged" not in folders.ask(resume)[1]


def test_a_run_goes_on_though_its_record_was_lost(tmp_path: Path):
    folders.make(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text('{"status": "finished"}')
    code, said = folders.ask(["run", "run", "--resume", "--device", "cpu", *folders.STOPS_AT])
    assert code == 0, said
    record = read_run_json(tmp_path / "run")
    assert (record["status"], len(record["id"]), record["resumed"] >= record["start"]) == ("finished", 32, True)


@pytest.mark.parametrize("recipe", ["game = 1", "[game]\ngenerator = 2", "[game.generator]\nnetwork = 1979-05-27"])
def test_weights_of_a_run_whose_recipe_was_changed(tmp_path: Path, recipe: str):
    folders.make(tmp_path / "run")
    (tmp_path / "run" / "recipe.toml").write_text(recipe)
    code, said = folders.ask(["export", "run", "--player", "generator", "--output", "g.safetensors"])
    assert (code in (0, 1, 2), "Traceback" in said) == (True, False), said


def test_whatever_becomes_of_its_files_every_command_answers_in_words(tmp_path: Path):
    assert folders.play(tmp_path, 25, 10_000) == []


def test_what_would_not_be_words_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(folder: Path, chance: random.Random) -> tuple[Path, bytes]:
        raise_in.append(folder)
        return Path("run.json"), b"{}"

    def questions(folder: Path, whole: Path, aside: Path) -> list[list[object]]:
        return [["diagnose", folder], ["no-such-command"]]

    raise_in: list[Path] = []
    monkeypatch.setattr(folders, "damaged", broken)
    monkeypatch.setattr(folders, "questions", questions)
    monkeypatch.setattr("ganforge.cli.diagnose.replay_lines", lambda *_: 1 / 0)
    (wrong,) = folders.play(tmp_path, 1, 0)
    assert wrong.startswith("0: run.json = b'{}', diagnose -> ")
    assert "ZeroDivisionError" in wrong
