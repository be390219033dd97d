"""Our runner against the tightest loop one can write by hand for the same networks, interleaved.

    python benchmarks/overhead.py [--rounds 50] [--repeats 7] [--log-every 1000] [dcgan|stylegan2 ...]

Both play the same turns on the same networks and data in memory: opponents frozen, generated samples for the
discriminator without a graph, real and generated in one forward where the norm allows it, fused Adam, foreach average.
The loop by hand logs nothing, guards nothing and draws from the global generator. With --log-every, ours also does what
a run does at each line of its log: readings of samples and of the weights, and all monitors. Prints the median of each
and the median of the ratios of neighbouring measurements: noise of the machine hits both alike.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.api.data import Batch, DataSpec, Source
from ganforge.api.dice import Roll, roll_dice
from ganforge.api.duel import Duel
from ganforge.api.families import Regularizer
from ganforge.api.network import DiscriminatorNetwork, GeneratorNetwork
from ganforge.plugins.catalogue import Catalogue
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.recipe import Recipe, monitors_of
from ganforge.tracking import NoTracker
from ganforge.training.assemble import assemble
from ganforge.training.build import build_runner, keep_freed_memory
from ganforge.training.callbacks.log import LogCallback
from ganforge.training.callbacks.probe import ProbeCallback
from ganforge.training.callbacks.watch import WatchCallback
from ganforge.training.reporter import SilentReporter
from ganforge.training.session import RunningMeans

if TYPE_CHECKING:
    from PIL.Image import Image

ADAM = {"lr": 2e-3, "betas": [0.0, 0.99]}
STYLE = {"kind": "stylegan2", "channel_base": 1024, "channel_max": 64}
GAMES = {
    "dcgan": {
        "kind": "gan",
        "loss": "non-saturating",
        "generator": {
            "network": {"kind": "dcgan", "latent": 100, "width": 64},
            "optimizer": ADAM,
            "ema": {"half_life_images": 10_000},
        },
        "discriminator": {"network": {"kind": "dcgan", "width": 64}, "optimizer": ADAM},
    },
    "stylegan2": {
        "kind": "gan",
        "loss": "non-saturating",
        "generator": {
            "network": {**STYLE, "latent": 64, "style": 64, "mapping_layers": 2},
            "optimizer": ADAM,
            "ema": {"half_life_images": 10_000},
            "regularizers": [{"kind": "path-length", "every": 4}],
        },
        "discriminator": {
            "network": STYLE,
            "optimizer": ADAM,
            "regularizers": [{"kind": "r1", "gamma": 0.1, "every": 16}],
        },
    },
}


def backward(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]


def by_hand(recipe: Recipe, spec: DataSpec, batches: Sequence[Tensor]) -> Callable[[], None]:
    """Return a loop over the batches, written as tightly as it goes, for the recipe's networks and penalties."""
    runner = build_runner(recipe, spec, Accelerator(cpu=True))  # only to make the same networks and optimizers
    game = runner.game
    generator, discriminator = game.get_submodule("generator"), game.get_submodule("discriminator")
    of_generator, of_discriminator = runner.players["generator"], runner.players["discriminator"]
    average = copy.deepcopy(generator).requires_grad_(False)
    averaged: list[Tensor] = list(average.parameters())
    live: list[Tensor] = list(generator.parameters())
    latent: int = recipe.game.generator.network.latent  # type: ignore[attr-defined]
    assert isinstance(generator, GeneratorNetwork)
    assert isinstance(discriminator, DiscriminatorNetwork)
    joint = discriminator.batch_group > 0
    penalties: dict[str, tuple[Regularizer, nn.Module]] = {
        side: (regularizer, game.get_submodule("penalties").get_submodule(f"{side}-{regularizer.kind}"))
        for side in ("generator", "discriminator")
        for regularizer in getattr(recipe.game, side).regularizers
    }
    state = {"round": 0}

    def freeze(player: nn.Module, frozen: nn.Module) -> None:
        frozen.requires_grad_(False)
        player.requires_grad_(True)

    def play() -> None:
        roll_dice(game, Roll(0, "by hand", state["round"], 0, len(batches[0]), len(batches[0])))
        for real in batches:
            freeze(discriminator, generator)
            with torch.no_grad():
                fake = generator(torch.randn(len(real), latent))
            if joint:
                of_real, of_fake = discriminator(torch.cat([real, fake])).chunk(2)
            else:
                of_real, of_fake = discriminator(real), discriminator(fake)
            backward(F.softplus(-of_real).mean() + F.softplus(of_fake).mean())
            of_discriminator.optimizer.step()
            of_discriminator.optimizer.zero_grad()
            if "discriminator" in penalties and state["round"] % penalties["discriminator"][0].every == 0:
                regularizer, penalty = penalties["discriminator"]
                duel = Duel(discriminator, real.detach().requires_grad_(True), fake)
                backward(penalty(duel).mean() * regularizer.every)
                of_discriminator.optimizer.step()
                of_discriminator.optimizer.zero_grad()
            freeze(generator, discriminator)
            backward(F.softplus(-discriminator(generator(torch.randn(len(real), latent)))).mean())
            of_generator.optimizer.step()
            of_generator.optimizer.zero_grad()
            if "generator" in penalties and state["round"] % penalties["generator"][0].every == 0:
                regularizer, penalty = penalties["generator"]
                duel = Duel(discriminator, real, fake, latents=torch.randn(len(real), latent), generator=generator)
                backward(penalty(duel).mean() * regularizer.every)
                of_generator.optimizer.step()
                of_generator.optimizer.zero_grad()
            with torch.no_grad():
                torch._foreach_lerp_(averaged, live, 0.001)
            state["round"] += 1

    return play


