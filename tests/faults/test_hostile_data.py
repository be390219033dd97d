"""Data of strangers and data of many: bombs, a hundred thousand files, numbers that are none, what is said of them."""

from __future__ import annotations

import os
import resource
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from reliability.million import zip_of_copies
from support.images import decoded, folder_of, noise_png, png, png_of, zip_of
from support.toys import ToySource, gan_table, recipe_of

from ganforge.api.data import Batch, DataSpec, Source
from ganforge.builtin.data.files import archive as archives
from ganforge.builtin.data.files import decoded as decoding
from ganforge.builtin.data.images import Images
from ganforge.cli.terminal.view import SilentView
from ganforge.decoding.decoders import DecoderProcess
from ganforge.decoding.image import BadImageError
from ganforge.errors import DataError, DivergedError, GanforgeError
from ganforge.tracking import NoTracker
from ganforge.training.assemble import assemble
from ganforge.training.loop import play_session
from ganforge.training.session import Session


def peak() -> int:
    """Bytes of this process at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


BOMBS = {
    "more pixels than any image": (png_of(2**31 - 1, 2**31 - 1, 0), "pixels"),
    "just too many": (png_of(8193, 8192, 0), "8193 x 8192 pixels, more than 67,108,864"),
    "no pixels": (png_of(0, 8, 8), "damaged|not an image"),
    "a text of a gigabyte": (
        png_of(
            8,
            8,
            8,
            (b"zTXt", b"a\0\0" + zlib.compress(bytes(2**28), 9)),
            (b"zTXt", b"a\0\0" + zlib.compress(bytes(2**28), 9)),
        ),
        "damaged",
    ),
    "a colour profile of a gigabyte": (
        png_of(8, 8, 8, (b"iCCP", b"a\0\0" + zlib.compress(bytes(2**28), 9))),
        "damaged: Decompressed data too large",
    ),
    "an animation of a billion frames": (png_of(8, 8, 8, (b"acTL", struct.pack(">II", 2**30, 0))), ""),
    "more rows than it says": (png_of(8, 8, 2**20), ""),
}


@pytest.mark.parametrize("case", BOMBS)
def test_decompression_bombs_take_no_memory(case: str) -> None:
    """Refused, or read as the small image that they are."""
    data, reason = BOMBS[case]
    assert len(data) < 2**20
    before = peak()
    if reason:
        with pytest.raises(BadImageError, match=reason):
            decoded(data, 8, 1)
    else:
        assert decoded(data, 8, 1).shape == (8, 8, 1)
    assert peak() - before < 2**26


def test_an_archive_that_claims_far_more_than_it_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many names of the same bytes: each of them is below every limit."""
    monkeypatch.setattr(archives, "MAX_UNPACKED", 2**20)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(16):
            archive.writestr(f"{index}.png", bytes(2**18))
    with pytest.raises(DataError, match=r"claims to hold 4 MiB; no images are compressed 200 times: .* or a bomb"):
        Images(path=str(tmp_path / "x.zip")).open(tmp_path / "cache")
    assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").glob("*.npy"))


def test_a_member_that_is_larger_than_it_says_is_cut(tmp_path: Path) -> None:
    """The size in the directory is a claim: what comes out is counted."""
    path = zip_of(tmp_path / "x.zip", {"a.png": png(1), "b.png": png(2)})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("c.png", bytes(2**27))
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(b"c.png"))
    data[entry + 24 : entry + 28] = struct.pack("<I", 9)
    path.write_bytes(data)
    before = peak()
    source = Images(path=str(path), resolution=8, bad_share=1).open(tmp_path / "cache")
    assert "1 of 3 images cannot be used and are left out: c.png (" in source.notices[0]
    assert peak() - before < 2**26


def test_few_images_wait_decoded_where_they_are_large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two hundred of 4,096 squared would be twelve gigabytes."""
    asked = []
    inner = decoding.ThreadPoolExecutor.map

    def watched(self: object, task: object, parts: list[list[object]]) -> object:
        asked.append(sum(map(len, parts)))
        return inner(self, task, parts)  # type: ignore[arg-type]

    monkeypatch.setattr(decoding, "MAX_BYTES_AHEAD", 3 * 8 * 8 * 3)
    monkeypatch.setattr(decoding.ThreadPoolExecutor, "map", watched)
    path = zip_of(tmp_path / "x.zip", {f"{i}.png": noise_png(i, 16) for i in range(8)})
    assert len(Images(path=str(path), resolution=8).open(tmp_path / "cache")) == 8
    assert asked == [3, 3, 2]


def test_a_hundred_thousand_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zip_of_copies(tmp_path / "x.zip", 100_000, png(7, 4))
    pixels = decoded(png(7, 4), 4, 1)
    monkeypatch.setattr(DecoderProcess, "decode", lambda *_: pixels)  # what is looked at is what comes around it
    before = peak()
    source = Images(path=str(path), resolution=4, labels=True).open(tmp_path / "cache")
    assert (len(source), source.spec.classes, source.notices) == (100_000, 1_000, ())
    assert source.batch(np.array([99_999]))["label"].tolist() == [999]
    assert peak() - before < 2**28


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A folder with 1,100 in one another: deeper than Python recurses, and than the system takes names for."""
    root = folder_of(tmp_path / "x", {"a.png": png(1), "dddd/dddd/b.png": png(2)})
    with ExitStack() as opened:
        here = os.open(root, os.O_RDONLY)
        for _ in range(1_100):
            opened.callback(os.rmdir, "dddd", dir_fd=here)
            if not os.path.isdir(f"/proc/self/fd/{here}/dddd"):
                os.mkdir("dddd", dir_fd=here)
            inner = os.open("dddd", os.O_RDONLY, dir_fd=here)
            opened.callback(os.close, inner)
            here = inner
        yield root
        (root / "dddd" / "dddd" / "b.png").unlink()  # what made it must undo it: shutil.rmtree recurses, too


