"""Errors name arguments, and whoever shows one spells them; what hostile names hold is never printed as it is."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from ganforge.errors import (
    CheckpointError,
    DivergedError,
    GanforgeError,
    MemoryShortageError,
    RecipeError,
    Remedy,
    argument,
    at_key,
)


def loud(name: str, value: str | None) -> str:
    return f"<{name.upper()}={value}>"


def test_each_reader_spells_arguments():
    error = GanforgeError(f"{argument('device', 'cuda')} is not there; leave {argument('device')} out")
    assert str(error) == "device 'cuda' is not there; leave `device` out"
    assert error.spelled(loud) == "<DEVICE=cuda> is not there; leave <DEVICE=None> out"


def test_values_are_said_as_they_are():
    assert str(GanforgeError(argument("processes", 2))) == "processes 2"
    assert str(GanforgeError(argument("output", Path("a b.png")))) == "output 'a b.png'"
    assert GanforgeError(argument("override", "")).spelled(loud) == "<OVERRIDE=>"


def test_an_error_that_repeats_another_keeps_its_mentions():
    with pytest.raises(RecipeError) as found, at_key("game.loss"):
        raise CheckpointError(f"leave {argument('checkpoint')} out")
    assert found.value.spelled(loud) == "game.loss: leave <CHECKPOINT=None> out"


@pytest.mark.parametrize("name", ["\x1b[2J", "\ufdd0", "\ufdd0x\ufdd1y", "\ufdd2"])
def test_what_a_hostile_name_holds_is_escaped(name: str):
    said = GanforgeError(f"there is no {name}: {argument('output', name)}").spelled(
        lambda key, value: f"--{key} {value}"
    )
    assert said.isprintable()


def test_remedies_stand_on_lines_of_their_own():
    error = GanforgeError("it is too large", remedies=[Remedy("run.batch=8"), Remedy("run.batch=4", "fewer")])
    assert str(error) == "it is too large\n  try run.batch=8\n  try run.batch=4   # fewer"
    assert error.text == "it is too large"


def test_errors_travel_between_processes():
    """As `broadcast_object_list` sends them."""
    shortage = MemoryShortageError("x", turn="g", remedies=[Remedy("a=1", "why")], checkpoint=Path("c"))
    again = pickle.loads(pickle.dumps(shortage))
    assert (str(again), again.turn, again.remedies, again.checkpoint) == (
        str(shortage),
        "g",
        shortage.remedies,
        Path("c"),
    )
    diverged = pickle.loads(pickle.dumps(DivergedError("x", player="p").with_remedies(["a=1"])))
    assert (diverged.player, diverged.remedies) == ("p", (Remedy("a=1"),))
