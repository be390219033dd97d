"""The names of a run's files, as documentation and older runs know them."""

from __future__ import annotations

from pathlib import Path

from ganforge.storage.layout import RunLayout, images_name, images_of


def test_names_are_those_that_documentation_tells():
    layout = RunLayout(Path("runs/faces"))
    files = [layout.recipe, layout.run_json, layout.metrics, layout.events, layout.evaluations, layout.traceback]
    names = ["recipe.toml", "run.json", "metrics.jsonl", "events.jsonl", "evaluations.jsonl", "traceback.txt"]
    assert files == [Path("runs/faces", name) for name in names]
    assert [layout.checkpoints.name, layout.grids.name, layout.samples.name] == ["checkpoints", "grids", "samples"]
    assert [layout.lock.name, layout.mlflow.name, layout.mlflow_lock.name] == [".lock", "mlflow.json", ".mlflow.lock"]
    assert layout.grid(5_000) == Path("runs/faces/grids/images-000000005000.png")


def test_names_tell_images_and_sort_like_them():
    counts = [0, 9, 10, 123_456_789_012, 2**59]
    assert [images_of(Path(images_name(images))) for images in counts] == counts
    assert images_of(Path("grids/images-000000000010.png")) == 10
    assert [images_name(images) for images in counts[:4]] == sorted(images_name(images) for images in counts[:4])


def test_grids_that_are_there_oldest_first(tmp_path: Path):
    layout = RunLayout(tmp_path)
    assert layout.all_grids() == []
    layout.grids.mkdir()
    for path in (layout.grid(20), layout.grid(3), layout.real_grid, layout.grids / ".images-000000000030.png.tmp"):
        path.touch()
    assert layout.all_grids() == [layout.grid(3), layout.grid(20)]
