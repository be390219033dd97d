"""Every recipe that we ship parses, builds and plays three rounds with all its callbacks, to the last checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.paths import RECIPE_FILES
from support.recipes import narrowed

from ganforge.cli.run.options import RunOptions
from ganforge.cli.run.train import run_training
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.recipe import read_recipe

BATCH, LARGE, OF_LARGE = 4, 128, 2  # images a round; from a resolution of 128 on, two have to do


def quick(path: Path, folder: Path) -> tuple[str, ...]:
    """Overrides that leave a recipe what it is and make it short: three small rounds, a grid and a checkpoint."""
    recipe = read_recipe(path, load_catalogue(), narrowed(path, folder))
    shape = recipe.data.open(folder).spec.shape
    batch = recipe.run.batch if len(shape) != 3 else OF_LARGE if shape[1] >= LARGE else BATCH
    changes = [f"run.batch={batch}", f"run.images={3 * batch}", "run.microbatches=1", 'run.precision="no"']
    few = min(batch, BATCH)
    changes += [
        f"grid.samples={few}",
        f"diagnosis.samples={few}",
        'tracking.kind="none"',
        f"run.log_every_images={batch}",
    ]
    if any(metric.kind not in {"pixel-variance", "mode-coverage"} for metric in recipe.metrics):
        changes.append("metrics=[]")  # their features are not on every machine
    if recipe.checkpoints.best is not None:
        changes.append("checkpoints={ every_images = 1_000 }")
    return (*narrowed(path, folder), *changes)


@pytest.mark.parametrize("path", RECIPE_FILES, ids=lambda path: path.stem)
def test_it_plays(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    out = tmp_path / "run"
    assert run_training(RunOptions(path, quick(path, tmp_path / "cache"), out=out, device="cpu", quiet=True)) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert (out / "grids" / "real.png").stat().st_size > 0
    assert len(list((out / "grids").glob("images-*.png"))) == 2, "before the first round and after the last"
    assert len(list((out / "checkpoints").iterdir())) == 1
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    logged = {name for line in lines for name in line.get("values", line)}
    assert any("adversarial" in str(name) for name in logged), logged


@pytest.mark.parametrize("path", RECIPE_FILES, ids=lambda path: path.stem)
def test_it_is_valid_as_it_stands(path: Path):
    """Without any override; data that are elsewhere need not be there to be named."""
    notices: list[str] = []
    recipe = read_recipe(path, load_catalogue(), (), notices.append)
    assert notices == []
    assert recipe.run.images >= recipe.run.batch


@pytest.mark.parametrize("path", RECIPE_FILES, ids=lambda path: path.stem)
def test_its_head_says_what_it_is(path: Path):
    head = path.read_text().partition("\nseed")[0]
    assert head.startswith("# ")
    assert "arXiv:" in head
    assert all(line.startswith("#") for line in head.strip().splitlines()), "comments first, then settings"


def test_there_are_recipes():
    assert {"stylegan2_faces", "dcgan_digits", "wgan_gp_ring", "stylegan2_ffhq256"} <= {
        path.stem for path in RECIPE_FILES
    }
