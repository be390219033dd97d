"""Fields that take any installed component of a family."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import ValidationError
from support.installed import catalogue

from ganforge.api.component import Strict
from ganforge.api.families import Dataset, Features, Loss, Metric, Optimizer, Regularizer
from ganforge.api.game import GameComponent
from ganforge.api.slots import Slot
from ganforge.builtin.losses.hinge import Hinge


class Table(Strict):
    loss: Annotated[Loss, Slot(Loss)] = Hinge()
    optimizer: Annotated[Optimizer, Slot(Optimizer)] | None = None
    penalties: tuple[Annotated[Regularizer, Slot(Regularizer, player="discriminator")], ...] = ()


def read(**fields: object) -> Table:
    return Table.model_validate(fields, context={"catalogue": catalogue()})


@pytest.mark.parametrize("entry", ["hinge", {"kind": "hinge"}, Hinge()])
def test_a_kind_a_table_or_the_component_itself(entry: object):
    assert read(loss=entry).loss == Hinge()


def test_a_default_kind():
    assert read(optimizer={"lr": 0.1}).optimizer.kind == "adam"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"loss": "hinje"}, "unknown kind 'hinje' of loss; did you mean 'hinge'"),
        ({"loss": {"kind": "nothing like it"}}, "installed: .*hinge"),
        ({"loss": {"kind": 3}}, "unknown kind '3'"),
        ({"loss": {}}, "the kind of loss is missing; installed: .*hinge"),
        ({"loss": 3}, "expected a kind of loss, alone or in a table"),
        ({"loss": {"kind": "hinge", "margins": 1}}, "Extra inputs are not permitted"),
        ({"optimizer": {"lr": -1e400}}, "finite"),
        ({"optimizer": {}}, "lr"),
        ({"penalties": ["path-length"]}, "'path-length' regularizes the generator, not the discriminator"),
    ],
)
def test_what_is_refused(fields: dict[str, object], words: str):
    with pytest.raises(ValidationError, match=words):
        read(**fields)


def test_kinds_need_a_catalogue():
    with pytest.raises(RuntimeError, match="validate with context"):
        Table.model_validate({"loss": "hinge"})


def test_families_in_the_singular():
    nouns = [Slot(base).noun for base in (Loss, Features, Dataset, GameComponent, Metric)]
    assert nouns == ["loss", "features", "data set", "game", "metric"]
