from __future__ import annotations

from pathlib import Path

import pytest
from support.catalogues import CATALOGUE, TOY_RECIPE, ToyImages

from ganforge.cli.messages import error_text
from ganforge.errors import RecipeError
from ganforge.recipes.overrides import parse_override
from ganforge.recipes.recipe import parse_recipe


def parse(*overrides, text=TOY_RECIPE):
    notices = []
    return parse_recipe(text, "toy.toml", CATALOGUE, overrides, notices.append), notices


def refused(*overrides, text=TOY_RECIPE):
    with pytest.raises(RecipeError) as caught:
        parse(*overrides, text=text)
    return error_text(caught.value)


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("run.images=5_000", ("run", "images"), 5000),
        (" run . images = 5e3 ", ("run", "images"), 5e3),
        ("metrics.0.samples=100", ("metrics", 0, "samples"), 100),
        ("data.kind=images", ("data", "kind"), "images"),
        ('data.kind="images"', ("data", "kind"), "images"),
        ("data.path=../shared/data/faces_train.zip", ("data", "path"), "../shared/data/faces_train.zip"),
        ("data.path=C:\\faces.zip", ("data", "path"), "C:\\faces.zip"),
        ("data.path=2024-05-01", ("data", "path"), "2024-05-01"),
        ("tracking.uri=http://host:5000/?a=b#c", ("tracking", "uri"), "http://host:5000/?a=b#c"),
        ("a.b=[0.5, 0.9]", ("a", "b"), [0.5, 0.9]),
        ("a.b={kind = 'x', y = 1}", ("a", "b"), {"kind": "x", "y": 1}),
        ("a=true", ("a",), True),
        ("a=''", ("a",), ""),
        ("a=x\ny = 1", ("a",), "x\ny = 1"),
        ("a=1\nb = 1", ("a",), "1\nb = 1"),
    ],
)
def test_values_are_toml_and_bare_words_are_text(text, path, value):
    override = parse_override(text)
    assert (override.path, override.value) == (path, value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seed", "--set seed: expected KEY=VALUE, such as --set seed=1"),
        ("", "expected KEY=VALUE, such as --set run.images=1"),
        ("seed=", "there is no value; an empty text is written '\"\"'"),
        ("run..images=1", "'run..images' is not the name of a field"),
        ("=1", "'' is not the name of a field"),
        ("a b=1", "'a b' is not the name of a field"),
        ("data={kind = faces}", "the value is not TOML: Invalid value"),
        ("run.images.x=1", "run.images is 200_000 and has no field 'x'; set it as a whole: --set run.images=..."),
        ("metrics.samples=1", "metrics is an array; expected an index after it, such as metrics.0"),
        ("metrics.3.samples=1", "metrics has no entry 3 (it has 1); the next new entry is 1"),
        ("monitors.1.kind=x", "monitors has no entry 1 (it is empty); the next new entry is 0"),
    ],
)
def test_what_cannot_be_applied(override, said):
    message = refused(override)
    assert message.startswith("--set ")
    assert said in message


def test_in_python_a_mistake_speaks_of_an_override():
    with pytest.raises(RecipeError, match=r"^override 'seed': expected KEY=VALUE, such as override 'seed=1'$"):
        parse_override("seed")


def test_values_reach_their_fields():
    recipe, notices = parse(
        "seed=7",
        "game.generator.optimizer.lr=1e-3",
        "game.discriminator.optimizer.lr.images=50",
        "metrics.0.samples=100",
        "metrics.1.kind=count",
        "grid.samples=16",
        "game.discriminator.ema.half_life_images=9",
        "tracking.kind=none",
        "game.generator.network.widths=[1,2]",
        "seed=8",
    )
    assert recipe.seed == 8
    assert recipe.game.generator.optimizer.lr == 1e-3
    assert recipe.game.discriminator.optimizer.lr.images == 50
    assert [metric.samples for metric in recipe.metrics] == [100, 1000]
    assert recipe.grid.samples == 16
    assert recipe.game.discriminator.ema.half_life_images == 9
    assert recipe.tracking.kind == "none"
    assert recipe.game.generator.network.widths == (1, 2)
    assert notices == []


def test_none_leaves_out_what_is_none_by_default():
    recipe, _ = parse("game.generator.ema=none", "tracking.uri=none", "tracking.name='none'")
    assert parse()[0].game.generator.ema is not None
    assert recipe.game.generator.ema is None
    assert recipe.tracking.uri is None
    assert recipe.tracking.name == "none", "in quotes it is text"
    assert "expected an integer" in refused("run.batch=none"), "a field that is required"


def test_a_bare_kind_becomes_a_table():
    recipe, _ = parse("game.loss.margin=2")
    assert recipe.game.loss.margin == 2
    recipe, notices = parse("data.grain=0.5", "data.resolution=64", text=TOY_RECIPE.replace(
        '[data]\nkind = "faces"\nmirror = true\n', 'data = "faces"'
    ))  # fmt: skip
    assert (recipe.data.grain, recipe.data.resolution, notices) == (0.5, 64, [])


def test_another_kind_keeps_the_fields_that_it_has_too():
    text = TOY_RECIPE.replace("mirror = true", "mirror = true\nresolution = 128\ngrain = 0.5")
    recipe, notices = parse("data.kind=images", "data.path=faces.zip", text=text)
    assert recipe.data == ToyImages(path=Path("faces.zip"), mirror=True, resolution=128)
    assert notices == ["data.kind=images: left out grain = 0.5, which 'images' has not"]
    again, notices = parse("data.path=faces.zip", "data.kind=images", text=TOY_RECIPE)
    assert (again.data.path, notices) == (Path("faces.zip"), [])
    _, notices = parse("data.kind=faces", text=text)
    assert notices == []
    assert "grainy: unknown field" in refused(
        "data.kind=images", "data.path=x", text=TOY_RECIPE.replace("mirror = true", "grainy = 1")
    )


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.kind=imags", "--set data.kind=imags: data.kind: unknown kind 'imags' of data set; did you mean"),
        ("data.kind=images", "--set data.kind=images: data.path: missing; expected a path in quotes: folder or ZIP"),
        ("run.images=many", '--set run.images=many: run.images: expected an integer at least 1, given the text "many"'),
        ("run.microbatches=5", "--set run.microbatches=5: run: batch = 32 cannot be cut into"),
        ("game.generater.every=1", "--set game.generater.every=1: game.generater: unknown field; did you mean"),
        ("game.generator.evry=1", "--set game.generator.evry=1: game.generator.evry: unknown field"),
        ("data={kind='images'}", "--set data={kind='images'}: data.path: missing"),
        ("game.generator.network.widths=[3,0]", "--set game.generator.network.widths=[3,0]: game.generator."),
        ("monitors.0.kind=x", "--set monitors.0.kind=x: monitors.0.kind: unknown kind 'x' of monitor"),
    ],
)  # fmt: skip
def test_mistakes_name_the_override_that_made_them(override, said):
    message = refused("seed=1", override)
    assert message.startswith(said), message
    assert "toy.toml:" not in message


def test_mistakes_of_the_file_are_not_blamed_on_overrides():
    assert refused("data.grain=0.5", text=TOY_RECIPE.replace("mirror = true", "mirror = 1")).startswith(
        "toy.toml:5:1: "
    )
    assert refused("run.microbatches=2", text=TOY_RECIPE.replace("batch = 32", "")).startswith(
        "toy.toml:7:2: run.batch"
    )
