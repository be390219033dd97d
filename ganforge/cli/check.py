"""`ganforge check`: what a recipe would train, how fast, and what it takes."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ganforge.api.game import EmaRecipe
    from ganforge.training.profiling import Profile
    from ganforge.training.session import Session


@click.command("check")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one entry of the recipe.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--no-plugin", "leave_out", multiple=True, metavar="NAME", help="Leave a plugin out.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(recipe: Path, overrides: tuple[str, ...], device: str, leave_out: tuple[str, ...], as_json: bool) -> None:
    """Validate RECIPE, build what it describes and play a few rounds, for some seconds.

    Says which players take which turns, how many parameters they have, how fast it goes here, and what time, memory and
    disk the run will take. Nothing is written but decoded data in the cache.
    """
    from ganforge.cli.terminal.view import SilentView
    from ganforge.errors import MemoryShortageError
    from ganforge.plugins.loading import load_catalogue
    from ganforge.recipes.recipe import read_recipe
    from ganforge.storage.folders import cache_folder
    from ganforge.tracking import NoTracker
    from ganforge.training.assemble import assemble
    from ganforge.training.build import make_accelerator
    from ganforge.training.out_of_memory import explain_memory_shortage
    from ganforge.training.profiling import profile

    file = recipe / "recipe.toml" if recipe.is_dir() else recipe
    catalogue = load_catalogue(leave_out)
    read = read_recipe(file, catalogue, overrides, lambda text: click.echo(text, err=True))
    for plugin in catalogue.broken:
        click.echo(f"plugin {plugin.name} of {plugin.origin} was left out: {plugin.reason}", err=True)
    cache = cache_folder()
    session: Session | None = None
    try:
        source = read.data.open(cache)
        accelerator = make_accelerator(device, read.run.precision)
        session, _ = assemble(
            read, accelerator, source, folder=Path("-"), cache=cache, tracker=NoTracker(), reporter=SilentView()
        )
        click.echo("playing a few rounds ...", err=True)
        trial = profile(session)
    except (RuntimeError, MemoryError, MemoryShortageError) as error:
        short = explain_memory_shortage(error, read, session)
        if short is None or short is error:
            raise
        raise short from error
    facts = describe(session, trial) | {"recipe": str(file)}
    click.echo(json.dumps(facts, indent=2) if as_json else "\n".join(lines(facts)))


def describe(session: Session, trial: Profile) -> dict[str, Any]:
    """Return all that was found out, as JSON takes it; memory in bytes, times in seconds."""
    recipe, runner, spec = session.recipe, session.runner, session.source.spec
    players = {}
    for name, player in runner.players.items():
        player.recipe.optimizer.adjust(
            player.optimizer, 0, player.step_fraction
        )  # the trial left it as at the run's end
        group = player.optimizer.param_groups[0]
        players[name] = {
            "parameters": sum(parameter.numel() for parameter in player.parameters),
            "optimizer": player.recipe.optimizer.kind,
            "lr": player.recipe.optimizer.lr_at(0),
            "lazy_correction": player.step_fraction,
            "corrected_lr": float(group["lr"]),
            "corrected_betas": [float(beta) for beta in group["betas"]] if "betas" in group else None,
            "averaged": _averaged(player.recipe.ema) if player.recipe.ema else None,
            "begins_with": session.start_weights.get(name),
            "turns": [
                {"name": turn.name, "every": turn.every, "lazy": turn.lazy, "after_images": turn.after_images}
                for turn in runner.turns
                if turn.player == name
            ],
        }
    keep = recipe.checkpoints
    kept = keep.keep + (keep.best is not None)
    kept += recipe.run.images // keep.for_good_every_images if keep.for_good_every_images else 0
    return {
        "data": {
            "kind": recipe.data.kind,
            "samples": len(session.source),
            "shape": list(spec.shape),
            "classes": spec.classes,
            "conditions": spec.conditions,
        },
        "game": recipe.game.kind,
        "players": players,
        "batch": runner.batch,
        "device": runner.accelerator.device.type,
        "precision": recipe.run.precision,
        "memory": {
            "weights": trial.weights,
            "optimizers": trial.optimizers,
            "averages": trial.averages,
            "peak": trial.peak,
            "peak_before_the_first_round": trial.before,
        },
        "speed": {
            "images_per_second": trial.images_per_second,
            "seconds_per_round": trial.seconds,
            "seconds_of_the_slowest_round": trial.slowest,
            "rounds_timed": trial.rounds,
        },
        "run": {"images": recipe.run.images, "seconds": recipe.run.images / trial.images_per_second},
        "disk": {"checkpoint": trial.checkpoint, "checkpoints_kept": kept, "checkpoints": trial.checkpoint * kept},
    }


def lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Say it on a screen of 80 columns."""
    from ganforge.cli.terminal.progress import duration, rate
    from ganforge.errors import format_bytes

    data, memory, speed, run, disk = (facts[key] for key in ("data", "memory", "speed", "run", "disk"))
    labels = f"{data['classes']} classes" if data["classes"] else "no labels"
    labels = f"conditions of {data['conditions']} numbers" if data["conditions"] else labels
    yield f"{facts['recipe']} is in order"
    yield f"data       {data['kind']}: {data['samples']:,} samples of shape {data['shape']}, {labels}"
    precision = "" if facts["precision"] == "no" else f" in {facts['precision']}"
    yield f"game       {facts['game']}, rounds of {facts['batch']:,} images on {facts['device']}{precision}"
    for name, player in facts["players"].items():
        yield from _player(name, player)
    parts = ", ".join(f"{name} {format_bytes(memory[name])}" for name in ("weights", "optimizers", "averages"))
    yield f"memory     {parts}"
    if facts["device"] == "cuda":
        yield f"           at most {format_bytes(memory['peak'])} allocated on the GPU"
    else:
        begin = format_bytes(memory["peak_before_the_first_round"])
        yield f"           at most {format_bytes(memory['peak'])} for the whole process ({begin} before round 1)"
    pace, mean = rate(speed["images_per_second"]), _seconds(speed["seconds_per_round"])
    yield f"speed      {pace} images/s, by {speed['rounds_timed']} rounds of {mean}"
    yield f"time       about {duration(run['seconds'])} for {run['images']:,} images; metrics and grids come on top"
    each, kept = format_bytes(disk["checkpoint"]), disk["checkpoints_kept"]
    yield f"disk       {format_bytes(disk['checkpoints'])} for {kept} checkpoints of {each}"


