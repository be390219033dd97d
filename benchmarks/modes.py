"""Modes of a known mixture that GANs cover: a table over seeds.

    python benchmarks/modes.py [RECIPE...] [--data ring,grid] [--seeds 0,1,2] [--set KEY=VALUE]... [--json FILE]

Each recipe is trained from the start by `ganforge run`, once for each data set and seed, and its last `mode-coverage`
is read: modes covered (of 8 on the ring, of 25 on the grid), and the share of samples within three standard deviations
of a mode. Without recipes: those of recipes/ whose name begins with one of SYSTEMS and ends in `_ring`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
SYSTEMS = ("vanilla", "wgan_gp", "unrolled", "minibatch", "r3gan")
MODES = {"ring": 8, "grid": 25}


class Result(NamedTuple):
    """What one run came to."""

    recipe: str
    data: str
    seed: int
    covered: int
    high_quality: float  # share in [0, 1]
    images: int
    seconds: float


def play(recipe: Path, data: str, seed: int, overrides: Sequence[str]) -> Result:
    """Train one recipe on one data set with one seed."""
    changes = [f"seed={seed}", f'data.kind="{data}"', 'tracking.kind="none"', *overrides]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [
            sys.executable,
            "-m",
            "ganforge",
            "run",
            str(recipe),
            "--out",
            str(out),
            "--quiet",
            "--device",
            "cpu",
        ]
        for change in changes:
            command += ["--set", change]
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(
                f"{recipe.name} on {data}, seed {seed}, ended with {done.returncode}: {done.stderr.strip()}"
            )
        lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    last = [line for line in lines if "modes-covered" in line["values"]][-1]
    values = last["values"]
    return Result(
        recipe.stem, data, seed, int(values["modes-covered"]), values["high-quality"], int(last["images"]), seconds
    )


def table(results: Sequence[Result]) -> str:
    """Return a Markdown table: a row for each recipe, mean (and each seed) of modes covered, good samples, seconds."""
    columns = list(dict.fromkeys(result.data for result in results))
    heads = [f"{data}: modes of {MODES[data]} by seed | {data}: good samples" for data in columns]
    lines = [f"| recipe | points shown | {' | '.join(heads)} | seconds a run |", "|---" * (3 + 2 * len(columns)) + "|"]
    for recipe in dict.fromkeys(result.recipe for result in results):
        own = [result for result in results if result.recipe == recipe]
        cells = []
        for data in columns:
            runs = [result for result in own if result.data == data]
            good = [100 * run.high_quality for run in runs]
            spread = f" ± {statistics.stdev(good):.0f}" if len(good) > 1 else ""
            cells += [", ".join(str(run.covered) for run in runs), f"{statistics.mean(good):.0f}{spread} %"]
        seconds = statistics.median(run.seconds for run in own)
        lines.append(f"| `{recipe}` | {own[0].images:,} | {' | '.join(cells)} | {seconds:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", type=Path)
    parser.add_argument("--data", default="ring,grid")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", type=Path, help="where each run's result is written too")
    options = parser.parse_args()
    recipes = options.recipes or [
        path for name in SYSTEMS for path in sorted((ROOT / "recipes").glob(f"{name}*_ring.toml"))
    ]
    results = []
    for recipe in recipes:
        for data in options.data.split(","):
            for seed in options.seeds.split(","):
                results.append(play(recipe, data, int(seed), options.overrides))
                print(results[-1], file=sys.stderr, flush=True)
    print(table(results))
    if options.json is not None:
        options.json.write_text(json.dumps([result._asdict() for result in results], indent=1))


if __name__ == "__main__":
    main()
