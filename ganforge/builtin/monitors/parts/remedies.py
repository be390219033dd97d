"""Remedies that several monitors propose."""

from __future__ import annotations

from ganforge.api import Plan


def raise_learning_rate_to(plan: Plan, player: str, other: str) -> str | None:
    """Return the override that gives a player the other's learning rate, where its own is less than a third of it."""
    mine, theirs = _rates(plan, player, other)
    return _taken_over(plan, player, other) if mine is not None and theirs is not None and 3 * mine < theirs else None


def lower_learning_rate_to(plan: Plan, player: str, other: str) -> str | None:
    """Return the override that gives a player the other's learning rate, where its own is over three times that."""
    mine, theirs = _rates(plan, player, other)
    return _taken_over(plan, player, other) if mine is not None and theirs is not None and mine > 3 * theirs else None


def _rates(plan: Plan, *players: str) -> list[float | None]:
    return [plan.value(f"game.{player}.optimizer.lr") for player in players]


def _taken_over(plan: Plan, player: str, other: str) -> str | None:
    return plan.changed(f"game.{player}.optimizer.lr", plan.at(f"game.{other}.optimizer.lr"))


def hold_back_discriminator(plan: Plan, *, points: bool) -> tuple[str | None, ...]:
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


def add_ada(plan: Plan) -> str | None:
    """Return the override that adds ADA, quick enough to come to its full strength in a quarter of the run."""
    quick, usual = plan.images // 4, 500_000
    fields = {"speed_images": quick} if 0 < quick < usual else {}
    return plan.added("game.discriminator.augmentations", "ada", **fields)
