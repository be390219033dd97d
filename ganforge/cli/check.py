"""`ganforge check`: what a recipe would train, how fast, and what it takes."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from ganforge.cli import options
from ganforge.cli.messages import say
from ganforge.cli.terminal.formats import format_duration, format_rate
from ganforge.errors import format_bytes


@click.command("check")
@options.recipe_path
@options.overrides
@options.device
@options.leave_out
@options.as_json
def command(recipe: Path, overrides: tuple[str, ...], device: str, leave_out: tuple[str, ...], as_json: bool) -> None:
    """Validate RECIPE, build what it describes and play a few rounds, for some seconds.

    Says which players take which turns, how many parameters they have, how fast it goes here, and what time, memory and
    disk the run will take. Nothing is written but decoded data in the cache.
    """
    from ganforge.cli.terminal.view import SilentView
    from ganforge.plugins.loading import load_catalogue
    from ganforge.recipes.recipe import read_recipe
    from ganforge.runs.replay import left_out_plugins
    from ganforge.storage.layout import recipe_file
    from ganforge.training.check import check_recipe

    file = recipe_file(recipe)
    catalogue = load_catalogue(leave_out)
    read = read_recipe(file, catalogue, overrides, say)
    for notice in left_out_plugins(catalogue):
        say(notice)
    facts = check_recipe(read, device, SilentView())
    if as_json:
        click.echo(json.dumps(facts | {"recipe": str(file)}, indent=2))
    else:
        click.echo("\n".join([f"{file} is in order", *check_lines(facts)]))


def check_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the report in lines of 80 columns."""
    data, memory, speed, run, disk = (facts[key] for key in ("data", "memory", "speed", "run", "disk"))
    labels = f"{data['classes']} classes" if data["classes"] else "no labels"
    labels = f"conditions of {data['conditions']} numbers" if data["conditions"] else labels
    yield f"data       {data['kind']}: {data['samples']:,} samples of shape {data['shape']}, {labels}"
    precision = "" if facts["precision"] == "no" else f" in {facts['precision']}"
    yield f"game       {facts['game']}, rounds of {facts['batch']:,} images on {facts['device']}{precision}"
    for name, player in facts["players"].items():
        yield from _player_lines(name, player)
    parts = ", ".join(f"{name} {format_bytes(memory[name])}" for name in ("weights", "optimizers", "averages"))
    yield f"memory     {parts}"
    if facts["device"] == "cuda":
        yield f"           at most {format_bytes(memory['peak'])} allocated on the GPU"
    else:
        begin = format_bytes(memory["peak_before_the_first_round"])
        yield f"           at most {format_bytes(memory['peak'])} for the whole process ({begin} before round 1)"
    rate, seconds = format_rate(speed["images_per_second"]), speed["seconds_per_round"]
    mean = f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"
    yield f"speed      {rate} images/s, by {speed['rounds_timed']:,} rounds of {mean}"
    time = format_duration(run["seconds"])
    yield f"time       about {time} for {run['images']:,} images; metrics and grids come on top"
    each, kept = format_bytes(disk["checkpoint"]), disk["checkpoints_kept"]
    yield f"disk       {format_bytes(disk['checkpoints'])} for {kept} checkpoints of {each}"


def _player_lines(name: str, player: Mapping[str, Any]) -> Iterator[str]:
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
