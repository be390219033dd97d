from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.catalogues import (
    CATALOGUE,
    TOY_RECIPE,
    Adam,
    ToyAda,
    ToyBlend,
    ToyCount,
    ToyDiscriminator,
    ToyDiscriminatorPlayer,
    ToyFaces,
    ToyGan,
    ToyGenerator,
    ToyGeneratorPlayer,
    ToyHinge,
    ToyImages,
    ToyPathLength,
    ToyR1,
)

from ganforge.api.game import EmaRecipe
from ganforge.api.schedule import Ramp
from ganforge.errors import RecipeError
from ganforge.recipes.recipe import (
    CheckpointRecipe,
    GridRecipe,
    Recipe,
    RunRecipe,
    TrackingRecipe,
    parse_recipe,
    recipe_digest,
)
from ganforge.recipes.toml_writer import recipe_to_toml

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
names = words.filter(bool)
paths = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0"), max_size=8).map(Path)
counts = st.integers(1, 10**9)
shares = st.floats(0, 1)
finite = st.floats(allow_nan=False, allow_infinity=False)
ramps = st.builds(Ramp, start=finite, end=finite, images=st.integers(10, 99), after_images=st.integers(0, 9))
rates = st.floats(1e-300, 1e300)
rate_ramps = st.builds(Ramp, start=rates, end=rates | st.just(0.0), images=st.integers(10, 99))
adams = st.builds(Adam, lr=rates | rate_ramps, betas=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)))
emas = st.none() | st.builds(EmaRecipe, half_life_images=st.floats(1, 1e9), rampup=st.floats(0.01, 1))
recipes = st.builds(
    Recipe,
    seed=st.integers(0, 2**63 - 1),
    data=st.builds(ToyFaces, mirror=st.booleans(), grain=shares) | st.builds(ToyImages, path=paths),
    run=st.builds(RunRecipe, images=counts, batch=st.integers(1, 2**24), precision=st.sampled_from(["no", "bf16"])),
    game=st.builds(
        ToyGan,
        loss=st.builds(ToyHinge, margin=st.floats(1e-9, 1e30)),
        generator=st.builds(
            ToyGeneratorPlayer,
            optimizer=adams,
            ema=emas,
            network=st.builds(
                ToyGenerator,
                widths=st.lists(counts, min_size=1, max_size=3).map(tuple),
                tags=st.dictionaries(words, counts, max_size=3),
                range=st.tuples(finite, counts),
            ),
            regularizers=st.sampled_from([(), (ToyPathLength(every=4),)]),
        ),
        discriminator=st.builds(
            ToyDiscriminatorPlayer,
            optimizer=adams,
            network=st.builds(ToyDiscriminator, group=st.integers(1, 9).map(lambda half: 2 * half)),
            regularizers=st.lists(st.builds(ToyR1, gamma=finite | ramps), max_size=1).map(tuple),
            augmentation=st.none() | st.builds(ToyAda, target=st.floats(-0.5, 0.5)),
        ),
        blends=st.lists(st.builds(ToyBlend, share=shares), max_size=2).map(tuple),
    ),
    metrics=st.lists(
        st.builds(ToyCount, samples=counts, note=st.none() | words), max_size=2, unique_by=lambda metric: metric.samples
    ).map(tuple),
    grid=st.builds(GridRecipe, truncation=st.floats(0.01, 1)),
    checkpoints=st.builds(CheckpointRecipe, keep=st.integers(2, 9), best=st.none() | words),
    tracking=st.builds(TrackingRecipe, experiment=names, uri=st.none() | words),
)


@settings(max_examples=100, deadline=None)
@given(recipes)
def test_what_is_shown_reads_back_equal(recipe):
    text = recipe_to_toml(recipe)
    again = parse_recipe(text, "shown.toml", CATALOGUE)
    assert again == recipe
    assert recipe_digest(again) == recipe_digest(recipe)
    assert recipe_to_toml(again) == text


def test_every_default_is_written_and_explained():
    text = recipe_to_toml(parse_recipe(TOY_RECIPE, "toy.toml", CATALOGUE))
    raw = tomllib.loads(text)
    assert raw["game"]["generator"]["network"] == {
        "kind": "style", "latent": 64, "widths": [8, 4], "tags": {}, "range": [0.5, 2]
    }  # fmt: skip
    assert raw["monitors"] == []
    assert raw["grid"] == {"every_images": 10_000, "samples": 64, "truncation": 1.0}
    assert "# best is left out: name of the metric value whose best checkpoint is kept too" in text
    line = next(line for line in text.split("\n") if line.startswith("batch = "))
    assert line == f"{'batch = 32':<40}  # images in a round, over all processes"
    resolved = json.loads(parse_recipe(TOY_RECIPE, "toy.toml", CATALOGUE).model_dump_json(exclude_none=True))
    assert raw == resolved


def test_none_where_the_default_is_another_cannot_be_written():
    recipe = parse_recipe(TOY_RECIPE, "toy.toml", CATALOGUE)
    player = recipe.game.generator.model_copy(
        update={"ema": EmaRecipe.model_construct(half_life_images=1.0, rampup=None)}
    )
    if EmaRecipe.model_fields["rampup"].default is None:
        pytest.skip("leaving it out is none")
    with pytest.raises(RecipeError, match="rampup is none"):
        recipe_to_toml(recipe.model_copy(update={"game": recipe.game.model_copy(update={"generator": player})}))
