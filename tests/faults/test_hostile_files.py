"""Files that somebody else made: weights, checkpoints and caches hold numbers, and nothing in them is ever run."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.examinations import ArraySource, DiceGame, exam_of, looked_at
from support.runs import play_and_save, session_of

from ganforge.builtin.features.parts import published_weights
from ganforge.builtin.features.vgg16 import Vgg16
from ganforge.errors import CheckpointError, GanforgeError
from ganforge.storage import checkpoint
from ganforge.storage.weights import weights_of_file, weights_of_run


class Marks:
    """Unpickled, it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.mark,)


def header(table: object, data: bytes = b"") -> bytes:
    """Bytes in the form of safetensors, with whatever header."""
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return struct.pack("<Q", len(text)) + text + data


def one(shape: list[int], begin: int, end: int, dtype: str = "F32") -> bytes:
    return header({"x": {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}}, bytes(16))


TENSORS: dict[str, Callable[[Path], bytes]] = {
    "a pickle": lambda mark: pickle.dumps(Marks(mark)),
    "empty": lambda mark: b"",
    "an endless header": lambda mark: struct.pack("<Q", 2**62) + b"{}",
    "no JSON": lambda mark: header(b"{" * 99),
    "a deep header": lambda mark: header(b"[" * 200_000),
    "numbers beyond the end": lambda mark: one([2**40], 0, 2**42),
    "a size that overflows": lambda mark: one([2**33, 2**33], 0, 16),
    "overlapping": lambda mark: header(
        {name: {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]} for name in "xy"}, bytes(16)
    ),
    "a hole": lambda mark: one([2], 8, 16),
    "an unknown type": lambda mark: one([4], 0, 16, "PYOBJ"),
    "negative": lambda mark: one([-4], 0, 16),
}


