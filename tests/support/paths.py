"""Where the repository and its parts are."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
DOCS = ROOT / "docs"
RECIPES = ROOT / "recipes"
RECIPE_FILES = sorted(RECIPES.rglob("*.toml"))
SHARED_DATA = ROOT.parent / "shared" / "data"  # real data for development, where they are; never committed
PYTHONPATH = os.pathsep.join(
    [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
)  # of processes that tests start
