"""Folders of runs, written by hand: one metric, and what is drawn and found beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganforge.recipes.toml_writer import recipe_to_toml
from support.toys import recipe_of

RECEIPT = {"metric": "mode-coverage", "reference": "a" * 32, "reference-data": "ring", "fake": 500, "truncation": 1.0}
FINDING = {
    "name": "mode-collapse",
    "symptom": "samples are alike",
    "evidence": "variance 0.001",
    "cause": "a weak discriminator",
    "remedies": [],
    "severity": "failure",
}


def write_run(
    folder: Path,
    values: list[tuple[int, float | None]],
    *,
    seed: int = 0,
    status: str = "finished",
    receipt: dict[str, Any] | None = None,
    finding: int | None = None,
    **changes: Any,
) -> Path:
    """Write a run's folder by hand: one metric at so many images shown, and what is drawn and said beside it."""
    folder.mkdir(parents=True)
    metrics = [{"kind": "mode-coverage", "samples": 500, "every_images": 100}]
    recipe = recipe_of(data={"kind": "ring"}, metrics=metrics, seed=seed, **changes)
    (folder / "recipe.toml").write_text(recipe_to_toml(recipe))
    record = {"id": f"{seed:032x}", "status": status, "start": 1000.0, "end": 1060.0, "device": "cpu"}
    (folder / "run.json").write_text(json.dumps(record))
    how = {**RECEIPT, "seed": seed, **(receipt or {})}
    log = [
        {
            "images": images,
            "round": images // 16,
            "time": 1000.0,
            "values": {"reverse-kl": value},
            "receipts": {"reverse-kl": {"images_shown": images, **how}},
        }
        for images, value in values
    ]
    log.insert(0, {"images": 100, "round": 6, "time": 1.0, "values": {"speed/images_per_second": 640.0 + seed}})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    event = {"images": finding, "time": 1.0, "kind": "finding", "text": "", "details": FINDING}
    (folder / "events.jsonl").write_text("" if finding is None else json.dumps(event) + "\n")
    (folder / "grids").mkdir()
    Image.fromarray(np.full((20, 30), 40 * seed, np.uint8)).save(folder / "grids" / f"images-{values[-1][0]:012d}.png")
    return folder


def save_evaluation(folder: Path, name: str, values: list[float], images: int, **receipt: Any) -> None:
    """Append what `ganforge evaluate --save` would."""
    with (folder / "evaluations.jsonl").open("a") as file:
        for seed, value in enumerate(values):
            how = {**RECEIPT, "metric": name, "seed": seed, "images_shown": images, **receipt}
            line = {"images": images, "time": 1.0, "seed": seed, "values": {name: value}, "better": {name: "lower"}}
            file.write(json.dumps({**line, "receipts": {name: how}}) + "\n")
