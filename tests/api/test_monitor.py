"""Lines are what a log can hold, and a plan words remedies that are true for its recipe."""

from __future__ import annotations

import math
import sys

import pytest
from support.installed import catalogue
from support.toys import gan_table, recipe_of

from ganforge.api.monitor import LogLine, Series, log_lines
from ganforge.api.plan import Plan
from ganforge.api.remedy import remedies
from ganforge.recipes.overrides import apply_overrides, parse_override
from ganforge.recipes.recipe import Recipe, plan_of

RAMP = {"start": 4e-4, "end": 1e-4, "images": 1_000, "after_images": 0, "shape": "linear"}
PLAN = Plan(
    {
        "run": {"images": 5_000, "batch": 32, "log_every_images": 320, "precision": "bf16"},
        "game": {
            "loss": {"kind": "hinge"},
            "generator": {"optimizer": {"kind": "adam", "lr": RAMP}},
            "discriminator": {
                "optimizer": {"kind": "adam", "lr": 2e-4},
                "regularizers": [{"kind": "lecam", "weight": 0.3}, {"kind": "r1", "gamma": 0.5}],
                "augmentations": [],
                "bias": True,
            },
        },
    },
    {"fid": "lower"},
)
DISCRIMINATOR = "game.discriminator"


def test_what_is_not_finite_is_nan_as_in_a_log_that_was_read():
    live = LogLine.of(32, 1, {"a": 1.5, "b": math.inf, "c": math.nan})
    (read,) = log_lines([{"images": 32, "round": 1, "time": 0.0, "values": {"a": 1.5, "b": None, "c": None}}])
    for line in (live, read):
        assert (line.images, line.round, line.get("a"), line.get("b"), line.get("d")) == (32, 1, 1.5, None, None)
        assert [name for name, value in line.values.items() if math.isnan(value)] == ["b", "c"]


def test_the_names_of_a_line_are_not_interned():
    """Python's table of interned strings grows with every name that comes, even where each goes again."""
    first, second = ("".join(["loss/of", f"/{4_711}"]) for _ in range(2))
    assert first is not second
    line = LogLine.of(1, 1, {first: 1.0})
    assert sys.intern(second) is second
    assert line.get(second) == 1.0


def test_a_series_keeps_finite_values():
    series = Series("a")
    noted = [
        series.note(LogLine.of(images, 0, values)) for images, values in ((1, {"a": 2.0}), (2, {}), (3, {"a": None}))
    ]
    assert (noted, list(series.images), list(series.values)) == ([True, False, False], [1], [2.0])
    assert len(series) == 1
    series.note(LogLine.of(4, 0, {"a": 5.0}))
    assert list(series.last(1)) == [5.0]
    assert list(series.last(9)) == [2.0, 5.0]


def test_a_plan_knows_the_recipe():
    assert (PLAN.images, PLAN.batch, PLAN.log_every_images) == (5_000, 32, 320)
    assert PLAN.kind("game.loss") == "hinge"
    assert PLAN.kinds(f"{DISCRIMINATOR}.regularizers") == ("lecam", "r1")
    assert PLAN.kinds("game.nothing") == ()
    assert PLAN.at("metrics.0.kind", "none") == "none"
    assert PLAN.value(f"{DISCRIMINATOR}.optimizer.lr") == 2e-4
    assert PLAN.value("game.generator.optimizer.lr", 500) == pytest.approx(2.5e-4)
    assert PLAN.value("game.loss.kind") is None
    assert PLAN.value(f"{DISCRIMINATOR}.bias") is None, "true is no number"
    assert (PLAN.direction("fid"), PLAN.direction("other")) == ("lower", None)


@pytest.mark.parametrize(
    ("remedy", "expected"),
    [
        (PLAN.scaled(f"{DISCRIMINATOR}.optimizer.lr", 0.25), "game.discriminator.optimizer.lr=5e-05"),
        (
            PLAN.scaled("game.generator.optimizer.lr", 0.5),
            "game.generator.optimizer.lr={ start = 0.0002, end = 5e-05, images = 1000, after_images = 0, "
            'shape = "linear" }',
        ),
        (PLAN.scaled("game.generator.gamma", 2), None),
        (PLAN.scaled("game.loss", 2), None),
        (PLAN.changed("run.precision", "no"), 'run.precision="no"'),
        (PLAN.changed("run.precision", "bf16"), None),
        (PLAN.changed("game.loss", "hinge"), None),
        (PLAN.changed("game.loss", "non-saturating"), 'game.loss="non-saturating"'),
        (PLAN.changed("game.critic", 1), None),
        (PLAN.added(f"{DISCRIMINATOR}.augmentations", "ada"), 'game.discriminator.augmentations.0="ada"'),
        (PLAN.added(f"{DISCRIMINATOR}.regularizers", "r1"), None),
        (
            PLAN.added(f"{DISCRIMINATOR}.regularizers", "r2", gamma=1.0),
            'game.discriminator.regularizers.2={ kind = "r2", gamma = 1.0 }',
        ),
        (PLAN.added(f"{DISCRIMINATOR}.constraints", "spectral-norm"), None),
        (PLAN.within(f"{DISCRIMINATOR}.regularizers", "r1", "gamma"), "game.discriminator.regularizers.1.gamma"),
        (PLAN.within(f"{DISCRIMINATOR}.regularizers", "r2", "gamma"), None),
    ],
)
def test_remedies_fit_the_recipe(remedy, expected):
    assert remedy == expected


def test_remedies_come_once_and_in_order():
    assert remedies("b=1", None, "a=2", "b=1") == ("b=1", "a=2")


def test_remedies_are_overrides_that_make_a_recipe():
    recipe = recipe_of(gan_table(discriminator__optimizer={"lr": {"start": 4e-4, "end": 1e-4, "images": 1_000}}))
    plan = plan_of(recipe)
    given = remedies(
        plan.scaled("game.discriminator.optimizer.lr", 0.25),
        plan.scaled("game.generator.optimizer.lr", 0.5),
        plan.added("game.discriminator.regularizers", "r1", gamma=1.0, every=16),
        plan.added("game.discriminator.constraints", "spectral-norm"),
        plan.changed("game.loss", "hinge"),
    )
    assert len(given) == 5
    raw = recipe.model_dump(mode="json", exclude_none=True)
    apply_overrides(raw, [parse_override(remedy) for remedy in given], Recipe, catalogue())
    changed = plan_of(Recipe.model_validate(raw, context={"catalogue": catalogue()}))
    assert changed.value("game.discriminator.optimizer.lr", 2_000) == pytest.approx(2.5e-5)
    assert changed.value("game.generator.optimizer.lr") == pytest.approx(1e-3)
    assert changed.at("game.discriminator.regularizers.0.every") == 16
    assert changed.kinds("game.discriminator.constraints") == ("spectral-norm",)
    assert changed.kind("game.loss") == "hinge"
