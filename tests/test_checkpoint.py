"""Checkpoints: whole or not there, and nothing about them believed without a check."""

from __future__ import annotations

import json
import math
import random
import shutil
from pathlib import Path

import pytest
import torch
from support import ToySource, batches, gan_table, runner_of

from ganforge import checkpoint
from ganforge.checkpoint import FACTS, MANIFEST, TENSORS, Checkpoint, load, load_newest, prune, save, saved
from ganforge.data import DataSpec
from ganforge.errors import CheckpointError


def content(images: int = 32) -> Checkpoint:
    numbers = torch.Generator().manual_seed(images)
    tensors = {
        "game/weight": torch.randn(5, 7, generator=numbers),
        "game/scalar": torch.tensor(3.5),
        "game/empty": torch.empty(0, 3),
        "player/step": torch.tensor(7, dtype=torch.int64),
        "channels last": torch.randn(2, 3, 4, 4, generator=numbers).to(memory_format=torch.channels_last),
        "half": torch.randn(3, generator=numbers).bfloat16(),
    }
    return Checkpoint(tensors, {"images": images, "round": 2, "metrics": {"fid": 12.5}, "best": None})


def test_what_is_loaded_is_what_was_saved(tmp_path: Path):
    path = save(tmp_path, 32, content())
    found = load(path)
    assert path.name == "images-000000000032"
    assert found.facts == content().facts
    assert found.tensors.keys() == content().tensors.keys()
    for name, tensor in content().tensors.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor), name
    assert sorted(file.name for file in path.iterdir()) == sorted([TENSORS, FACTS, MANIFEST])
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name], "nothing is left aside"


@pytest.mark.parametrize("file", [TENSORS, FACTS, MANIFEST])
def test_one_changed_byte_is_found(tmp_path: Path, file: str):
    path = save(tmp_path, 32, content()) / file
    whole = path.read_bytes()
    numbers = random.Random(file)
    # every byte of the small files, and many of the large one, each changed in one bit and to something else
    offsets = (
        range(len(whole)) if len(whole) < 500 else [0, 7, 8, len(whole) - 1, *numbers.sample(range(len(whole)), 200)]
    )
    for offset in offsets:
        for change in (1 << numbers.randrange(8), numbers.randrange(1, 256)):
            damaged = bytearray(whole)
            damaged[offset] ^= change
            path.write_bytes(damaged)
            with pytest.raises(CheckpointError, match="images-000000000032"):
                load(path.parent)
    path.write_bytes(whole)
    load(path.parent)


@pytest.mark.parametrize("file", [TENSORS, FACTS, MANIFEST])
@pytest.mark.parametrize("share", [0, 0.3, 0.999, None])
def test_truncated_missing_and_lengthened_files_are_found(tmp_path: Path, file: str, share: float | None):
    path = save(tmp_path, 32, content()) / file
    whole = path.read_bytes()
    if share is None:
        path.unlink()
    else:
        path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CheckpointError):
        load(path.parent)
    path.write_bytes(whole + b"\n")
    with pytest.raises(CheckpointError):
        load(path.parent)


def rewrite(path: Path, **changes: object) -> None:
    manifest = json.loads((path / MANIFEST).read_text())
    (path / MANIFEST).write_text(json.dumps({**manifest, **changes}, indent=1))


def test_a_foreign_format_is_named(tmp_path: Path):
    path = save(tmp_path, 32, content())
    rewrite(path, format=99)
    with pytest.raises(CheckpointError, match="is of format 99; this ganforge reads format 1"):
        load(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"format": 1}',
        '{"format": 1, "images": 1, "files": {}}',
        "\x00",
        '{"format": 1, "files": 3}',
    ],
)
def test_a_manifest_that_is_none(tmp_path: Path, text: str):
    path = save(tmp_path, 32, content())
    (path / MANIFEST).write_text(text)
    with pytest.raises(CheckpointError):
        load(path)


def test_pickles_are_never_read(tmp_path: Path):
    """Even with a manifest that describes it."""
    path = save(tmp_path, 32, content())
    torch.save({"a": torch.zeros(1)}, path / TENSORS)
    (path / MANIFEST).write_text(checkpoint._manifest(path, 32))
    with pytest.raises(CheckpointError, match="cannot be read"):
        load(path)


