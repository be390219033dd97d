from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.catalogues import CATALOGUE, TOY_RECIPE

from ganforge.api.toml import toml_value
from ganforge.errors import GanforgeError, RecipeError
from ganforge.recipes.recipe import Recipe, parse_recipe, read_recipe, recipe_digest
from ganforge.recipes.toml_writer import recipe_to_toml

PIECES = [
    "[",
    "]",
    "{",
    "}",
    "=",
    '"',
    "'",
    '"""',
    "#",
    "\n",
    ",",
    ".",
    "kind",
    "nan",
    "-",
    "1e999",
    "\x00",
    "é",
    "[[a]]",
]
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=5)
scalars = (
    st.integers(-(2**70), 2**70)
    | st.sampled_from([0, 1, 2.0, 1e300, -1.0, 0.5, True, False, "", "style", "faces", "images", "no", "adam"])
    | st.floats()
    | words
    | st.dates()
    | st.times()
)
names = st.sampled_from(["kind", "lr", "start", "end", "images", "batch", "network", "seed", "0", ""]) | words
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)


def attempt(text, overrides=()):
    """Return the recipe, or None where a sentence says what is wrong; anything else escapes and fails the test."""
    try:
        recipe = parse_recipe(text, "fuzz.toml", CATALOGUE, overrides)
    except GanforgeError as error:
        message = str(error)
        assert message.strip()
        assert "validation error" not in message
        assert "Traceback" not in message
        return None
    assert len(recipe_digest(recipe)) == 64
    assert parse_recipe(recipe_to_toml(recipe), "shown.toml", CATALOGUE) == recipe
    return recipe


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_changed_text(data):
    text = TOY_RECIPE
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(start + 12, len(text))))
        text = text[:start] + data.draw(st.sampled_from(PIECES) | words) + text[end:]
    attempt(text)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_changed_structure(data):
    raw = tomllib.loads(TOY_RECIPE)
    for _ in range(data.draw(st.integers(1, 3))):
        target = raw
        while True:
            steps = sorted(target) if isinstance(target, dict) else list(range(len(target)))
            if not steps:
                break
            step = data.draw(st.sampled_from(steps))
            if isinstance(target[step], dict | list) and data.draw(st.booleans()):
                target = target[step]
                continue
            match data.draw(st.sampled_from(["drop", "set", "add", "rename"])):
                case "drop":
                    del target[step]
                case "set":
                    target[step] = data.draw(values)
                case "add" if isinstance(target, dict):
                    target[data.draw(names)] = data.draw(values)
                case "rename" if isinstance(target, dict):
                    target[step[:-1]] = target.pop(step)
            break
    attempt("\n".join(f"{toml_value(key)} = {toml_value(value)}" for key, value in raw.items()))


KEYS = ["seed", "data", "data.kind", "run.images", "game.loss", "game.loss.margin", "metrics.0", "metrics.0.kind",
        "metrics.1.kind", "game.generator", "game.generator.optimizer.lr", "game.generator.optimizer.lr.start", "a.b",
        "game.generator.network.tags.x", "game.discriminator.regularizers.0.gamma.end", "metrics", "grid", "game.kind",
        "game.generator.network.widths.1", "game.blends.0.share", "data.kind.kind", "tracking.uri"]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(KEYS) | words, values.map(lambda value: toml_value(value)) | words), max_size=4)
)
def test_overrides(pairs):
    attempt(TOY_RECIPE, [f"{key}={value}" for key, value in pairs])


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError):
        read_recipe(path, CATALOGUE)


def test_the_fuzzed_recipe_is_good_before_it_is_changed():
    assert isinstance(attempt(TOY_RECIPE), Recipe)