def by_runner(recipe: Recipe, spec: DataSpec, batches: Sequence[Tensor]) -> Callable[[], None]:
    """Return our own loop over the batches, with what a session adds to it."""
    runner, means = build_runner(recipe, spec, Accelerator(cpu=True)), RunningMeans()

    def play() -> None:
        for real in batches:
            means.note(runner.play_round({"image": real}))

    return play


class InMemory(Source):
    """One batch of real samples, again and again."""

    def __init__(self, spec: DataSpec, samples: Tensor) -> None:
        self.spec, self.samples, self.fingerprint = spec, samples, "benchmark"

    def __len__(self) -> int:
        return len(self.samples)

    def batch(self, indices: np.ndarray) -> Batch:
        """Return samples."""
        return {"image": self.samples[torch.from_numpy(indices)]}

    def show(self, samples: Tensor) -> Image:
        """Draw nothing."""
        raise NotImplementedError


def by_session(recipe: Recipe, catalogue: Catalogue, source: Source, batches: Sequence[Tensor]) -> Callable[[], None]:
    """Return our own loop with all that a session does for its log: readings, lines, monitors."""
    session, callbacks = assemble(
        recipe,
        Accelerator(cpu=True),
        source,
        folder=Path("-"),
        cache=Path("-"),
        tracker=NoTracker(),
        reporter=SilentReporter(),
        monitors=monitors_of(recipe, catalogue),
    )
    callbacks = [
        callback for callback in callbacks if isinstance(callback, ProbeCallback | LogCallback | WatchCallback)
    ]
    for callback in callbacks:
        callback.begin(session)

    def play() -> None:
        for real in batches:
            before = session.images
            session.running_means.note(session.runner.play_round({"image": real}))
            for callback in callbacks:
                if callback.due(session, before):
                    callback.run(session)

    return play


def seconds(play: Callable[[], None]) -> float:
    """Return how long one pass takes."""
    start = time.perf_counter()
    play()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("games", nargs="*", metavar="GAME", help=f"any of: {', '.join(GAMES)} [default: all]")
    parser.add_argument("--rounds", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--log-every", type=int, metavar="IMAGES", help="log, and let monitors look, so often")
    options = parser.parse_args()
    unknown = set(options.games) - set(GAMES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; expected any of: {', '.join(GAMES)}")
    keep_freed_memory()  # as `ganforge run` does; it serves both
    catalogue = load_catalogue(only=[])
    spec = DataSpec((1, 32, 32))
    real = torch.rand(options.batch, *spec.shape).mul(2).sub(1).contiguous(memory_format=torch.channels_last)
    for name in options.games or GAMES:
        run = {"images": 10**9, "batch": options.batch, "log_every_images": options.log_every or 10**9}
        table = {"data": "faces", "run": run, "game": GAMES[name]}
        recipe = Recipe.model_validate(table, context={"catalogue": catalogue})
        batches = [real] * options.rounds
        hand, ours = by_hand(recipe, spec, batches), by_runner(recipe, spec, batches)
        if options.log_every:
            ours = by_session(recipe, catalogue, InMemory(spec, real), batches)
        hand(), ours()
        times: list[tuple[float, float]] = []
        for repeat in range(options.repeats):  # in turns, so that neither is always the second
            first = seconds(ours if repeat % 2 else hand)
            second = seconds(hand if repeat % 2 else ours)
            times.append((second, first) if repeat % 2 else (first, second))
        shown = options.batch * options.rounds
        ratio = statistics.median(left / right for left, right in times)
        print(
            f"{name}: by hand {shown / statistics.median(left for left, _ in times):.1f} images/s, "
            f"ganforge {shown / statistics.median(right for _, right in times):.1f} images/s, "
            f"ratio {ratio:.3f} (median of {options.repeats} pairs)"
        )


if __name__ == "__main__":
    main()
