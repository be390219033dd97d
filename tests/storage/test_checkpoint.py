"""Checkpoints: whole or not there, and nothing about them believed without a check."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import sys
from pathlib import Path

import pytest
import torch
from support.toys import ToySource, batches, gan_table, runner_of

from ganforge.api.data import DataSpec
from ganforge.errors import CheckpointError
from ganforge.storage import checkpoint, disk
from ganforge.storage.checkpoint import (
    Checkpoint,
    checkpoint_path,
    list_checkpoints,
    load_checkpoint,
    load_newest,
    prune_checkpoints,
    save_checkpoint,
)
from ganforge.storage.layout import images_of
from ganforge.storage.manifest import FACTS, MANIFEST, TENSORS, describe_files, manifest_text


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
    path = save_checkpoint(tmp_path, 32, content())
    found = load_checkpoint(path)
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
    path = save_checkpoint(tmp_path, 32, content()) / file
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
                load_checkpoint(path.parent)
    path.write_bytes(whole)
    load_checkpoint(path.parent)


@pytest.mark.parametrize("file", [TENSORS, FACTS, MANIFEST])
@pytest.mark.parametrize("share", [0, 0.3, 0.999, None])
def test_truncated_missing_and_lengthened_files_are_found(tmp_path: Path, file: str, share: float | None):
    path = save_checkpoint(tmp_path, 32, content()) / file
    whole = path.read_bytes()
    if share is None:
        path.unlink()
    else:
        path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CheckpointError):
        load_checkpoint(path.parent)
    path.write_bytes(whole + b"\n")
    with pytest.raises(CheckpointError):
        load_checkpoint(path.parent)


def rewrite(path: Path, **changes: object) -> None:
    manifest = json.loads((path / MANIFEST).read_text())
    (path / MANIFEST).write_text(json.dumps({**manifest, **changes}, indent=1))


@pytest.mark.parametrize("file", [FACTS, MANIFEST])
def test_a_new_line_that_became_a_carriage_return_is_found(tmp_path: Path, file: str):
    path = save_checkpoint(tmp_path, 32, content()) / file
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r", 1))
    with pytest.raises(CheckpointError, match="was changed or damaged"):
        load_checkpoint(path.parent)


@pytest.mark.parametrize("format_", [1, 2, 99])
def test_a_foreign_format_is_named(tmp_path: Path, format_: int):
    path = save_checkpoint(tmp_path, 32, content())
    rewrite(path, format=format_)
    expected = f"images-000000000032 is of format {format_}, which another version of ganforge wrote; this one reads 3"
    with pytest.raises(CheckpointError, match=expected):
        load_checkpoint(path)


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
    path = save_checkpoint(tmp_path, 32, content())
    (path / MANIFEST).write_text(text)
    with pytest.raises(CheckpointError):
        load_checkpoint(path)


def describe(path: Path, images: int) -> None:
    """Write the manifest that the files would have."""
    (path / MANIFEST).write_text(manifest_text(images, describe_files(path)))


def test_pickles_are_never_read(tmp_path: Path):
    """Even with a manifest that describes it."""
    path = save_checkpoint(tmp_path, 32, content())
    torch.save({"a": torch.zeros(1)}, path / TENSORS)
    describe(path, 32)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(path)


def test_a_format_that_facts_and_manifest_do_not_agree_on(tmp_path: Path):
    path = save_checkpoint(tmp_path, 32, content())
    facts = json.loads((path / FACTS).read_text())
    (path / FACTS).write_text(json.dumps({**facts, "format": 1}))
    describe(path, 32)
    with pytest.raises(CheckpointError, match="does not describe the files"):
        load_checkpoint(path)


@pytest.mark.parametrize("format_", [0, -1, None, "2", [], 1.0, 10**30])
def test_a_format_that_is_none(tmp_path: Path, format_: object):
    path = save_checkpoint(tmp_path, 32, content())
    rewrite(path, format=format_)
    with pytest.raises(CheckpointError, match="images-000000000032"):
        load_checkpoint(path)


@pytest.mark.parametrize("file", [FACTS, MANIFEST])
@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 60_000, " " * (2**26 + 1), '{"images": {}}', "\ud800", "nul"])
def test_absurd_json(tmp_path: Path, file: str, text: str):
    """Even where the manifest describes it: nested too deep, a number too long, a file too large."""
    path = save_checkpoint(tmp_path, 32, content())
    (path / file).write_bytes(text.encode("utf-16" if text == "\ud800" else "utf-8", "surrogatepass"))
    if file == FACTS:
        describe(path, 32)
    with pytest.raises(CheckpointError, match="images-000000000032"):
        load_checkpoint(path)


def header(tensors: bytes, entries: object, length: int | None = None) -> bytes:
    """A safetensors file with another header."""
    text = json.dumps(entries).encode()
    size = int.from_bytes(tensors[:8], "little")
    return (len(text) if length is None else length).to_bytes(8, "little") + text + tensors[8 + size :]


@pytest.mark.parametrize(
    ("entries", "length"),
    [
        ({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}, None),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, None),
        ({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, None),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [2**60, 2**60 + 4]}}, None),
        ({"a": {"dtype": "PICKLE", "shape": [1], "data_offsets": [0, 4]}}, None),
        ({}, 2**63),
        ({}, 0),
        ([], None),
    ],
)
def test_a_header_that_lies_about_sizes(tmp_path: Path, entries: object, length: int | None):
    """Even where the manifest describes the file."""
    path = save_checkpoint(tmp_path, 32, content())
    (path / TENSORS).write_bytes(header((path / TENSORS).read_bytes(), entries, length))
    describe(path, 32)
    with pytest.raises(CheckpointError, match="images-000000000032 cannot be read"):
        load_checkpoint(path)


def test_files_that_the_manifest_does_not_describe(tmp_path: Path):
    path = save_checkpoint(tmp_path, 32, content())
    (path / ".nfs0001").write_text("left by the system")
    load_checkpoint(path)
    (path / "weights.pkl").write_bytes(b"anything")
    with pytest.raises(CheckpointError, match=r"does not describe \(weights.pkl\)"):
        load_checkpoint(path)


@pytest.mark.parametrize("kind", ["file", "link", "dangling link", "nothing"])
def test_a_checkpoint_that_is_no_folder(tmp_path: Path, kind: str):
    whole, place = save_checkpoint(tmp_path / "elsewhere", 48, content(48)), tmp_path / "images-000000000048"
    match kind:
        case "file":
            place.write_text("not a folder")
        case "link":
            place.symlink_to(whole)
        case "dangling link":
            place.symlink_to(tmp_path / "gone")
    with pytest.raises(CheckpointError, match=r"images-000000000048 is (a file|a link|missing)"):
        load_checkpoint(place)
    save_checkpoint(tmp_path, 32, content())
    _, path, passed_over = load_newest(tmp_path)
    assert path.name == "images-000000000032"
    assert len(passed_over) == (kind != "nothing")
    path = save_checkpoint(tmp_path, 48, content(48))  # played again
    assert load_newest(tmp_path)[1:] == (path, [])
    assert load_checkpoint(whole).facts["images"] == 48, "what a link led to is left alone"


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
@pytest.mark.parametrize("file", [TENSORS, FACTS, MANIFEST])
def test_a_file_of_a_checkpoint_that_is_none(tmp_path: Path, kind: str, file: str):
    path = save_checkpoint(tmp_path, 32, content()) / file
    other = path.rename(tmp_path / file)
    match kind:
        case "link":
            path.symlink_to(other)
        case "pipe":
            os.mkfifo(path)  # reading would wait for ever
        case "folder":
            path.mkdir()
    with pytest.raises(CheckpointError, match=f"{file} is no plain file"):
        load_checkpoint(path.parent)


def test_tensors_in_the_same_memory_are_saved(tmp_path: Path):
    """Tied weights, and parts of one tensor; safetensors refuses them as they are."""
    weight = torch.randn(4, 4)
    tensors = {"a": weight, "b": weight, "first": weight[0], "transposed": weight.T}
    found = load_checkpoint(save_checkpoint(tmp_path, 32, Checkpoint(tensors, {"images": 32}))).tensors
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_a_manifest_cannot_point_elsewhere(tmp_path: Path):
    path = save_checkpoint(tmp_path, 32, content())
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["files"]["../../secret"] = manifest["files"][FACTS]
    (path / MANIFEST).write_text(json.dumps(manifest, indent=1))
    with pytest.raises(CheckpointError):
        load_checkpoint(path)


def test_the_newest_whole_one_and_why_not_the_newer(tmp_path: Path):
    for images in (16, 32, 48):
        save_checkpoint(tmp_path, images, content(images))
    facts = tmp_path / "images-000000000048" / FACTS
    facts.write_text(facts.read_text().replace("12.5", "11.5"))
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
    path = save_checkpoint(tmp_path, 16, content(16))
    (path / TENSORS).unlink()
    with pytest.raises(CheckpointError, match=r"holds no checkpoint that can be read\n.*images-000000000016"):
        load_newest(tmp_path)


def test_pruning_keeps_the_newest_and_the_best(tmp_path: Path):
    for images in range(10, 70, 10):
        save_checkpoint(tmp_path, images, content(images))
    (tmp_path / ".images-000000000070.tmp").mkdir()
    prune_checkpoints(tmp_path, 60, keep=2, best=20)
    assert [int(path.name[7:]) for path in list_checkpoints(tmp_path)] == [20, 50, 60]
    assert len(list(tmp_path.iterdir())) == 3, "what a killed process left is gone"
    prune_checkpoints(tmp_path, 60, keep=2)
    assert [int(path.name[7:]) for path in list_checkpoints(tmp_path)] == [50, 60]


def test_the_first_after_each_multiple_is_kept_for_good(tmp_path: Path):
    for images in (0, 16, 30, 46, 62, 78, 94, 110):
        save_checkpoint(tmp_path, images, content(images))
        prune_checkpoints(tmp_path, images, keep=2, best=None, every=30)
    assert [images_of(path) for path in list_checkpoints(tmp_path)] == [30, 62, 94, 110]
    save_checkpoint(tmp_path, 126, content(126))
    prune_checkpoints(tmp_path, 126, keep=2, every=30)
    save_checkpoint(tmp_path, 142, content(142))
    prune_checkpoints(tmp_path, 142, keep=2, every=30)
    assert [images_of(path) for path in list_checkpoints(tmp_path)] == [30, 62, 94, 126, 142]


def test_damaged_ones_that_are_played_again_do_not_count_as_newest(tmp_path: Path):
    """A run that went back to 16 keeps 16 until it has two that are whole."""
    for images in (16, 48, 64):
        save_checkpoint(tmp_path, images, content(images))
    for images in (48, 64):
        (checkpoint_path(tmp_path, images) / FACTS).write_text("damaged")
    save_checkpoint(tmp_path, 32, content(32))
    prune_checkpoints(tmp_path, 32, keep=2)
    assert [images_of(path) for path in list_checkpoints(tmp_path)] == [16, 32, 48, 64]
    save_checkpoint(tmp_path, 48, content(48))
    prune_checkpoints(tmp_path, 48, keep=2)
    assert [images_of(path) for path in list_checkpoints(tmp_path)] == [32, 48, 64]


def test_an_old_one_that_is_no_folder_is_cleared_away(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").write_text("")
    checkpoint_path(tmp_path, 1).symlink_to(tmp_path / "elsewhere")
    checkpoint_path(tmp_path, 2).write_text("a file")
    for images in (16, 32):
        save_checkpoint(tmp_path, images, content(images))
    prune_checkpoints(tmp_path, 32, keep=2)
    assert [images_of(path) for path in list_checkpoints(tmp_path)] == [16, 32]
    assert (tmp_path / "elsewhere" / "precious").exists()


def test_the_newest_is_the_one_of_most_images_whatever_the_clock_says(tmp_path: Path):
    for images, clock in ((16, 3e9), (32, 2e9), (48, 1e9)):  # the clock is set back again and again
        path = save_checkpoint(tmp_path, images, content(images))
        for file in (*path.iterdir(), path):
            os.utime(file, (clock, clock))
    assert load_newest(tmp_path)[1] == checkpoint_path(tmp_path, 48)
    prune_checkpoints(tmp_path, 48, keep=2)
    assert [images_of(path) for path in list_checkpoints(tmp_path)] == [32, 48]


def test_names_of_others_are_left_alone(tmp_path: Path):
    for name in ("images-", "images-1", "images-best", "images-00000000001x", "images-" + "9" * 30):
        (tmp_path / name).mkdir()
    save_checkpoint(tmp_path, 16, content(16))
    prune_checkpoints(tmp_path, 16, keep=2)
    assert [images_of(path) for path in list_checkpoints(tmp_path)] == [16]
    assert len(list(tmp_path.iterdir())) == 6


def test_what_is_replaced_is_there_until_the_new_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """At every call to the system while a checkpoint is written over another, one that is whole has its name."""
    save_checkpoint(tmp_path, 32, content(16))
    seen: list[str] = []

    def look(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event.startswith(("os.", "open", "shutil.")) and event not in ("os.scandir", "os.listdir"):
            seen.append(event)
            assert (checkpoint_path(tmp_path, 32) / MANIFEST).is_file(), (event, arguments)

    watching = True
    sys.addaudithook(look)  # which cannot be taken away again
    try:
        save_checkpoint(tmp_path, 32, content(32))
    finally:
        watching = False
    assert len(seen) > 10
    assert load_newest(tmp_path)[0].facts["images"] == 32
    monkeypatch.setattr(disk, "exchange_folders", lambda one, two: False)  # a file system that cannot exchange names
    save_checkpoint(tmp_path, 32, Checkpoint(content().tensors, {"images": 32, "again": True}))
    assert load_checkpoint(checkpoint_path(tmp_path, 32)).facts["again"]
    assert [path.name for path in tmp_path.iterdir()] == ["images-000000000032"]


def test_saving_again_replaces(tmp_path: Path):
    save_checkpoint(tmp_path, 32, content(16))
    save_checkpoint(tmp_path, 32, content(32))
    assert torch.equal(
        load_checkpoint(list_checkpoints(tmp_path)[0]).tensors["game/weight"], content(32).tensors["game/weight"]
    )
    assert len(list(tmp_path.iterdir())) == 1


def test_no_space_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save_checkpoint(tmp_path, 16, content(16))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 100, 7))
    with pytest.raises(
        CheckpointError, match=r"images-000000000032 could not be written .* 7 bytes are free.*Older ones are un"
    ):
        save_checkpoint(tmp_path, 32, content(32))
    assert [path.name for path in tmp_path.iterdir()] == ["images-000000000016"]
    load_newest(tmp_path)


@pytest.mark.parametrize("name", ["save_file", "fsync", "manifest_text", "replace_folder"])
def test_a_disk_that_fills_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    save_checkpoint(tmp_path, 16, content(16))

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, name, full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        save_checkpoint(tmp_path, 32, content(32))
    assert [path.name for path in tmp_path.iterdir()] == ["images-000000000016"]


def test_a_folder_that_is_a_file(tmp_path: Path):
    (tmp_path / "checkpoints").write_text("")
    with pytest.raises(CheckpointError, match="could not be written"):
        save_checkpoint(tmp_path / "checkpoints", 32, content())


def test_a_metric_that_is_no_number_does_not_cost_the_checkpoint(tmp_path: Path):
    facts = {"images": 32, "metrics": {"fid": float("nan"), "kid": float("inf")}}
    found = load_checkpoint(save_checkpoint(tmp_path, 32, Checkpoint(content().tensors, facts))).facts
    assert math.isnan(found["metrics"]["fid"])
    assert found["metrics"]["kid"] == math.inf


def test_facts_that_json_cannot_hold_leave_no_half_checkpoint(tmp_path: Path):
    with pytest.raises(TypeError):
        save_checkpoint(tmp_path, 32, Checkpoint(content().tensors, {"images": 32, "bad": object()}))
    assert list_checkpoints(tmp_path) == []


def test_a_whole_runner_survives(tmp_path: Path):
    spec = DataSpec((1, 8, 8))
    runner = runner_of(gan_table(), spec)
    for batch in batches(runner, ToySource(spec), 2):
        runner.play_round(batch)
    tensors, facts = runner.state()
    found = load_checkpoint(save_checkpoint(tmp_path, runner.images, Checkpoint(tensors, facts)))
    assert found.facts == json.loads(json.dumps(facts))
    assert all(torch.equal(found.tensors[path], tensor) for path, tensor in tensors.items())
