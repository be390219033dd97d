"""Remedies that several findings have in common, as recipe overrides to be pasted after `--set`."""

from __future__ import annotations

from collections.abc import Mapping

from ganforge.api.plan import Plan

_CUSTOMARY = {"adam": 2e-4, "sgd": 1e-2}  # learning rates in most recipes, of optimizers whose names contain this


def remedies(*candidates: str | None) -> tuple[str, ...]:
    """Return those that apply, in order, each once."""
    return tuple(dict.fromkeys(candidate for candidate in candidates if candidate is not None))


def usual_learning_rate(plan: Plan, player: str) -> float | None:
    """Return the learning rate that most recipes of GANs give to an optimizer like this player's; None = unknown."""
    kind = plan.kind(f"game.{player}.optimizer") or "adam"
    return next((rate for name, rate in _CUSTOMARY.items() if name in kind), None)


def lower_learning_rate(plan: Plan, player: str, factor: float = 0.25) -> str | None:
    """Return the override that slows a player down: to the customary rate from far above it, else by `factor`."""
    key = f"game.{player}.optimizer"
    rate = plan.at(f"{key}.lr")
    usual = usual_learning_rate(plan, player)
    ends = [rate["start"], rate["end"]] if isinstance(rate, Mapping) else [plan.value(f"{key}.lr") or 0.0]
    if usual is not None and max(ends) > 20 * usual:
        return plan.changed(f"{key}.lr", min(ends) if min(ends) < 20 * usual else usual)
    return plan.scaled(f"{key}.lr", factor)


def is_unbounded_critic(plan: Plan) -> bool:
    """Whether nothing holds the discriminator back, and its loss has no lower bound: a critic (arXiv:1701.07875)."""
    key = "game.discriminator"
    held = plan.kinds(f"{key}.regularizers") or plan.kinds(f"{key}.constraints")
    return plan.kind("game.loss") == "wasserstein" and not held


def restrain_discriminator(plan: Plan, points: bool = False) -> tuple[str | None, ...]:
    """Return the overrides that hold a discriminator back, the gradient penalty first (arXiv:1704.00028).

    Args:
        plan: of the run.
        points: samples are points, where images need a heavier penalty.
    """
    weight = {"weight": 1.0} if points else {}
    return (
        plan.added("game.discriminator.regularizers", "gradient-penalty", **weight),
        plan.added("game.discriminator.constraints", "spectral-norm"),
    )


def raise_learning_rate(plan: Plan, player: str, other: str) -> str | None:
    """Return the override that gives a player the other's learning rate, where its own is less than a third of it."""
    key, theirs = f"game.{player}.optimizer.lr", f"game.{other}.optimizer.lr"
    mine, rate = plan.value(key), plan.value(theirs)
    return plan.changed(key, plan.at(theirs)) if mine is not None and rate is not None and 3 * mine < rate else None


def match_learning_rate(plan: Plan, player: str, other: str) -> str | None:
    """Return the override that gives a player the other's learning rate, where its own is over three times that."""
    mine, rate = (plan.value(f"game.{name}.optimizer.lr") for name in (player, other))
    if mine is None or rate is None or mine <= 3 * rate:
        return None
    return plan.changed(f"game.{player}.optimizer.lr", plan.at(f"game.{other}.optimizer.lr"))


def add_ada(plan: Plan) -> str | None:
    """Return the override that adds ADA, quick enough to come to its full strength in a quarter of the run."""
    quick, usual = plan.images // 4, 500_000
    fields = {"speed_images": quick} if 0 < quick < usual else {}
    return plan.added("game.discriminator.augmentations", "ada", **fields)
