"""Cut every game's run at many points, resume it, and compare with the run that was never cut: to the bit.

    python tests/reliability/resume.py --cuts 10

Every installed game is played with every network and every augmentation that the contracts try, and so are the
installed plugins' networks and losses, each as a session with its callbacks: log, grids, metrics, checkpoints. The same
must be: the last checkpoint, byte for byte (weights, optimizers, averages, pools, tallies, facts), every line of the
log but for the speed, and every grid. Cuts are between rounds, and some in the middle of an evaluation.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.examples import example, game_cases, game_example

from ganforge.cli.terminal.view import SilentView
from ganforge.plugins.catalogue import Catalogue
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.recipe import Recipe
from ganforge.storage.checkpoint import checkpoint_path, list_checkpoints, load_checkpoint, load_newest
from ganforge.tracking import NoTracker
from ganforge.training.assemble import assemble
from ganforge.training.loop import play_session

BATCH, ROUNDS = 8, 12
Line = tuple[int, dict[str, float]]


class Kept(NoTracker):
    """Keeps the lines of the log in memory, without what the clock has a say in."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def metrics(self, images: int, round_: int, values: Mapping[str, float], receipts: object = None) -> None:
        """Keep a line."""
        self.lines.append((images, {name: value for name, value in values.items() if not name.startswith("speed/")}))


DIGITS = {"kind": "digits", "labels": True}


def table_of(game: Mapping[str, Any], data: Mapping[str, Any] = DIGITS) -> dict[str, Any]:
    """A recipe of a few rounds: a checkpoint after each, metrics after every third and at the end."""
    often = {"every_images": 3 * BATCH}
    table = {
        "seed": 3,
        "data": data,
        "run": {"images": ROUNDS * BATCH, "batch": BATCH, "log_every_images": 2 * BATCH},
        "game": game,
        "grid": {"samples": 4, "every_images": 4 * BATCH},
        "checkpoints": {"every_images": BATCH, "keep": ROUNDS + 1, "best": "frechet-pixels"},
        "diagnosis": {"standard": False, "samples": 8},
        "tracking": {"kind": "none"},
    }
    if data is DIGITS:
        table["metrics"] = [
            {"kind": "pixel-variance", "samples": 150, **often},
            {"kind": "fid", "features": "pixels", "samples": 150, "real": 150, **often},
        ]
    else:
        table["metrics"] = [{"kind": "mode-coverage", "samples": 300, **often}]
        table["checkpoints"]["best"] = "reverse-kl"
    return table


def cases(catalogue: Catalogue) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every game that the contracts try, and what plugins add: by name, a recipe's table."""
    for game, network, augmentation in game_cases():
        name = " ".join(filter(None, (game, network, augmentation)))
        yield name, table_of(game_example(game, network, augmentation))
    plain = game_example("gan", "dcgan")
    if "projected" in catalogue.family("discriminators"):
        network = {**example(catalogue.family("discriminators")["projected"]), "features_resolution": 64, "width": 4}
        yield "plugin projected", table_of({**plain, "discriminator": {**plain["discriminator"], "network": network}})
    if "sine" in catalogue.family("generators"):
        plain = game_example("gan", "mlp")
        network = {"kind": "sine", "latent": 4, "width": 16}
        game = {**plain, "loss": "pearson-chi-square", "generator": {**plain["generator"], "network": network}}
        yield "plugin example", table_of(game, {"kind": "ring"})


def play(recipe: Recipe, folder: Path, stop: Callable[[], bool] = lambda: False) -> tuple[bool, list[Line]]:
    """Play a run, from its newest checkpoint if it has one, and return whether it is over, and its lines of the log."""
    tracker, resumed = Kept(), bool(list_checkpoints(folder / "checkpoints"))
    torch.manual_seed(len(str(folder)))  # what must not matter
    session, callbacks = assemble(
        recipe,
        Accelerator(cpu=True),
        recipe.data.open(folder.parent),
        folder=folder,
        cache=folder.parent,
        tracker=tracker,
        reporter=SilentView(),
        monitors=(),
        fresh=not resumed,
    )
    if resumed:
        content, _, passed_over = load_newest(folder / "checkpoints")
        assert passed_over == []
        session.restore(content.tensors, content.facts)
    return play_session(session, callbacks, stop), tracker.lines


