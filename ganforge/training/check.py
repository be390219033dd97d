"""Check of a recipe: what it would train, how fast, and what that takes; nothing of it is kept."""

from __future__ import annotations

from typing import Any

from ganforge.api.game import EmaRecipe
from ganforge.api.schedule import value_at
from ganforge.errors import MemoryShortageError
from ganforge.recipes.recipe import Recipe
from ganforge.training.build import make_accelerator
from ganforge.training.out_of_memory import explain_memory_shortage
from ganforge.training.profiling import profile, total_bytes
from ganforge.training.reporter import Reporter
from ganforge.training.run import dry_run
from ganforge.training.session import Session


def check_recipe(recipe: Recipe, device: str, reporter: Reporter) -> dict[str, Any]:
    """Build what a recipe describes and play a few rounds; nothing is written but decoded data in the cache.

    Returns:
        All that was found out, as JSON takes it; memory in bytes, times in seconds.

    Raises:
        GanforgeError: whatever would keep the recipe from being trained, want of memory included.
    """
    session: Session | None = None
    try:
        session = dry_run(recipe, make_accelerator(device, recipe.run.precision), reporter)
        reporter.say("playing a few rounds ...")
        return _describe(session, *profile(session))
    except (RuntimeError, MemoryError, MemoryShortageError) as error:
        short = explain_memory_shortage(error, recipe, session)
        if short is None or short is error:
            raise
        raise short from error


def _describe(session: Session, memory: dict[str, int], speed: dict[str, float]) -> dict[str, Any]:
    recipe, runner, spec = session.recipe, session.runner, session.source.spec
    players = {}
    for name, player in runner.players.items():
        # profiling left the learning rate as at the run's end
        player.recipe.optimizer.adjust(player.optimizer, 0, player.step_fraction)
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
    checkpoint, keep = total_bytes(session.state()[0].values()), recipe.checkpoints
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
        "memory": memory,
        "speed": speed,
        "run": {"images": recipe.run.images, "seconds": recipe.run.images / speed["images_per_second"]},
        "disk": {"checkpoint": checkpoint, "checkpoints_kept": kept, "checkpoints": checkpoint * kept},
    }


def _averaged(ema: EmaRecipe) -> str:
    half_lives = {value_at(ema.half_life_images, images) for images in (0, 2**62)}
    words = {
        "exponential": f"with a half-life of {' to '.join(f'{value:,.0f}' for value in sorted(half_lives))} images",
        "power": "over all of its training, the newest weights most",
        "uniform": "over all of its training alike",
    }
    return words[ema.shape] + (f", from {ema.after_images:,} images on" if ema.after_images else "")