def test_very_deep_folders(deep: Path, tmp_path: Path) -> None:
    source = Images(path=str(deep), resolution=8, bad_share=1).open(tmp_path / "cache")
    assert len(source) == 2
    assert "(a folder that cannot be read: File name too long)" in source.notices[0]


def test_bad_images_up_to_a_share_are_left_out_and_said(tmp_path: Path) -> None:
    """One in a hundred by default; what more takes is in the message, and 0 refuses any."""
    files = {f"{i:03}.png": png(i) for i in range(199)} | {"bad.png": b""}
    path = zip_of(tmp_path / "x.zip", files)
    source = Images(path=str(path), resolution=8).open(tmp_path / "cache")
    assert len(source) == 199
    assert source.notices == (f"'{path}': 1 of 200 images cannot be used and are left out: bad.png (an empty file)",)
    with pytest.raises(DataError, match=r"bad\.png \(an empty file\); mend .* left out with data\.bad_share = 0\.005$"):
        Images(path=str(path), resolution=8, bad_share=0).open(tmp_path / "cache")
    more = zip_of(tmp_path / "y.zip", files | {f"worse-{i}.png": b"" for i in range(2)})
    with pytest.raises(DataError, match=r"3 of 202 .* left out with data\.bad_share = 0\.0149$"):
        Images(path=str(more), resolution=8).open(tmp_path / "cache")
    assert len(Images(path=str(more), resolution=8, bad_share=0.0149).open(tmp_path / "cache")) == 199


class Heard(SilentView):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def session_of(source: Source, folder: Path, reporter: SilentView, **changes: object) -> tuple[Session, list[object]]:
    recipe = recipe_of(gan_table(), **changes)
    session, callbacks = assemble(
        recipe, Accelerator(cpu=True), source, folder=folder, cache=folder, tracker=NoTracker(), reporter=reporter
    )
    return session, callbacks


def test_what_is_left_out_is_said_when_a_run_begins(tmp_path: Path) -> None:
    files = {f"{i}.png": png(i) for i in range(20)} | {"bad.png": b""}
    data = {"kind": "images", "path": str(zip_of(tmp_path / "x.zip", files)), "resolution": 8, "bad_share": 0.1}
    view = Heard()
    held_out = data | {"path": str(zip_of(tmp_path / "y.zip", files | {"0.png": png(99), "bad.png": b"x"}))}
    source = Images.model_validate(data).open(tmp_path)
    session_of(source, tmp_path, view, reference=held_out, diagnosis={"held_out": held_out})
    assert [text.partition(": '")[0] for text in view.said[1:]] == ["reference", "diagnosis.held_out"]
    assert "1 of 21 images cannot be used and are left out: bad.png (an empty file)" in view.said[0]


class Poisoned(ToySource):
    """Points, of which one is NaN."""

    def batch(self, indices: np.ndarray) -> Batch:
        batch = dict(super().batch(indices))
        batch["image"][indices == 3] = torch.nan
        return batch


def test_nan_in_the_data_ends_the_run_before_a_weight_is_touched(tmp_path: Path) -> None:
    source = Poisoned(DataSpec((2,)), 64)
    session, callbacks = session_of(source, tmp_path, Heard(), run={"images": 128, "batch": 16, "log_every_images": 16})
    with pytest.raises(GanforgeError) as ended:
        play_session(session, callbacks, lambda: False)  # type: ignore[arg-type]
    assert isinstance(ended.value, DivergedError)
    assert "the batch itself: 'image' holds NaN or infinity in 1 of 16 samples" in str(ended.value)
    assert all(torch.isfinite(weight).all() for weight in session.runner.game.parameters())


def test_data_that_changed_between_two_starts_have_another_fingerprint(tmp_path: Path) -> None:
    files = {f"{i}.png": noise_png(i, 8) for i in range(8)}
    prints = {}
    for name, change in {
        "as they were": files,
        "one more": files | {"8.png": noise_png(8, 8)},
        "one less": {name: data for name, data in files.items() if name != "3.png"},
        "one renamed": {("x.png" if name == "3.png" else name): data for name, data in files.items()},
        "one bit": files | {"3.png": noise_png(99, 8)},
        "two exchanged": files | {"3.png": files["4.png"], "4.png": files["3.png"]},
        "one damaged": files | {"3.png": files["3.png"][:60]},
        "another damaged": files | {"4.png": files["4.png"][:60]},
    }.items():
        for packed_as in ("zip", "folder"):
            place = tmp_path / f"{name} {packed_as}"
            path = zip_of(place, change) if packed_as == "zip" else folder_of(place, change)
            source = Images(path=str(path), resolution=8, bad_share=1).open(tmp_path / "cache")
            prints[name, packed_as] = source.fingerprint
    assert len({prints[name, "zip"] for name, _ in prints}) == 8
    assert all(prints[name, "zip"] == prints[name, "folder"] for name, _ in prints)