def differences(whole: Path, cut: Path, expected: Sequence[Line], lines: Sequence[Line]) -> list[str]:
    """Name what differs between two runs that came to their end."""
    found: list[str] = []
    one, two = (list_checkpoints(folder / "checkpoints")[-1] for folder in (whole, cut))
    if (one / "manifest.json").read_bytes() != (two / "manifest.json").read_bytes():
        first, second = load_checkpoint(one), load_checkpoint(two)
        names = sorted(first.tensors.keys() ^ second.tensors.keys())
        names += [name for name in first.tensors if not torch.equal(first.tensors[name], second.tensors.get(name))]
        names += [name for name in first.facts if first.facts[name] != second.facts.get(name)]
        found += names or ["the order of the files' bytes"]
    if repr(list(expected)) != repr(list(lines)):  # NaN is itself here
        found += lines_that_differ(expected, lines)
    for grid in (cut / "grids").glob("images-*.png"):
        if grid.read_bytes() != (whole / "grids" / grid.name).read_bytes():
            found.append(grid.name)
    return found


def lines_that_differ(expected: Sequence[Line], lines: Sequence[Line]) -> list[str]:
    """Name the values of the first line of a log that is not as expected."""
    for (images, values), (shown, others) in zip(expected, lines, strict=False):
        names = [name for name in values | others if repr(values.get(name)) != repr(others.get(name))]
        if images != shown or names:
            return [f"the log: {', '.join(names[:3])} after {images} images"]
    return [f"the log has {len(lines)} lines, not {len(expected)}"]


def cut_between_rounds(recipe: Recipe, whole: Path, lines: Sequence[Line], cut: int) -> list[str]:
    """Resume from the checkpoint of `cut` images shown; return what differs at the end."""
    folder = whole.parent / f"cut-{cut}"
    shutil.copytree(checkpoint_path(whole / "checkpoints", cut), checkpoint_path(folder / "checkpoints", cut))
    over, after = play(recipe, folder)
    assert over
    return differences(whole, folder, [line for line in lines if line[0] > cut], after)


def cut_in_evaluation(recipe: Recipe, whole: Path, lines: Sequence[Line], at: int, call: int) -> list[str]:
    """Cut the evaluation after `at` images shown, the `call`th time that somebody looks, and resume."""
    before, folder = at - BATCH, whole.parent / f"evaluation-{at}-{call}"
    shutil.copytree(checkpoint_path(whole / "checkpoints", before), checkpoint_path(folder / "checkpoints", before))
    looked = -1  # for the first time before the first round

    def stop() -> bool:
        nonlocal looked
        looked += 1
        return looked >= call

    over, first = play(recipe, folder, stop)
    newest = load_newest(folder / "checkpoints")[0].facts
    if over or (newest["images"], newest["interrupted_at"]) != (at, before):
        return [f"it was not cut in the evaluation after {at} images, but at {newest['images']}: {newest['cut_short']}"]
    over, after = play(recipe, folder)
    assert over
    return differences(whole, folder, [line for line in lines if line[0] > before], [*first, *after])


def try_case(table: Mapping[str, Any], catalogue: Catalogue, cuts: int, folder: Path) -> tuple[int, list[str]]:
    """Play a case whole, and from so many cuts; return how many cuts there were, and what differed."""
    recipe = Recipe.model_validate(table, context={"catalogue": catalogue})
    over, lines = play(recipe, folder / "whole")
    assert over
    between = [round(1 + index * (ROUNDS - 2) / max(cuts - 1, 1)) * BATCH for index in range(cuts)]
    found = [(cut, cut_between_rounds(recipe, folder / "whole", lines, cut)) for cut in sorted(set(between))]
    last = ROUNDS * BATCH
    for at, call in ((6 * BATCH, 1), (9 * BATCH, 2), (last, 3))[: max(1, min(3, cuts // 3))]:
        found.append((at, cut_in_evaluation(recipe, folder / "whole", lines, at, call)))
    return len(found), [f"cut at {cut}: {name}" for cut, names in found for name in names]


def main() -> None:
    """Try every case and say what differed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cuts", type=int, default=10, help="points between rounds where each case is cut")
    parser.add_argument("--only", default="", help="cases with this in their name")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    catalogue, began, total, wrong = load_catalogue(), time.monotonic(), 0, 0
    names = [(name, table) for name, table in cases(catalogue) if chosen.only in name]
    for name, table in names:
        with tempfile.TemporaryDirectory() as folder:
            cut, found = try_case(table, catalogue, chosen.cuts, Path(folder))
        total, wrong = total + cut, wrong + len(found)
        sys.stdout.write(f"{name:28s} {cut:3d} cuts: {'0 differing bits' if not found else '; '.join(found)}\n")
        sys.stdout.flush()
    seconds = time.monotonic() - began
    sys.stdout.write(f"{len(names)} games, {total} cuts, {wrong} differences, {seconds:.0f} s\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
