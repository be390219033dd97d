from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from support import tracking as support

from ganforge.errors import GanforgeError
from ganforge.tracking import NoTracker, RunFolder, Store, read_lines, redact, run_record
from ganforge.tracking.follower import Follower, Tail, recipe_params
from ganforge.tracking.jsonl import JsonlFile, write_json
from ganforge.tracking.reading import MetricsLine, read_json
from ganforge.tracking.redaction import redact_command


class Notebook:
    """A mirror that writes down what it is given, and refuses when told to."""

    def __init__(self) -> None:
        self.points: list[tuple[str, float, int]] = []
        self.wanted: dict[str, str] = {}
        self.files: list[str] = []
        self.refuse = False

    def begin(self, params, tags):
        self.wanted |= {**params, **tags}

    def tags(self, wanted):
        self.wanted |= wanted

    def metrics(self, points):
        if self.refuse:
            raise ConnectionError
        self.points += [(name, value, images) for name, value, _, images in points]

    def artifact(self, path, folder):
        self.files.append(f"{folder}/{path.name}")


def nothing() -> None:
    pass


def test_the_folder_is_the_truth(tmp_path: Path):
    folder = support.begin(tmp_path / "run", None)
    folder.metrics(32, 1, {"g.loss": 0.5, "fid": float("nan")}, {"fid": {"samples": 1500}})
    folder.event(32, "finding", "D wins", {"name": "collapse"})
    assert folder.finish("finished") is None
    (line,) = read_lines(tmp_path / "run" / "metrics.jsonl")
    assert line["values"] == {"g.loss": 0.5, "fid": None}
    assert (line["images"], line["round"], line["receipts"]) == (32, 1, {"fid": {"samples": 1500}})
    assert read_lines(tmp_path / "run" / "events.jsonl")[0]["text"] == "D wins"
    run = read_json(tmp_path / "run" / "run.json")
    assert run["status"] == "finished"
    assert run["versions"]["torch"]
    assert run["plugins"] == {"ganforge": "1.2.3"}
    assert run["recipe_digest"] == support.DIGEST
    assert (tmp_path / "run" / "recipe.toml").read_text() == support.RECIPE


def test_a_resumed_run_forgets_what_is_played_again_and_keeps_its_id(tmp_path: Path):
    folder = support.begin(tmp_path, None)
    support.play(folder, 0, 100)
    before = folder.previous["id"]
    folder.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"images": 100, "val')
    folder = support.begin(tmp_path, None, resumed_at=50)
    assert [line["images"] for line in read_lines(tmp_path / "metrics.jsonl")] == [0, 10, 20, 30, 40, 50]
    folder.metrics(60, 6, {"g.loss": 1.0})
    folder.finish("finished")
    assert [line["images"] for line in read_lines(tmp_path / "metrics.jsonl")][-2:] == [50, 60]
    assert read_json(tmp_path / "run.json")["id"] == before


