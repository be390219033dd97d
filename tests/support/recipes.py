"""Recipes of the repository, made small enough for a laptop."""

from __future__ import annotations

import io
import json
import tomllib
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def narrowed(path: Path, folder: Path) -> list[str]:
    """Overrides that let a laptop play a recipe: narrow networks where they are wide, and data that are there.

    Images that a recipe reads from outside are replaced by a few of noise, equally large and of two classes, in a ZIP.
    """
    table = tomllib.loads(path.read_text())
    overrides = []
    for side in ("generator", "discriminator"):
        network = table["game"].get(side, {}).get("network", {})
        if isinstance(network, dict) and network.get("channel_max", 0) > 64:
            resolution = table["data"].get("resolution", 64)
            narrow = 4 if resolution <= 64 or network["kind"] == "styleswin" else 2 if resolution <= 512 else 1
            overrides.append(f"game.{side}.network.channel_max={narrow}")
        if isinstance(network, dict) and network.get("width", 0) >= 64:
            overrides.append(f"game.{side}.network.width=4")
    if table["data"]["kind"] == "images":
        pictures, numbers = folder / "noise.zip", np.random.Generator(np.random.PCG64(1))
        with zipfile.ZipFile(pictures, "w") as archive:
            for index in range(8):
                file = io.BytesIO()
                size = table["data"].get("resolution", 64)
                Image.fromarray(numbers.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(file, "PNG")
                archive.writestr(f"{'ab'[index % 2]}/{index}.png", file.getvalue())
        if "labelled" in table["data"]:
            overrides.append("data.labelled=4")
        overrides.append(f"data.path={json.dumps(str(pictures))}")
    return overrides
