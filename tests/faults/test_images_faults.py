"""Hostile and damaged images: named with a reason, refused or skipped as asked, never a traceback."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.images import decoded, encoded, folder_of, noise_png, png, png_of, zip_of

from ganforge.builtin.data.files import archive, folder, image_files
from ganforge.builtin.data.files.image_files import BadImage
from ganforge.builtin.data.images import Images
from ganforge.builtin.data.sources.pixels import PixelSource
from ganforge.decoding.image import BadImageError, decode_rgb, open_image, read_header
from ganforge.errors import DataError


def opened(path: Path, cache: Path, **fields: object) -> PixelSource:
    return Images.model_validate({"path": str(path), "resolution": 8, **fields}).open(cache)


def assert_named(path: Path, cache: Path, name: str, reason: str, good: int = 2) -> None:
    """Refused with name and reason; skipped and counted where the recipe says so."""
    with pytest.raises(DataError) as refused:
        opened(path, cache)
    assert f"1 of {good + 1} images cannot be used: {name} ({reason}" in str(refused.value)
    share = re.search(r"left out with data\.bad_share = ([\d.]+)$", str(refused.value))
    assert share is not None
    source = opened(path, cache, bad_share=float(share[1]))  # what the message names does it
    (said,) = source.notices
    assert f"1 of {good + 1} images cannot be used and are left out: {name} ({reason}" in said
    assert (len(source), source.skipped) == (good, 1)
    assert sorted(source.batch(np.arange(good))["image"].flatten(1).float().mean(1).tolist()) == [10, 20]


GOOD = {"a.png": png(10), "z.png": png(20)}
WHOLE = noise_png(0, 64)
BROKEN = {
    "empty": (b"", "an empty file"),
    "text": (b"I am not an image", "not an image"),
    "truncated": (WHOLE[: len(WHOLE) // 2], "damaged: image file is truncated"),
    "flipped": (WHOLE[:2000] + bytes([WHOLE[2000] ^ 255]) + WHOLE[2001:], "damaged: "),
    "head-only": (WHOLE[:40], "not an image, or its head is damaged"),
    "bomb": (png_of(30_000, 30_000, 1), "more than 67,108,864 pixels"),
    "large": (png_of(9_000, 9_000, 1), "9000 x 9000 pixels, more than 67,108,864"),
    "script": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", "not an image"),
    "jpeg": (encoded(Image.new("L", (64, 64), 9), "JPEG")[:300], "damaged: "),
}


@pytest.mark.parametrize("packed_as", ["folder", "zip"])
@pytest.mark.parametrize("case", BROKEN)
def test_broken_images_are_named(tmp_path: Path, case: str, packed_as: str) -> None:
    data, reason = BROKEN[case]
    files = {**GOOD, "m.png": data}
    path = folder_of(tmp_path / "x", files) if packed_as == "folder" else zip_of(tmp_path / "x.zip", files)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow's warnings must not reach the user
        assert_named(path, tmp_path / "cache", "m.png", reason)


def test_messages_name_the_first_few_and_the_count(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "x.zip", {**GOOD, **{f"b{i}.png": b"" for i in range(8)}})
    with pytest.raises(DataError, match=r"8 of 10 .* b0\.png .* b4\.png \(an empty file\) and 3 more; mend") as refused:
        opened(path, tmp_path)
    assert "b5.png" not in str(refused.value)


def test_nothing_left_is_an_error_even_when_skipping(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "x.zip", {"a.png": b"", "b.png": b"x"})
    for share in (0, 1):
        with pytest.raises(DataError, match=r"2 of 2 images cannot be used.*none is left"):
            opened(path, tmp_path, bad_share=share)


def test_labels_stay_with_their_images_when_some_are_skipped(tmp_path: Path) -> None:
    files = {"a/1.png": png(1), "a/2.png": b"", "b/3.png": png(3), "c/4.png": b"", "d/5.png": png(5)}
    source = opened(zip_of(tmp_path / "x.zip", files), tmp_path, labels=True, bad_share=1)
    batch = source.batch(np.arange(3))
    assert batch["image"][:, 0, 0, 0].tolist() == [1, 3, 5]
    assert batch["label"].tolist() == [0, 1, 3]  # class c keeps its number, though it lost its image
    assert source.spec.class_names == ("a", "b", "c", "d")


GREY16 = Image.fromarray(np.full((8, 8), 0x8080, np.uint16))
PALETTE = Image.new("RGB", (8, 8), (255, 0, 0)).quantize(4)
MODES = {
    "palette": (encoded(PALETTE), 3, (255, 0, 0)),
    "clear palette": (encoded(PALETTE, transparency=0), 3, (255, 255, 255)),
    "cmyk": (encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"), 3, (255, 0, 0)),
    "16 bits": (encoded(GREY16), 1, (0x80,)),
    "16 bits as colour": (encoded(GREY16), 3, (0x80,) * 3),
    "1 bit": (encoded(Image.new("1", (8, 8), 1)), 1, (255,)),
    "alpha on white": (png((0, 0, 0, 51), mode="RGBA"), 3, (204, 204, 204)),
    "alpha kept": (png((9, 8, 7, 51), mode="RGBA"), 4, (9, 8, 7, 51)),
    "grey with alpha": (png((0, 51), mode="LA"), 1, (204,)),
    "opaque": (png((9, 8, 7), mode="RGB"), 4, (9, 8, 7, 255)),
    "colour as grey": (png((255, 0, 0), mode="RGB"), 1, (76,)),  # ITU-R 601-2: 0.299 * 255
    "grey as colour": (png(7), 3, (7, 7, 7)),
    "animated": (
        encoded(Image.new("L", (8, 8), 9), "GIF", save_all=True, append_images=[Image.new("L", (8, 8))]),
        1,
        (9,),
    ),
}


@pytest.mark.parametrize("case", MODES)
def test_modes_are_converted(case: str) -> None:
    data, channels, expected = MODES[case]
    pixels = decoded(data, 8, channels)  # type: ignore[arg-type]
    assert pixels.shape == (8, 8, channels)
    assert tuple(pixels[4, 4].tolist()) == expected


def test_an_unknown_range_is_refused() -> None:
    for pixels in (np.ones((8, 8), np.int32), np.ones((8, 8), np.float32)):
        with pytest.raises(BadImageError, match="TIFF of 32 bits a channel, whose range is unknown"):
            decoded(encoded(Image.fromarray(pixels), "TIFF"), 8, 1)


def test_images_are_turned_as_their_camera_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:4] = 255  # bright above: bright at the right when turned
    shown = decoded(encoded(Image.fromarray(pixels), "PNG", exif=exif), 8, 1)[:, :, 0]
    assert (shown[:, 4:] == 255).all()
    assert (shown[:, :4] == 0).all()


def test_any_bytes_are_decoded_or_refused() -> None:
    """One byte changed anywhere in files of every format: pixels or a reason, nothing else."""
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 255, (12, 12, 3), dtype=np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for form in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"):
            whole = encoded(image, form)
            for _ in range(60):
                data = bytearray(whole)
                data[random.integers(len(data))] ^= int(random.integers(1, 256))
                with contextlib.suppress(BadImageError):
                    decode_rgb(bytes(data))
                with contextlib.suppress(BadImageError):
                    read_header(open_image(bytes(data)))
                    assert decoded(bytes(data), 8, 3).shape == (8, 8, 3)


def test_names_that_leave_the_archive_are_named_and_nothing_is_extracted(tmp_path: Path) -> None:
    for name in ("../m.png", "/m.png", "C:/m.png", "q/../../m.png", "..\\m.png"):
        path = zip_of(tmp_path / "x.zip", {**GOOD, name: png(99)})
        assert_named(path, tmp_path / "cache", name.replace("\\", "/"), "its path leaves the archive")
    assert {place.name for place in tmp_path.iterdir()} == {"x.zip", "cache"}


def test_links_out_of_a_folder_are_named(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "x", GOOD)
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(99))
    (path / "m.png").symlink_to(secret)
    assert_named(path, tmp_path / "cache", "m.png", "a symbolic link that leaves the folder")
    (path / "m.png").unlink()
    (path / "m").symlink_to(tmp_path)
    assert_named(path, tmp_path / "cache", "m", "a symbolic link to a folder")
    (path / "m").unlink()
    (path / "m.png").symlink_to("m.png")
    with pytest.raises(DataError, match=r"m\.png \("):
        opened(path, tmp_path / "cache")


def test_links_inside_a_folder_are_followed(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "x", GOOD)
    (path / "m.png").symlink_to("a.png")
    assert opened(path, tmp_path / "cache").batch(np.array([1]))["image"].unique().tolist() == [10]


def test_links_in_an_archive_are_named(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "x.zip", GOOD)
    with zipfile.ZipFile(path, "a") as file:
        member = zipfile.ZipInfo("m.png")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(member, "/etc/passwd")
    assert_named(path, tmp_path, "m.png", "a symbolic link")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "x", GOOD)
    os.mkfifo(path / "m.png")
    assert_named(path, tmp_path / "cache", "m.png", "not a regular file")


def test_encrypted_images_are_named(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "x.zip", {**GOOD, "m.png": png(99)})
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(b"m.png"))  # the central directory is what is read
    data[entry + 8] |= 1
    path.write_bytes(data)
    assert_named(path, tmp_path, "m.png", "encrypted")


def test_damage_in_an_archive_is_named(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "x.zip", {**GOOD, "m.png": WHOLE})
    data = bytearray(path.read_bytes())
    data[data.index(WHOLE) + len(WHOLE) - 1] ^= 1  # in the last chunk of the PNG, which nobody would miss
    path.write_bytes(data)
    assert_named(path, tmp_path, "m.png", "damaged in the archive: Bad CRC-32")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_named(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "x.zip", {"m.png": png(10), "z.png": png(20)})
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("m.png", png(99))
    assert_named(path, tmp_path, "m.png", "the archive holds this name twice; the first is used")


def test_files_that_are_too_large_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive.ImageArchive.read, "__defaults__", (2**20,))
    monkeypatch.setattr(folder.ImageFolder.read, "__defaults__", (2**20,))
    files = {**GOOD, "m.png": bytes(2**20 + 1)}
    assert_named(zip_of(tmp_path / "x.zip", files), tmp_path / "cache", "m.png", "more than 1 MiB")
    assert_named(folder_of(tmp_path / "x", files), tmp_path / "cache", "m.png", "more than 1 MiB")
    assert image_files.MAX_IMAGE_BYTES == 2**27


def test_what_is_no_image_is_ignored(tmp_path: Path) -> None:
    inner = zip_of(tmp_path / "inner.zip", {"n.png": png(99)}).read_bytes()
    files = {"read.me": b"", "inner.zip": inner, "__MACOSX/._a.png": b"", ".hidden.png": b"", ".git/o.png": b"x"}
    for path in (zip_of(tmp_path / "x.zip", {**GOOD, **files}), folder_of(tmp_path / "x", {**GOOD, **files})):
        source = opened(path, tmp_path / "cache")
        assert (len(source), source.skipped) == (2, 0)


def test_odd_names_are_read_and_printed_safely(tmp_path: Path) -> None:
    names = ["ü 雪.PNG", "a\nb.png", "\x1b[31mred.png", "-rf.png", "a'b\"c.png", "x" * 200 + ".png"]
    path = folder_of(tmp_path / "x", {name: png() for name in names})
    (path / os.fsdecode(b"\xff\xfe.png")).write_bytes(png())
    assert len(opened(path, tmp_path / "cache")) == 7
    for name in [*os.listdir(path)]:
        (path / name).write_bytes(b"")
    with pytest.raises(DataError) as refused:
        opened(path, tmp_path / "cache")
    assert str(refused.value).isprintable()
    str(refused.value).encode()
    assert str(BadImage(os.fsdecode(b"\xff.png"), "why")) == "\\udcff.png (why)"


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "x", {"notes.txt": b""})
    with pytest.raises(DataError, match=r"no images in '.*x' \(1 other files\); expected names that end in \.bmp"):
        opened(path, tmp_path / "cache")
    with pytest.raises(DataError, match="no images in"):
        opened(zip_of(tmp_path / "x.zip", {}), tmp_path / "cache")


def test_a_missing_path_is_said_with_what_is_there(tmp_path: Path) -> None:
    folder_of(tmp_path / "pictures", GOOD)
    zip_of(tmp_path / "faces.zip", GOOD)
    with pytest.raises(DataError, match=r"there is no '.*face\.zip'; .* did you mean '.*faces\.zip'\?"):
        opened(tmp_path / "face.zip", tmp_path)
    with pytest.raises(DataError, match=r"exists, but has no 'picture'; did you mean '.*/pictures'\?"):
        opened(tmp_path / "picture" / "deep" / "er", tmp_path)
    with pytest.raises(DataError, match=r"exists, but has no 'qqqq'$"):
        opened(tmp_path / "qqqq", tmp_path)
    for odd in ("x\0y", "y" * 5000, "faces.zip/inside"):
        with pytest.raises(DataError, match="there is no"):
            opened(tmp_path / odd, tmp_path)


def test_other_things_than_folders_and_archives_are_said(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"x" * 999)
    (tmp_path / "x.png").write_bytes(png())
    whole = zip_of(tmp_path / "x.zip", GOOD).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    os.mkfifo(tmp_path / "pipe")
    for name, words in {
        "x.tar": "is not a ZIP archive that can be read, or it is damaged: File is not a zip file",
        "cut.zip": "is not a ZIP archive that can be read, or it is damaged",
        "x.png": "is one image; expected a folder of images or a ZIP of them",
        "pipe": "is neither a folder nor a file",
    }.items():
        with pytest.raises(DataError, match=words):
            opened(tmp_path / name, tmp_path / "cache")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_files_and_folders_are_named(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "x", {**GOOD, "m.png": png()})
    (path / "m.png").chmod(0)
    assert_named(path, tmp_path / "cache", "m.png", "Permission denied")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot read dataset.json in .*: Expecting property name"),
        ("[" * 100_000, "cannot read dataset.json"),
        ("\xff", "cannot read dataset.json"),
        ("[]", "has no labels; expected"),
        ('{"labels": null}', "has no labels; expected .* or leave labels = true out"),
        ('{"labels": {"a.png": 1}}', "has no labels"),
        ('{"labels": [["a.png"]]}', r"labels\[0\] = \[\"a.png\"\]; expected a name and a class"),
        ('{"labels": [["a.png", 1], ["z.png", -1]]}', r"labels\[1\] = \[\"z.png\", -1\]"),
        ('{"labels": [["a.png", true]]}', r"labels\[0\]"),
        ('{"labels": [["a.png", 1.5]]}', r"labels\[0\]"),
        ('{"labels": [["a.png", [0.1, 0.2]]]}', r"labels\[0\]"),
        ('{"labels": [["a.png", 99999999999]]}', "a class from 0 to 99999"),
        ('{"labels": [["a.png", 1], ["a.png", 2]]}', "gives a.png two labels, 1 and 2"),
    ],
)
def test_malformed_labels_are_said(tmp_path: Path, text: str, words: str) -> None:
    path = zip_of(tmp_path / "x.zip", {**GOOD, "dataset.json": text.encode("latin-1")})
    with pytest.raises(DataError, match=words):
        opened(path, tmp_path, labels=True)
    assert len(opened(path, tmp_path)) == 2  # without labels nobody reads it


def test_images_without_a_label_are_named(tmp_path: Path) -> None:
    rows = {"labels": [["a.png", 3], ["z.png", 1]]}
    path = zip_of(tmp_path / "x.zip", {**GOOD, "m.png": png(99), "dataset.json": json.dumps(rows).encode()})
    with pytest.raises(DataError, match=r"1 of 3 images cannot be used: m\.png \(it has no label\)"):
        opened(path, tmp_path, labels=True)
    source = opened(path, tmp_path, labels=True, bad_share=1)
    assert (source.batch(np.arange(2))["label"].tolist(), source.skipped) == ([3, 1], 1)