def test_a_torn_last_line_is_dropped_before_the_next_one_is_written(tmp_path: Path):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"images":1}\n{"images":2')
    lines = JsonlFile(path)
    lines.append({"images": 3})
    lines.close()
    assert path.read_bytes() == b'{"images":1}\n{"images":3}\n'


def test_a_full_disk_keeps_the_lines_until_there_is_room(tmp_path: Path):
    lines = JsonlFile(tmp_path / "lines.jsonl")
    lines.append({"images": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))  # the second line fits in part only
    try:
        lines.append({"images": 2})
        lines.append({"images": 3})
        assert "2 lines wait" in (lines.problem or "")
        assert (tmp_path / "lines.jsonl").read_bytes() == b'{"images":1}\n'
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    lines.append({"images": 4})
    lines.close()
    assert lines.problem is None
    assert [line["images"] for line in read_lines(tmp_path / "lines.jsonl")] == [1, 2, 3, 4]


def test_two_runs_in_one_folder_are_refused_by_the_name_of_the_other(tmp_path: Path):
    other = support.python(
        "import sys, time, pathlib; from ganforge.tracking import RunFolder\n"
        "RunFolder(pathlib.Path(sys.argv[1])); print('here', flush=True); time.sleep(60)",
        str(tmp_path),
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"here\n"
    with pytest.raises(GanforgeError, match=f"process {other.pid}"):
        RunFolder(tmp_path, patience=0.0)
    support.kill(other)
    RunFolder(tmp_path).close()


def test_a_used_folder_is_not_begun_again(tmp_path: Path):
    support.begin(tmp_path, None).finish("finished")
    with pytest.raises(GanforgeError, match=r"already holds a run \(finished\)"):
        support.begin(tmp_path, None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:pa@ss@host:5000/x", "http://***@host:5000/x"),
        ("postgresql+psycopg2://u:p@db/mlflow and more", "postgresql+psycopg2://***@db/mlflow and more"),
        ("--api-key=abc next", "--api-key=*** next"),
        ('password = "abc"', 'password = "***"'),
        ("sqlite:////home/me/mlflow.db", "sqlite:////home/me/mlflow.db"),
        ("lr = 0.1 # me@home", "lr = 0.1 # me@home"),
    ],
)
def test_redaction(text: str, shown: str):
    assert redact(text) == shown


def test_values_of_secret_variables_are_masked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOME_ACCESS_KEY", "correct-horse")
    assert redact("battery correct-horse staple") == "battery *** staple"
    assert redact_command(["x", "--password", "hunter2", "y"]) == ["x", "--password", "***", "y"]


def test_neither_torch_nor_mlflow_is_loaded():
    code = "import sys, ganforge.tracking, ganforge.tracking.sidecar, ganforge.cli.track; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "mlflow", "numpy"} & set(loaded)


def test_how_to_look_at_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert Store.of(None).viewing_command() == "mlflow ui"
    assert Store.of("http://u:p@host").viewing_command() == "http://***@host"
    other = Store.of("sqlite:///sub/x.db")
    assert other.viewing_command() == f"mlflow ui --backend-store-uri sqlite:///{tmp_path}/sub/x.db"
    (tmp_path / "mlruns" / "1").mkdir(parents=True)
    (tmp_path / "mlruns" / "1" / "meta.yaml").touch()  # an old store, which `mlflow ui` prefers
    assert Store.of(None).viewing_command() == f"mlflow ui --backend-store-uri sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    assert Store.of(None).address == "http://elsewhere"


def test_a_recipe_as_parameters():
    value = {"seed": 1, "g": {"betas": [0.0, 0.9], "on": True}, "metrics": [{"kind": "fid"}]}
    expected = {"seed": "1", "g.betas": "[0.0, 0.9]", "g.on": "true", "metrics.0.kind": "fid"}
    assert recipe_params(value) == expected


def test_a_tail_yields_whole_lines_and_counts_a_refused_portion_as_unread(tmp_path: Path):
    path = tmp_path / "x.jsonl"
    tail = Tail(path, MetricsLine)
    one, two, three, four = (json.dumps({"images": images, "values": {}}).encode() + b"\n" for images in range(1, 5))
    assert list(tail.chunks()) == []
    path.write_bytes(one + two + three[:8])
    for lines in tail.chunks():
        assert [line["images"] for line in lines] == [1, 2]
        break  # the store refused
    assert [[line["images"] for line in lines] for lines in tail.chunks()] == [[1, 2]]
    with path.open("ab") as file:
        file.write(three[8:])
    assert [[line["images"] for line in lines] for lines in tail.chunks()] == [[3]]
    assert tail.lines == 3
    (tmp_path / "y.jsonl").write_bytes(four)
    (tmp_path / "y.jsonl").replace(path)
    assert [[line["images"] for line in lines] for lines in tail.chunks()] == [[4]]


def test_nothing_is_mirrored_twice_and_nothing_is_left_out(tmp_path: Path):
    folder = support.begin(tmp_path, None)
    support.play(folder, 0, 50)
    done: dict[str, object] = {}
    book = Notebook()
    follower = Follower(tmp_path, done, nothing)
    follower.begin(book, {"version": "1"})
    book.refuse = True
    with pytest.raises(ConnectionError):
        follower.follow(book)
    book.refuse = False
    follower.follow(book)
    folder.rewind(20)  # 30 and 40 are played again
    support.play(folder, 30, 80)
    (tmp_path / "grids" / "000.png").write_bytes(support.PNG)
    (tmp_path / "grids" / ".001.png.part").write_bytes(support.PNG)
    folder.event(70, "finding", "D wins", {"name": "collapse"})
    follower.follow(book)
    Follower(tmp_path, done, nothing).follow(book)  # a later process that read mlflow.json
    assert [images for name, _, images in book.points if name == "g.loss"] == list(range(0, 80, 10))
    assert book.files == ["None/recipe.toml", "grids/000.png"]
    assert book.wanted["finding.collapse"] == "D wins (at 70 images)"
    assert book.wanted["metrics.0.kind"] == "fid"
    assert done["lines"] == 8
    folder.close()


def test_what_is_played_after_a_roll_back_is_mirrored_too(tmp_path: Path):
    folder = support.begin(tmp_path, None)
    book, done = Notebook(), dict[str, object]()
    follower = Follower(tmp_path, done, nothing)
    follower.begin(book, {})
    for images, values in ((10, {"x": 1.0}), (20, {"x": 2.0}), (10, {"run/rollbacks": 1.0}), (20, {"x": 3.0})):
        folder.metrics(images, 0, values)
    details = {"name": "collapse", "evidence": "0.1 of 0.9", "remedies": ["a=1", "b=2"]}
    folder.event(20, "finding", "all alike", details)
    follower.follow(book)
    Follower(tmp_path, done, nothing).follow(book)
    assert [(value, images) for name, value, images in book.points if name == "x"] == [(1, 10), (2, 20), (3, 20)]
    assert [(name, images) for name, _, images in book.points if name.startswith("finding")] == [
        ("finding/collapse", 20)
    ]
    assert book.wanted["finding.collapse"] == "all alike (at 20 images)\n0.1 of 0.9\ntry a=1\ntry b=2"
    folder.close()


def test_a_finding_without_details_or_time_is_mirrored(tmp_path: Path):
    """As a log that was written by hand may have it: the two are optional fields of a line."""
    support.begin(tmp_path, None).close()
    (tmp_path / "events.jsonl").write_text('{"images": 5, "kind": "finding", "text": "odd", "details": null}\n')
    book = Notebook()
    Follower(tmp_path, {}, nothing).follow(book)
    assert book.wanted == {"finding.unnamed": "odd (at 5 images)"}
    assert book.points == [("finding/unnamed", 1.0, 5)]


def test_other_processes_record_nothing(tmp_path: Path):
    tracker = NoTracker()
    tracker.metrics(1, 1, {"x": 1.0})
    tracker.event(1, "notice", "x")
    assert tracker.finish("finished") is None


def test_json_is_replaced_whole(tmp_path: Path):
    write_json(tmp_path / "x.json", {"a": float("inf"), "b": (1, True, None)})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": None, "b": [1, True, None]}
    assert os.listdir(tmp_path) == ["x.json"]
    (tmp_path / "x.json").write_text("{")
    assert read_json(tmp_path / "x.json") == {}


def test_facts_name_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    support.begin(tmp_path / "a", None).close()
    assert read_json(tmp_path / "a" / "run.json")["git_commit"] is None
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    folder = RunFolder(tmp_path / "b")
    folder.begin(run_record(device="cpu", recipe_digest=support.DIGEST), support.RECIPE, None)
    folder.close()
    assert read_json(tmp_path / "b" / "run.json")["git_commit"] == head
