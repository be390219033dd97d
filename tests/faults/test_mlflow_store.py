"""What stands in MLflow after runs that ended well, badly, twice, or by a kill."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from support import tracking as support
from support.inside import inside as inside

from ganforge.cli.track import command as track
from ganforge.errors import GanforgeError
from ganforge.tracking import Store
from ganforge.tracking.reading import read_json
from ganforge.tracking.sidecar import Sidecar

TRAINER = """
import pathlib, signal, sys, time
from support import tracking as support
from ganforge.tracking import RunFolder, Store
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs tests in the background ignores it
folder = support.begin(pathlib.Path(sys.argv[1]), Store(sys.argv[2], "faces"))
support.play(folder, 0, 100)
print("here", flush=True)
try:
    time.sleep(300)
except KeyboardInterrupt:
    time.sleep(0.5)
    folder.finish("killed", "Ctrl-C")
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db", "faces", "a name")


@pytest.fixture
def look(store: Store) -> Callable[..., Run]:
    def run_of(path: Path, other: Store | None = None) -> Run:
        client = MlflowClient((other or store).address)
        identity = read_json(path / "run.json")["id"]
        (run,) = client.search_runs(
            [client.get_experiment_by_name("faces").experiment_id], f"tags.`ganforge.run` = '{identity}'"
        )
        return run

    return run_of


def steps(store: Store, run: Run, name: str) -> list[int]:
    return [point.step for point in MlflowClient(store.address).get_metric_history(run.info.run_id, name)]


def work_of(process: psutil.Process, seconds: float) -> float:
    """Return the processor time that a process takes in so many seconds."""
    before = sum(process.cpu_times()[:2])
    time.sleep(seconds)
    return sum(process.cpu_times()[:2]) - before


def test_two_runs_begin_at_once_on_a_fresh_database_and_end_badly(
    tmp_path: Path, look: Callable[..., Run], inside: None
):
    """All that needs real processes: a race for the tables, an idle sidecar, Ctrl-C, and a kill."""
    fresh = Store(f"sqlite:///{tmp_path}/fresh/mlflow.db", "faces")
    stopped, killed = tmp_path / "stopped", tmp_path / "killed"
    trainers = [support.python(TRAINER, str(folder), fresh.uri) for folder in (stopped, killed)]
    for trainer in trainers:
        assert trainer.stdout is not None
        assert trainer.stdout.readline() == b"here\n"
    for folder in (stopped, killed):
        support.eventually(lambda folder=folder: read_json(folder / "mlflow.json").get("phase") == "following", 100)
    for folder in (stopped, killed):
        assert "error" not in read_json(folder / "mlflow.json") or read_json(folder / "mlflow.json")["error"] is None
    process = psutil.Process(read_json(stopped / "mlflow.json")["pid"])
    assert process.nice() >= 5
    assert not [each.path for each in process.memory_maps() if "libtorch" in each.path]
    assert process.memory_info().rss < 400 * 2**20
    support.eventually(lambda: read_json(stopped / "mlflow.json")["runs"][fresh.name].get("lines") == 10)
    support.eventually(lambda: work_of(process, 1.5) < 0.15, 60)  # once what was sent is done with, it rests
    os.killpg(trainers[0].pid, signal.SIGINT)  # as a terminal does
    support.kill(trainers[1])
    assert trainers[0].wait(120) == 0
    assert not psutil.pid_exists(process.pid)
    support.eventually(lambda: read_json(killed / "run.json")["status"] == "killed")
    support.eventually(lambda: read_json(killed / "mlflow.json").get("phase") == "complete", 60)
    first, other = look(killed, fresh), look(stopped, fresh)
    assert [first.info.status, other.info.status] == ["KILLED", "KILLED"]
    assert other.data.tags["ganforge.reason"] == "Ctrl-C"
    assert fresh.database is not None
    assert first.info.artifact_uri.startswith(str(fresh.database.parent / "mlruns"))  # where `mlflow ui` looks

    folder = support.begin(killed, fresh, 50, recipe=support.RECIPE.replace("seed = 7", "seed = 8"))
    support.play(folder, 60, 200)
    assert folder.finish("finished") is None
    run = look(killed, fresh)
    assert run.info.run_id == first.info.run_id
    assert run.info.status == "FINISHED"
    assert steps(fresh, run, "g.loss") == list(range(0, 200, 10))
    assert run.data.params["seed"] == "7"
    assert run.data.tags["resumed.seed"] == "8"


