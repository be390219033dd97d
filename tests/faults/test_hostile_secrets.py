"""Secrets in the environment, in addresses and on the command line are in nothing that a run leaves."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from support.ring import ring_recipe

from ganforge.cli import main
from ganforge.errors import GanforgeError

RECIPE = ring_recipe(seed=1, images=64, batch=32, log_every=32, lr=2e-3, tracking="mlflow")
VARIABLES = [
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCESS_KEY",
    "GOOGLE_CREDENTIALS",
    "HF_TOKEN",
    "WANDB_API_KEY",
    "GITHUB_TOKEN",
    "MY_PRIVATE_KEY",
    "PGPASSWORD",
    "SESSION_COOKIE",
]


def planted(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give every variable a value that stands nowhere else."""
    marks = {name: f"planted-{number:02}-5ecret" for number, name in enumerate(VARIABLES)}
    for name, mark in marks.items():
        monkeypatch.setenv(name, mark)
    return marks


def leaks(folder: Path, said: str, mark: str = "5ecret") -> list[str]:
    """Where the marks are found: in the bytes of any file, in the name of one, or in what was said."""
    found = ["what was said"] if mark in said else []
    for path in folder.rglob("*"):
        if mark in path.name or (path.is_file() and mark.encode() in path.read_bytes()):
            found.append(str(path))
    return found


def mirrored(store: Path) -> bool:
    """Whether the run stands in the store, whole."""
    with sqlite3.connect(store) as database:
        values = database.execute("select count(*) from metrics").fetchone()[0]
        return bool(values) and database.execute("select status from runs").fetchall() == [("FINISHED",)]


def test_a_run_leaves_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each is in the environment; one is an option, one is in the name of the run, and one in an address."""
    marks = planted(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANFORGE_PLUGINS", "")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "ring.toml").write_text(RECIPE)
    arguments = ["run", "ring.toml", "--device", "cpu", "--set", f"tracking.name=a {marks['HF_TOKEN']} b"]
    monkeypatch.setattr("sys.argv", ["ganforge", *arguments])
    with monkeypatch.context() as patch:
        patch.setattr("ganforge.tracking.folder.SidecarProcess", lambda *_: None)
        with pytest.raises(SystemExit) as ended:
            main(arguments)
    said = capfd.readouterr()
    assert ended.value.code == 0, said.err
    with pytest.raises(SystemExit):
        main(["track", "runs/ring"])  # what the sidecar does, without racing it
    said_later = capfd.readouterr()
    assert mirrored(tmp_path / "mlflow.db")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"run.json", "recipe.toml", "metrics.jsonl", "facts.json", "mlflow.db"} <= {path.name for path in files}
    assert not leaks(tmp_path, said.out + said.err + said_later.out + said_later.err)


def test_passwords_in_addresses_are_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANFORGE_PLUGINS", "")
    monkeypatch.setattr("ganforge.tracking.folder.SidecarProcess", lambda *_: None)  # it would wait for the server
    (tmp_path / "ring.toml").write_text(RECIPE)
    address = "http://me:hunter2@127.0.0.1:9/x?token=hunter2"
    arguments = ["run", "ring.toml", "--device", "cpu", "--set", f"tracking.uri={address}"]
    monkeypatch.setattr("sys.argv", ["ganforge", *arguments])
    with pytest.raises(SystemExit):
        main(arguments)
    said = capfd.readouterr()
    record = (tmp_path / "runs" / "ring" / "run.json").read_text()
    assert "http://***@127.0.0.1:9" in record
    assert not leaks(tmp_path / "runs", said.out + said.err, "hunter2")


def test_an_error_about_a_file_prints_nothing_of_it(tmp_path: Path) -> None:
    """A recipe, a label file or weights that are something else, such as a file of passwords."""
    from support.images import png, zip_of
    from support.toys import recipe_of

    from ganforge.builtin.features.vgg16 import Vgg16
    from ganforge.storage.weights import weights_of_file

    secret = tmp_path / "secret"
    secret.write_bytes(b"5ecret" * 99)
    labelled = zip_of(tmp_path / "x.zip", {"a.png": png(), "b.png": png(), "dataset.json": secret.read_bytes()})
    for read in (
        lambda: recipe_of(data={"kind": "images", "path": str(secret)}).data.open(tmp_path),
        lambda: recipe_of(data={"kind": "images", "path": str(labelled), "labels": True}).data.open(tmp_path),
        lambda: Vgg16(weights=secret).build(),
        lambda: weights_of_file(secret),
    ):
        with pytest.raises(GanforgeError) as refused:
            read()
        assert "5ecret" not in str(refused.value)


def test_an_error_repeats_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MY_TOKEN", "planted-5ecret")
    (tmp_path / "ring.toml").write_text(RECIPE)
    for wrong in (
        "tracking.ury=http://me:5ecret@host",
        "tracking.uri=[1, 'http://me:5ecret@host']",
        "seed=planted-5ecret",
    ):
        with pytest.raises(SystemExit) as ended:
            main(["run", "ring.toml", "--set", wrong])
        said = capfd.readouterr()
        assert ended.value.code == 2
        assert "error" in said.err
        assert "5ecret" not in said.err + said.out
