from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from support.installed import catalogue
from support.runs import play_and_save, session_of

from ganforge.api.data import to_uint8
from ganforge.cli.sample import command
from ganforge.errors import GanforgeError
from ganforge.plugins import loading as plugins
from ganforge.runs.sampling import draw_samples, load_game


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    session = session_of(tmp_path_factory.mktemp("runs") / "digits", data__labels=True)
    play_and_save(session, 2)
    return session.folder


@pytest.fixture(autouse=True)
def _catalogue(monkeypatch):
    monkeypatch.setattr(plugins, "load_catalogue", lambda leave_out=(): catalogue())


def sample(*arguments):
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def expected(run, count, **settings):
    trained = load_game(run, catalogue(), torch.device("cpu"))
    return to_uint8(torch.cat(list(draw_samples(trained, count, **settings)))).numpy()


def test_grid_goes_to_the_run_and_its_place_to_stdout(run):
    result = sample(run, "-n", 9, "--seed", 5)
    place = run / "samples" / "images-000000000032-seed-5-n-9.png"
    assert result.stdout == f"{place}\n"
    assert "9 samples after 32 images shown, averaged weights of generator, seed 5" in result.stderr
    shown = np.asarray(Image.open(place))
    scale = -(-512 // (3 * 8))
    step = 8 * scale + 2
    assert shown.shape == (3 * step - 2, 3 * step - 2)
    middle = shown[step : step + 8 * scale : scale, step : step + 8 * scale : scale]
    assert np.array_equal(middle, expected(run, 9, seed=5)[4, 0])
    sample(run, "-n", 9, "--seed", 5)  # the same again is no reason to refuse


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_one_png_each(run, tmp_path, name):
    output = tmp_path / name
    assert sample(run, "-n", 70, "-o", output, "--labels", "3,8", "--truncation", 0.7).stdout == f"{output}\n"
    if name == "out":
        files = {path.name: path.read_bytes() for path in output.iterdir()}
    else:
        with zipfile.ZipFile(output) as archive:
            files = {entry: archive.read(entry) for entry in archive.namelist()}
    names = [f"{index:06d}.png" for index in range(70)]
    assert set(files) == {*names, "dataset.json"}
    tags = json.loads(files["dataset.json"])["labels"]
    assert tags == [[entry, (3, 8)[index % 2]] for index, entry in enumerate(names)]
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(files[entry]))) for entry in names])
    assert np.array_equal(pixels, expected(run, 70, labels=[3, 8], truncation=0.7)[:, 0])


def test_zip_is_the_same_for_the_same_samples(run, tmp_path):
    for name in ("a.zip", "b.zip"):
        sample(run, "-n", 3, "-o", tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_numbers(run, tmp_path):
    sample(run, "-n", 5, "-o", tmp_path / "out.npy")
    found = np.load(tmp_path / "out.npy")
    assert found.shape == (5, 1, 8, 8)
    assert found.dtype == np.float32
    assert np.array_equal(to_uint8(torch.from_numpy(found)).numpy(), expected(run, 5))


@pytest.mark.parametrize("name", ["out", "out.zip", "out.png", "out.npy"])
def test_what_is_there_is_replaced_only_by_force(run, tmp_path, name):
    output = tmp_path / name
    sample(run, "-n", 4, "-o", output)
    if name == "out":
        (output / "mine.txt").write_text("keep me")
    with pytest.raises(GanforgeError, match=r"replace.* with `force`"):
        sample(run, "-n", 2, "-o", output)
    sample(run, "-n", 2, "-o", output, "--force")
    if name == "out":
        assert {path.name for path in output.iterdir()} == {"000000.png", "000001.png", "mine.txt"}
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", ["out.jpg", "out.PNG", "there"])
def test_forms_that_there_are_not(run, tmp_path, name):
    (tmp_path / "there").write_text("a file")
    with pytest.raises(GanforgeError, match=r"^output '"):
        sample(run, "-n", 2, "-o", tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_points_are_drawn_on_their_modes_or_written_as_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    session = session_of(tmp_path / "ring", data={"kind": "ring"})
    play_and_save(session, 1)
    place = sample(session.folder).stdout.strip()
    assert Image.open(place).size == (512, 512)
    sample(session.folder, "-n", 3, "-o", tmp_path / "points.npy")
    assert np.load(tmp_path / "points.npy").shape == (3, 2)
    with pytest.raises(GanforgeError, match=r"shape \[2\]"):
        sample(session.folder, "-o", tmp_path / "points.zip")
