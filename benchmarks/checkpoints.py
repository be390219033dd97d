"""Cost of checkpoints: seconds for one, as a share of a run's time, and whether a thread would make them cheaper.

    python benchmarks/checkpoints.py [--repeats 9] [RECIPE.toml ...]

Measured in turns, so that noise of the machine hits all alike: some rounds alone; a checkpoint, as a run saves it, and
the same rounds; the same rounds while a thread saves a copy of the state that was made before. What the last two take
beyond the first is what a checkpoint costs. Without recipes: `recipes/stylegan2_faces.toml`, and a game of two
perceptrons whose checkpoint is of 100 MB.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from accelerate import Accelerator

from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.recipe import Recipe, read_recipe
from ganforge.storage.checkpoint import Checkpoint, list_checkpoints, prune_checkpoints, save_checkpoint
from ganforge.tracking import NoTracker
from ganforge.training.assemble import assemble
from ganforge.training.build import keep_freed_memory
from ganforge.training.reporter import SilentReporter
from ganforge.training.session import Session

FACES = Path(__file__).parents[1] / "recipes" / "stylegan2_faces.toml"
PLAYER = {"network": {"kind": "mlp", "width": 1280}, "optimizer": {"lr": 1e-4}}
LARGE = {
    "data": {"kind": "digits"},
    "run": {"images": 1_000_000, "batch": 64},
    "game": {
        "kind": "gan",
        "loss": "non-saturating",
        "generator": {**PLAYER, "ema": {"half_life_images": 10_000}},
        "discriminator": PLAYER,
    },
}


class Case:
    """A session that plays, saves, and saves in a thread."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        cache = folder / "cache"
        cache.mkdir()
        self.session: Session = assemble(
            recipe,
            Accelerator(cpu=True),
            recipe.data.open(cache),
            folder=folder,
            cache=cache,
            tracker=NoTracker(),
            reporter=SilentReporter(),
            monitors=(),
        )[0]
        self.folder, self.images = folder / "checkpoints", 0

    def play(self, rounds: int) -> None:
        """Play on."""
        for _ in range(rounds):
            self.session.running_means.note(self.session.runner.play_round(self.session.next_batch()))

    def save(self, content: Checkpoint) -> None:
        """Save a checkpoint as a run does."""
        self.images += 1
        save_checkpoint(self.folder, self.images, content)
        prune_checkpoints(self.folder, self.images, keep=2)

    def alone(self, rounds: int) -> None:
        """Some rounds."""
        self.play(rounds)

    def before(self, rounds: int) -> None:
        """Some rounds, and a checkpoint that is waited for."""
        self.save(Checkpoint(*self.session.state()))
        self.play(rounds)

    def beside(self, rounds: int) -> None:
        """Some rounds, and a checkpoint that a thread writes meanwhile."""
        tensors, facts = self.session.state()
        content = Checkpoint({name: tensor.detach().clone() for name, tensor in tensors.items()}, facts)
        thread = threading.Thread(target=self.save, args=(content,))
        thread.start()
        self.play(rounds)
        thread.join()


def seconds(call: Callable[..., None], *arguments: object) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - began


def measure(name: str, recipe: Recipe, repeats: int) -> str:
    """Return what checkpoints cost a recipe, in a sentence."""
    with tempfile.TemporaryDirectory() as folder:
        case = Case(recipe, Path(folder))
        case.play(8)
        case.save(Checkpoint(*case.session.state()))
        round_ = seconds(case.play, 8) / 8
        once = seconds(case.save, Checkpoint(*case.session.state()))
        rounds = max(4, round(3 * once / round_))  # a thread has time enough to come to its end
        times: dict[str, list[float]] = {"alone": [], "before": [], "beside": []}
        for repeat in range(repeats):
            order = list(times)[repeat % 3 :] + list(times)[: repeat % 3]
            for way in order:
                times[way].append(seconds(getattr(case, way), rounds))
        size = sum(file.stat().st_size for file in list_checkpoints(case.folder)[-1].iterdir())
    round_ = statistics.median(times["alone"]) / rounds
    costs = {
        way: statistics.median(one - alone for one, alone in zip(times[way], times["alone"], strict=True))
        for way in ("before", "beside")
    }
    noise = statistics.pstdev(times["alone"])
    every = recipe.checkpoints.every_images
    between = every / recipe.run.batch * round_
    shares = {way: cost / (between + cost) for way, cost in costs.items()}
    return (
        f"{name}: {size / 1e6:.1f} MB, {round_ * 1e3:.0f} ms a round; a checkpoint costs {costs['before'] * 1e3:.0f} "
        f"ms, by a thread {costs['beside'] * 1e3:.0f} ms ({rounds} rounds alone vary by {noise * 1e3:.0f} ms); at one "
        f"every {every:,} images, {between:.0f} s, that is {shares['before']:.2%} of the time, by a thread "
        f"{shares['beside']:.2%}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recipes", nargs="*", type=Path, metavar="RECIPE.toml")
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    keep_freed_memory()  # as `ganforge run` does
    catalogue = load_catalogue(only=[])
    for path in options.recipes or [FACES]:
        print(measure(path.stem, read_recipe(path, catalogue), options.repeats), flush=True)
    if not options.recipes:
        large = Recipe.model_validate(LARGE, context={"catalogue": catalogue})
        print(measure("two perceptrons", large, options.repeats), flush=True)


if __name__ == "__main__":
    main()
