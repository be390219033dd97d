"""Remedies ask components what is usual for them and what they help against, and fit the recipe."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pytest
from support.installed import catalogue

from ganforge.api.families import Constraint, Loss, Optimizer, RemedyFor
from ganforge.api.plan import Plan
from ganforge.api.remedy import (
    has_unbounded_critic,
    lower_learning_rate,
    offered_remedies,
    usual_learning_rate,
)
from ganforge.builtin.optimizers.sgd import Sgd
from ganforge.builtin.regularizers.path_length import PathLength
from ganforge.plugins.catalogue import Catalogue, CatalogueEntry, Plugin


class Brisk(Sgd):
    """A third party's optimizer, with a learning rate of its own; for tests."""

    kind: Literal["brisk"] = "brisk"
    usual_lr: ClassVar[float | None] = 3.0


class Firm(Constraint):
    """A third party's constraint; for tests."""

    kind: Literal["firm"] = "firm"
    hold: float = 1.0
    remedy_for: ClassVar[RemedyFor] = {"mode-collapse": {"hold": 2.0}}


class Smooth(PathLength):
    """A third party's regularizer of the generator; for tests."""

    kind: Literal["smooth"] = "smooth"
    remedy_for: ClassVar[RemedyFor] = {"mode-collapse": {}}


class Endless(Loss):
    """A third party's loss without a lower bound; for tests."""

    kind: Literal["endless"] = "endless"
    bounded: ClassVar[bool] = False

    def discriminator(self, duel: Any) -> Any: ...

    def generator(self, duel: Any) -> Any: ...


MINE = Catalogue(
    CatalogueEntry(cls.family, cls.kind_name(), cls, Plugin("mine", "mine", "1"))
    for cls in (Brisk, Firm, Smooth, Endless)
)


def plan(loss: str = "hinge", installed: Catalogue | None = None, **optimizer: Any) -> Plan:
    player = {"regularizers": [], "constraints": [], "augmentations": [], "optimizer": optimizer}
    game = {"loss": loss, "generator": {**player, "augmentations": None}, "discriminator": player}
    return Plan({"game": game}, installed=installed or catalogue())


@pytest.mark.parametrize(
    ("kind", "usual"),
    [("adam", 2e-4), ("adamw", 2e-4), ("optimistic-adam", 2e-4), ("sgd", 1e-2), ("rmsprop", None), ("torch", None)],
)
def test_usual_learning_rates(kind: str, usual: float | None):
    assert usual_learning_rate(plan(kind=kind, lr=1.0), "generator") == usual


def test_a_table_without_a_kind_means_the_default():
    assert usual_learning_rate(plan(lr=1.0), "generator") == 2e-4


def test_a_third_party_says_what_is_usual_for_its_optimizer():
    assert lower_learning_rate(plan(installed=MINE, kind="brisk", lr=100.0), "generator") == (
        "game.generator.optimizer.lr=3.0"
    ), "from far above it"
    assert lower_learning_rate(plan(installed=MINE, kind="brisk", lr=4.0), "generator") == (
        "game.generator.optimizer.lr=1.0"
    ), "from near it to a quarter"


def test_nothing_is_known_of_what_is_not_installed():
    unknown = Plan({"game": {"loss": "wasserstein", "generator": {"optimizer": {"kind": "adam", "lr": 1.0}}}})
    assert unknown.component("game.generator.optimizer", Optimizer) is None
    assert usual_learning_rate(unknown, "generator") is None
    assert not has_unbounded_critic(unknown)
    assert offered_remedies(unknown, "mode-collapse") == ()


def test_a_critic_is_known_by_its_loss_and_by_what_holds_it():
    assert has_unbounded_critic(plan("wasserstein"))
    assert has_unbounded_critic(plan("endless", MINE))
    assert not has_unbounded_critic(plan("hinge"))
    held = {"loss": "wasserstein", "discriminator": {"regularizers": ["r1"]}}
    assert not has_unbounded_critic(Plan({"game": held}, installed=catalogue()))


def test_components_offer_themselves_to_the_player_that_they_are_of():
    assert offered_remedies(plan(installed=MINE), "mode-collapse") == (
        'game.generator.regularizers.0="smooth"',
        'game.discriminator.constraints.0={ kind = "firm", hold = 2.0 }',
    )
    assert offered_remedies(plan(installed=MINE), "mode-collapse", "generator") == (
        'game.generator.regularizers.0="smooth"',
    )
    assert offered_remedies(plan(installed=MINE), "oscillation") == ()


def test_what_is_there_already_is_not_offered_again():
    there = Plan({"game": {"discriminator": {"constraints": ["firm"]}}}, installed=MINE)
    assert offered_remedies(there, "mode-collapse") == ()


def test_what_holds_a_critic_back():
    assert offered_remedies(plan("wasserstein"), "unbounded-critic") == (
        'game.discriminator.regularizers.0="gradient-penalty"',
        'game.discriminator.constraints.0="spectral-norm"',
    )
