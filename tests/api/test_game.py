"""Turns and players as recipes: what the runner may rely on."""

from __future__ import annotations

import dataclasses

import pytest
from pydantic import ValidationError

from ganforge.api.game import EmaRecipe, Game, PlayerRecipe, Turn
from ganforge.builtin.optimizers.adam import Adam


def test_a_turn_cannot_be_changed():
    turn = Turn("d", "discriminator", lambda batch: {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        turn.every = 2
    assert (turn.gain, turn.lazy, turn.due(0, 0), turn.due(7, 0)) == (1.0, False, True, True)


def test_a_lazy_turn_makes_up_for_what_it_skips():
    turn = Turn("r1", "discriminator", lambda batch: {}, every=16, lazy=True)
    assert turn.gain == 16
    assert sum(turn.due(round_, 0) for round_ in range(160)) * turn.gain == 160


def test_a_game_must_say_its_turns_and_how_to_sample():
    assert Game.__abstractmethods__ == {"turns", "sample"}


@pytest.mark.parametrize(
    "fields", [{}, {"optimizer": Adam(lr=1), "speed": 2}, {"optimizer": Adam(lr=1), "ema": {"half_life_images": 0}}]
)
def test_players_that_make_no_sense(fields: dict[str, object]):
    with pytest.raises(ValidationError):
        PlayerRecipe(**fields)


@pytest.mark.parametrize("fields", [{"rampup": -0.1}, {"rampup": 1.1}, {"half_life_images": -1}])
def test_averages_that_make_no_sense(fields: dict[str, float]):
    with pytest.raises(ValidationError):
        EmaRecipe(**fields)
