"""The page on Python: its code runs, from the top to the end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from support.paths import DOCS, RECIPES

from ganforge.runs import python_api

PAGE = (DOCS / "python.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_code_of_the_page_runs_and_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "recipes").symlink_to(RECIPES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANFORGE_PLUGINS", "")
    names: dict[str, object] = {"__name__": "notebook"}
    for number, code in enumerate(CODE):
        exec(compile(code, f"python.md, block {number}", "exec"), names)
    run, watched, norms = names["run"], names["watched"], names["norms"]
    assert isinstance(run, python_api.TrainedRun)
    assert isinstance(watched, python_api.TrainedRun)
    assert run.status == watched.status == "finished"
    assert 12_000 <= run.images < 12_500, "it was resumed and trained on"
    assert (run.recipe.seed, run.recipe.tracking.kind) == (5, "none")
    assert isinstance(norms, list)
    assert len(norms) >= 4
    logged = [
        line["values"]["weights/generator_norm"] for line in watched.log() if "weights/generator_norm" in line["values"]
    ]
    assert logged == norms, "what a callback logs is in the log and told to the reporter"
    with Image.open("ring.png") as picture:
        assert picture.size == names["grid"].size  # type: ignore[attr-defined]
    assert Path("runs/ring-from-python/generator.safetensors").is_file()


def test_every_name_of_the_api_is_on_the_page():
    assert [name for name in python_api.__all__ if not re.search(rf"\b{name}\b", PAGE)] == []