def _player(name: str, player: Mapping[str, Any]) -> Iterator[str]:
    yield f"player     {name}: {player['parameters']:,} parameters"
    for turn in player["turns"]:
        when = "every round" if turn["every"] == 1 else f"every {turn['every']} rounds"
        when += ", lazy" if turn["lazy"] else ""
        when += f", after {turn['after_images']:,} images" if turn["after_images"] else ""
        yield f"           turn {turn['name']}, {when}"
    yield f"           {player['optimizer']}, lr {player['lr']:g}"
    if player["lazy_correction"] != 1:
        betas = ", ".join(f"{beta:.5g}" for beta in player["corrected_betas"] or ())
        corrected = f"lr {player['corrected_lr']:.5g}" + (f", betas {betas}" if betas else "")
        yield f"           corrected for lazy turns: {corrected}"
    if player["averaged"]:
        yield f"           averaged {player['averaged']}"
    if player["begins_with"]:
        said = textwrap.shorten(f"at the start, {player['begins_with']}", 400, placeholder=" ...")
        yield from textwrap.wrap(said, 79, initial_indent=" " * 11, subsequent_indent=" " * 13)


def _averaged(ema: EmaRecipe) -> str:
    from ganforge.api.schedule import value_at

    half_lives = {value_at(ema.half_life_images, images) for images in (0, 2**62)}
    words = {
        "exponential": f"with a half-life of {' to '.join(f'{value:,.0f}' for value in sorted(half_lives))} images",
        "power": "over all of its training, the newest weights most",
        "uniform": "over all of its training alike",
    }
    return words[ema.shape] + (f", from {ema.after_images:,} images on" if ema.after_images else "")


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.3g} ms"