def test_a_manifest_cannot_point_elsewhere(tmp_path: Path):
    path = save(tmp_path, 32, content())
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["files"]["../../secret"] = manifest["files"][FACTS]
    (path / MANIFEST).write_text(json.dumps(manifest, indent=1))
    with pytest.raises(CheckpointError):
        load(path)


def test_the_newest_whole_one_and_why_not_the_newer(tmp_path: Path):
    for images in (16, 32, 48):
        save(tmp_path, images, content(images))
    (tmp_path / "images-000000000048" / FACTS).write_text("{}")
    shutil.rmtree(tmp_path / "images-000000000032" / MANIFEST, ignore_errors=True)
    (tmp_path / "images-000000000032" / MANIFEST).unlink()
    found, path, passed_over = load_newest(tmp_path)
    assert (found.facts["images"], path.name) == (16, "images-000000000016")
    assert len(passed_over) == 2
    assert "images-000000000048" in passed_over[0]
    assert "SHA-256" in passed_over[0]
    assert "images-000000000032" in passed_over[1]


def test_none_that_can_be_read(tmp_path: Path):
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        load_newest(tmp_path)
    path = save(tmp_path, 16, content(16))
    (path / TENSORS).unlink()
    with pytest.raises(CheckpointError, match=r"holds no checkpoint that can be read\n.*images-000000000016"):
        load_newest(tmp_path)


def test_pruning_keeps_the_newest_and_the_best(tmp_path: Path):
    for images in range(10, 70, 10):
        save(tmp_path, images, content(images))
    (tmp_path / ".images-000000000070.tmp").mkdir()
    prune(tmp_path, keep=2, best=20)
    assert [int(path.name[7:]) for path in saved(tmp_path)] == [20, 50, 60]
    assert len(list(tmp_path.iterdir())) == 3, "what a killed process left is gone"
    prune(tmp_path, keep=2, best=None)
    assert [int(path.name[7:]) for path in saved(tmp_path)] == [50, 60]


def test_saving_again_replaces(tmp_path: Path):
    save(tmp_path, 32, content(16))
    save(tmp_path, 32, content(32))
    assert torch.equal(load(saved(tmp_path)[0]).tensors["game/weight"], content(32).tensors["game/weight"])
    assert len(list(tmp_path.iterdir())) == 1


def test_no_space_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save(tmp_path, 16, content(16))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 100, 0))
    with pytest.raises(
        CheckpointError, match=r"images-000000000032 could not be written .*are free.*older ones are un"
    ):
        save(tmp_path, 32, content(32))
    assert [path.name for path in tmp_path.iterdir()] == ["images-000000000016"]
    load_newest(tmp_path)


@pytest.mark.parametrize("name", ["save_file", "_sync", "_manifest"])
def test_a_disk_that_fills_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    save(tmp_path, 16, content(16))

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, name, full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        save(tmp_path, 32, content(32))
    assert [path.name for path in tmp_path.iterdir()] == ["images-000000000016"]


def test_a_folder_that_is_a_file(tmp_path: Path):
    (tmp_path / "checkpoints").write_text("")
    with pytest.raises(CheckpointError, match="could not be written"):
        save(tmp_path / "checkpoints", 32, content())


def test_a_metric_that_is_no_number_does_not_cost_the_checkpoint(tmp_path: Path):
    facts = {"images": 32, "metrics": {"fid": float("nan"), "kid": float("inf")}}
    found = load(save(tmp_path, 32, Checkpoint(content().tensors, facts))).facts
    assert math.isnan(found["metrics"]["fid"])
    assert found["metrics"]["kid"] == math.inf


def test_facts_that_json_cannot_hold_leave_no_half_checkpoint(tmp_path: Path):
    with pytest.raises(TypeError):
        save(tmp_path, 32, Checkpoint(content().tensors, {"images": 32, "bad": object()}))
    assert saved(tmp_path) == []


def test_a_whole_runner_survives(tmp_path: Path):
    spec = DataSpec((1, 8, 8))
    runner = runner_of(gan_table(), spec)
    for batch in batches(runner, ToySource(spec), 2):
        runner.play_round(batch)
    tensors, facts = runner.state()
    found = load(save(tmp_path, runner.images, Checkpoint(tensors, facts)))
    assert found.facts == json.loads(json.dumps(facts))
    assert all(torch.equal(found.tensors[path], tensor) for path, tensor in tensors.items())