def test_a_run_that_ends_well_is_all_there(tmp_path: Path, store: Store, look: Callable[..., Run], inside: None):
    folder = support.begin(tmp_path / "run", store)
    support.play(folder, 0, 20_000, step=10)
    folder.metrics(20_000, 2_000, {"fid": 12.5, "bad": float("nan")}, {"fid": {"samples": 1500}})
    folder.event(100, "finding", "the discriminator has won", {"name": "collapse"})
    (tmp_path / "run" / "grids" / "000020000.png").write_bytes(support.PNG)
    assert folder.finish("finished") is None
    run = look(tmp_path / "run")
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "a name"
    assert run.data.params == {
        "seed": "7",
        "data.kind": "faces",
        "game.kind": "gan",
        "game.generator.optimizer.lr": "0.001",
        "game.generator.optimizer.betas": "[0.0, 0.99]",
        "metrics.0.kind": "fid",
        "metrics.0.every_images": "100",
    }
    assert steps(store, run, "g.loss") == list(range(0, 20_000, 10))
    assert run.data.metrics["fid"] == 12.5
    assert "bad" not in run.data.metrics
    assert json.loads(run.data.tags["receipt.fid"]) == {"samples": 1500}
    assert run.data.tags["finding.collapse"].startswith("the discriminator has won")
    assert run.data.tags["version.torch"]
    assert json.loads(run.data.tags["ganforge.plugins"]) == {"ganforge": "1.2.3"}
    client = MlflowClient(store.address)
    assert {item.path for item in client.list_artifacts(run.info.run_id)} == {"grids", "recipe.toml"}
    assert [item.path for item in client.list_artifacts(run.info.run_id, "grids")] == ["grids/000020000.png"]


def test_secrets_stay_out_of_files_and_store(
    tmp_path: Path, store: Store, look: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, inside: None
):
    monkeypatch.setenv("STORAGE_SECRET", "hunter2hunter2")
    folder = support.begin(tmp_path, store, recipe=support.RECIPE + 'path = "s3://me:hunter2hunter2@host/faces"\n')
    folder.event(1, "finding", "could not read with hunter2hunter2", {"name": "x"})
    assert folder.finish("failed", "hunter2hunter2 was refused") is None
    assert look(tmp_path).info.status == "FAILED"
    assert look(tmp_path).data.tags["ganforge.reason"] == "*** was refused"
    assert look(tmp_path).data.params["metrics.0.path"] == "s3://***@host/faces"
    assert store.database is not None
    written = [*tmp_path.rglob("*"), *store.database.parent.rglob("*")]
    assert not [path for path in written if path.is_file() and b"hunter2hunter2" in path.read_bytes()]


def test_track_brings_a_run_into_a_store(tmp_path: Path, store: Store, look: Callable[..., Run], inside: None):
    folder = support.begin(tmp_path / "run", Store("http://127.0.0.1:9", "faces"))
    support.play(folder, 0, 100)
    assert folder.finish("finished", patience=0.1) is not None
    result = CliRunner().invoke(track, [str(tmp_path / "run"), "--uri", store.uri], catch_exceptions=False)
    assert result.exit_code == 0
    assert "mlflow ui" in result.output
    assert look(tmp_path / "run").info.status == "FINISHED"
    assert steps(store, look(tmp_path / "run"), "g.loss") == list(range(0, 100, 10))


def test_track_says_what_is_wrong(tmp_path: Path, inside: None):
    def mistake(*arguments: str) -> str:
        with pytest.raises(GanforgeError) as caught:
            CliRunner().invoke(track, arguments, catch_exceptions=False)
        return str(caught.value)

    assert "no run.json" in mistake(str(tmp_path))
    folder = support.begin(tmp_path, Store("http://me:secret@127.0.0.1:9"))
    assert "give the whole address with --uri" in mistake(str(tmp_path))
    support.eventually((tmp_path / "mlflow.json").exists)
    assert "is being mirrored right now" in mistake(str(tmp_path), "--uri", "http://127.0.0.1:9")
    folder.finish("finished", patience=0.0)


def test_a_sidecar_leaves_alone_what_another_trainer_has_taken_over(tmp_path: Path):
    folder = support.begin(tmp_path, None)
    late = Sidecar(tmp_path, Store(), grace=0.0)
    assert not late._ended()  # the trainer is alive: it holds the lock
    folder.close()
    assert late._ended()
    assert read_json(tmp_path / "run.json")["status"] == "killed"
