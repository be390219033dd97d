"""Remedies for what goes wrong in a run, as recipe overrides; what helps is for components to say."""

from __future__ import annotations

from collections.abc import Mapping

from ganforge.api.component import classes_of
from ganforge.api.families import Augmentation, Constraint, Loss, Optimizer, Regularizer
from ganforge.api.plan import Plan


def remedies(*candidates: str | None) -> tuple[str, ...]:
    """Return those that apply, in order, each once."""
    return tuple(dict.fromkeys(candidate for candidate in candidates if candidate is not None))


def usual_learning_rate(plan: Plan, player: str) -> float | None:
    """Return the learning rate that most recipes of GANs give to this player's optimizer; None = unknown."""
    optimizer = plan.component(f"game.{player}.optimizer", Optimizer)
    return None if optimizer is None else optimizer.usual_lr


def lower_learning_rate(plan: Plan, player: str, factor: float = 0.25) -> str | None:
    """Return the override that slows a player down: to the usual rate from far above it, else by `factor`."""
    key = f"game.{player}.optimizer.lr"
    rate, usual = plan.at(key), usual_learning_rate(plan, player)
    ends = [rate["start"], rate["end"]] if isinstance(rate, Mapping) else [plan.value(key) or 0.0]
    if usual is not None and max(ends) > 20 * usual:
        return plan.changed(key, min(ends) if min(ends) < 20 * usual else usual)
    return plan.scaled(key, factor)


def has_unbounded_critic(plan: Plan) -> bool:
    """Whether nothing holds the discriminator back, and its loss has no lower bound: a critic (arXiv:1701.07875)."""
    loss = plan.component("game.loss", Loss)
    held = plan.kinds("game.discriminator.regularizers") or plan.kinds("game.discriminator.constraints")
    return loss is not None and not loss.bounded and not held


def offered_remedies(plan: Plan, trouble: str, player: str | None = None) -> tuple[str, ...]:
    """Return overrides that add what offers itself against a trouble (see `RemedyFor`), to that player or to any."""
    offered: list[str | None] = []
    families: tuple[type[Regularizer | Constraint | Augmentation], ...] = (Regularizer, Constraint, Augmentation)
    for base in families:
        for kind, cls in () if plan.installed is None else classes_of(plan.installed, base).items():
            whose = "generator" if issubclass(cls, Regularizer) and cls.player == "generator" else "discriminator"
            if trouble in cls.remedy_for and player in (None, whose):
                offered.append(plan.added(f"game.{whose}.{base.family}", kind, **cls.remedy_for[trouble]))
    return remedies(*offered)