@pytest.mark.parametrize("case", TENSORS)
def test_hostile_tensors_are_refused_and_nothing_runs(case: str, tmp_path: Path) -> None:
    mark, path = tmp_path / "it-ran", tmp_path / "w.safetensors"
    path.write_bytes(TENSORS[case](mark))
    with pytest.raises(CheckpointError, match=r"w\.safetensors cannot be read as safetensors"):
        weights_of_file(path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.load_checkpoint(forged(tmp_path / "c", path.read_bytes(), b'{"images": 7, "format": 3}'))
    assert not mark.exists()


def test_what_is_no_file_of_weights_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero"), tmp_path / "none", Path("x\0y")):
        with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
            weights_of_file(path)


def forged(folder: Path, tensors: bytes, facts: bytes) -> Path:
    """A checkpoint whose manifest is right, whatever is in it: who may write the one may write the other."""
    folder.mkdir(exist_ok=True)
    contents = {checkpoint.TENSORS: tensors, checkpoint.FACTS: facts}
    told = {n: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for n, data in contents.items()}
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    manifest = {"format": checkpoint.FORMAT, "images": 7, "files": told}
    (folder / checkpoint.MANIFEST).write_text(json.dumps(manifest, indent=1))
    return folder


def good_tensors(folder: Path) -> bytes:
    save_file({"x": torch.zeros(2)}, folder / "good.safetensors")
    return (folder / "good.safetensors").read_bytes()


def test_a_forged_checkpoint_is_in_the_right_form(tmp_path: Path) -> None:
    """Otherwise the tests around this one would show nothing."""
    made = forged(tmp_path / "c", good_tensors(tmp_path), b'{"images": 7, "format": 3}')
    assert checkpoint.load_checkpoint(made).facts["images"] == 7


@pytest.mark.parametrize(
    "facts",
    [
        b"",
        b"[]",
        b"7",
        b"null",
        b'"images"',
        b"{}",
        b'{"images": {}}',
        b'{"images": 7}',
        b"[" * 100_000,
        b'{"images": 7, "format": 3, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"images": ' + b"9" * 5000 + b"}",
        b'{"images": 8, "format": 3}',
        b'{"images": "7", "format": 3}',
        b'{"images": 7, "format": {}}',
        b"\xff\xfe",
        b'{"images": 7, "format": 3, "x": "' + b"x" * 2**26 + b'"}',
    ],
    ids=lambda facts: facts[:20].decode("latin-1") + f" {len(facts)}",
)
def test_hostile_facts_are_refused(facts: bytes, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        checkpoint.load_checkpoint(forged(tmp_path / "c", good_tensors(tmp_path), facts))


def test_a_link_in_a_checkpoint_is_not_followed(tmp_path: Path) -> None:
    made = forged(tmp_path / "c", good_tensors(tmp_path), b'{"images": 7, "format": 3}')
    for name in (checkpoint.TENSORS, checkpoint.FACTS, checkpoint.MANIFEST):
        (made / name).rename(tmp_path / name)
        (made / name).symlink_to(tmp_path / name)
        with pytest.raises(CheckpointError):
            checkpoint.load_checkpoint(made)
        (made / name).unlink()
        (tmp_path / name).rename(made / name)


ODD: list[Any] = [None, -1, 2**70, 1e308, float("nan"), "x", "../../x", [], ["x"], {}, {"x": 1}, [[]], True]
REFUSED = (RuntimeError, KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError)  # `play._resume`


def test_odd_facts_are_taken_or_refused(tmp_path: Path) -> None:
    """Each fact in turn is something else: a run takes it on, or says that the checkpoint does not fit."""
    session = session_of(tmp_path / "run")
    tensors, facts = session.state()
    text = json.dumps(facts)
    refused = 0
    for name in facts:
        for odd in (None, -1, "x", [], {"x": 1}):
            try:
                session.restore(tensors, json.loads(text) | {name: odd})
            except REFUSED:
                refused += 1
    assert refused > len(facts)
    session.restore(tensors, json.loads(text))


def test_odd_facts_do_not_break_what_reads_weights(tmp_path: Path) -> None:
    session = session_of(tmp_path / "run")
    play_and_save(session, 1)
    (place,) = checkpoint.list_checkpoints(tmp_path / "run" / "checkpoints")
    tensors = (place / checkpoint.TENSORS).read_bytes()
    facts = json.loads((place / checkpoint.FACTS).read_text())
    for odd in ODD:
        data = json.dumps(facts | {"players": odd}).encode()
        manifest = json.loads((place / checkpoint.MANIFEST).read_text())
        manifest["files"][checkpoint.FACTS] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        (place / checkpoint.FACTS).write_bytes(data)
        (place / checkpoint.MANIFEST).write_text(json.dumps(manifest, indent=1))
        assert (place / checkpoint.TENSORS).read_bytes() == tensors
        with pytest.raises(GanforgeError):
            weights_of_run(tmp_path / "run", "generator")


def test_weights_that_claim_more_than_they_have_are_refused(tmp_path: Path) -> None:
    """A compressed archive of zeros: a megabyte of it would be a gigabyte."""
    torch.save({"x": torch.zeros(2**20)}, tmp_path / "plain.pth")
    with zipfile.ZipFile(tmp_path / "plain.pth") as plain, zipfile.ZipFile(tmp_path / "w.pth", "w") as bomb:
        for name in plain.namelist():
            bomb.writestr(name, plain.read(name), zipfile.ZIP_DEFLATED)
    assert (tmp_path / "w.pth").stat().st_size < 2**14
    with pytest.raises(GanforgeError, match="does not hold the weights") as refused:
        Vgg16(weights=tmp_path / "w.pth").build()
    assert "claims to unpack to 4,1" in str(refused.value.__cause__)


def test_weights_that_are_no_file_or_endless_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/zero"), tmp_path / "pipe", tmp_path):
        with pytest.raises(GanforgeError, match="not a regular file"):
            Vgg16(weights=path).build()
    for path in (tmp_path / "none", tmp_path / "x\0y", tmp_path / ("y" * 999)):
        with pytest.raises(GanforgeError, match="cannot read the"):
            Vgg16(weights=path).build()
    (tmp_path / "large.pth").write_bytes(bytes(9))
    monkeypatch.setattr(published_weights, "MAX_BYTES", 8)
    with pytest.raises(GanforgeError, match="more than 8 bytes"):
        Vgg16(weights=tmp_path / "large.pth").build()


def kept(cache: Path, source: ArraySource) -> torch.Tensor:
    return looked_at(exam_of(DiceGame((3, 4, 4)), source, cache), 20, "real")


CACHES: dict[str, Callable[[Path, bytes], bytes]] = {
    "a pickle": lambda mark, data: pickle.dumps(Marks(mark)),
    "other numbers": lambda mark, data: one([4], 0, 16),
    "a flipped bit": lambda mark, data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
    "cut": lambda mark, data: data[:-4],
}


def test_reference_statistics_that_are_damaged_or_hostile_are_computed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = ArraySource(np.random.default_rng(0).integers(0, 256, (20, 3, 4, 4), dtype=np.uint8))
    expected = kept(tmp_path, source)
    (file,) = tmp_path.glob("features-*.safetensors")
    data, mark = file.read_bytes(), tmp_path / "it-ran"
    reads = source.reads
    assert torch.equal(kept(tmp_path, source), expected)
    assert source.reads == reads, "they are not kept at all"
    for name, damage in CACHES.items():
        gc.collect()
        file.write_bytes(damage(mark, data))
        caplog.clear()
        assert torch.equal(kept(tmp_path, source), expected), name
        assert "computed again" in caplog.text, name
        reads = source.reads
        assert torch.equal(kept(tmp_path, source), expected), name
        assert source.reads == reads, f"{name}: they were not kept again"
    assert not mark.exists()
