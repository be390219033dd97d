"""Every installed component says what it is, where it comes from, and what its fields take."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ganforge.api.game import EmaRecipe, PlayerRecipe
from ganforge.api.schedule import Ramp
from ganforge.api.slots import Slot
from ganforge.plugins.catalogue import CatalogueEntry
from ganforge.plugins.loading import CORE, load_catalogue
from ganforge.recipes.recipe import Recipe

CATALOGUE = load_catalogue()
ENTRIES = CATALOGUE.entries
EACH = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.family}-{entry.kind}")
SOURCE = re.compile(
    r"arXiv:\d{4}\.\d{4,5}\b"  # an arXiv number
    r"|\b10\.\d{4,9}/\S+"  # a DOI
    r"|\b[A-Z][\w'-]+,? (et al\.,? |(and|&) [A-Z][\w'-]+,? )?\(?(19|20)\d\d\b"  # or a citation: Name (et al.) 1998
)
BOUNDS = (annotated_types.Ge, annotated_types.Gt, annotated_types.Le, annotated_types.Lt, annotated_types.Interval)


def test_our_own_components_can_all_be_loaded():
    assert [plugin for plugin in CATALOGUE.broken if plugin.distribution == CORE] == []
    assert len(ENTRIES) > 20


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("Adam (Kingma & Ba 2015, algorithm 1)", True),
        ("Digits: Alpaydin and Kaynak 1998, UCI", True),
        ("see 10.1145/3422622", True),
        ("arXiv:1912.04958", True),
        ("The best of 2019", False),
        ("A network with 2048 units", False),
    ],
)
def test_what_counts_as_a_source(text, good):
    assert bool(SOURCE.search(text)) == good


@EACH
def test_docstring_begins_with_a_line_and_names_a_source(entry: CatalogueEntry):
    doc = inspect.cleandoc(vars(entry.cls).get("__doc__") or "")
    first, _, rest = doc.partition("\n")
    assert 10 < len(first) <= 120, first
    assert first[-1] in ".:", f"the first line is a sentence: {first}"
    assert not rest or rest.startswith("\n"), "a blank line after the first"
    assert SOURCE.search(doc), f"{entry.cls.__name__} names no paper, DOI or citation"
    paper = entry.cls.paper()
    assert paper is not None
    assert 1950 < paper.year < 2100


@EACH
def test_kind_is_kebab_case_and_fixed(entry: CatalogueEntry):
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", entry.kind)
    assert get_args(entry.cls.model_fields["kind"].annotation) == (entry.kind,), "kind: Literal of itself"


@EACH
def test_every_field_has_a_description_and_numbers_have_bounds(entry: CatalogueEntry):
    assert [problem for problem in problems(entry.cls) if problem] == []


@pytest.mark.parametrize("cls", [Recipe, EmaRecipe, PlayerRecipe])
def test_the_recipe_itself_keeps_the_rules_for_components(cls: type[BaseModel]):
    assert [problem for problem in problems(cls) if problem] == []


@EACH
def test_components_are_frozen_and_refuse_unknown_fields(entry: CatalogueEntry):
    assert entry.cls.model_config.get("frozen")
    assert entry.cls.model_config.get("extra") == "forbid"
    assert entry.cls.model_config.get("allow_inf_nan") is False


def problems(cls: type[BaseModel], seen: frozenset[type[BaseModel]] = frozenset()) -> Iterator[str]:
    for name, field in cls.model_fields.items():
        where = f"{cls.__name__}.{name}"
        if name != "kind" and not (field.description or "").strip():
            yield f"{where} has no description"
        for leaf, limits in leaves(field.annotation, tuple(flat(field.metadata))):
            if leaf in (int, float) and not any(isinstance(limit, BOUNDS) for limit in limits):
                yield f"{where} is a number without bounds"
            if isinstance(leaf, type) and issubclass(leaf, BaseModel) and leaf not in seen | {Ramp}:
                yield from problems(leaf, seen | {cls})


def leaves(annotation: Any, limits: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The types in an annotation with their bounds; numbers that may be ramps, and slots, are left out."""
    arguments = get_args(annotation)
    if any(isinstance(limit, Slot) for limit in limits):
        return
    if get_origin(annotation) is Annotated:
        yield from leaves(arguments[0], (*flat(arguments[1:]), *limits))
    elif get_origin(annotation) in (Union, types.UnionType):
        if Ramp not in arguments:
            for part in arguments:
                yield from leaves(part, limits)
    elif get_origin(annotation) is Literal:
        return
    elif arguments:
        for part in arguments:
            yield from leaves(part)
    else:
        yield annotation, limits


def flat(limits: Any) -> Iterator[Any]:
    for limit in limits:
        if isinstance(limit, FieldInfo):
            yield from flat(limit.metadata)
        else:
            yield limit


def test_the_search_for_problems_finds_some():
    class Careless(BaseModel):
        number: int = 3
        pair: tuple[float, float] | None = None

    found = list(problems(Careless))
    assert "Careless.number is a number without bounds" in found
    assert "Careless.pair is a number without bounds" in found
    assert "Careless.pair has no description" in found
