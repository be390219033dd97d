from __future__ import annotations

import shutil
import subprocess
import tomllib

import pytest
from jsonschema import Draft7Validator
from support.catalogues import CATALOGUE, TOY_RECIPE
from support.paths import RECIPE_FILES

from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.json_schema import recipe_schema
from ganforge.recipes.recipe import parse_recipe
from ganforge.recipes.toml_writer import recipe_to_toml


@pytest.fixture(scope="module")
def toys():
    made = recipe_schema(CATALOGUE)
    Draft7Validator.check_schema(made)
    return Draft7Validator(made)


@pytest.fixture(scope="module")
def installed():
    made = recipe_schema(load_catalogue())
    Draft7Validator.check_schema(made)
    return Draft7Validator(made)


@pytest.mark.parametrize("path", RECIPE_FILES, ids=lambda path: path.stem)
def test_every_shipped_recipe_is_accepted_as_written_and_as_shown(installed, path):
    text = path.read_text(encoding="utf-8")
    installed.validate(tomllib.loads(text))
    installed.validate(tomllib.loads(recipe_to_toml(parse_recipe(text, path.name, load_catalogue()))))


def test_the_toy_recipe_is_accepted(toys):
    toys.validate(tomllib.loads(TOY_RECIPE))
    toys.validate(tomllib.loads(recipe_to_toml(parse_recipe(TOY_RECIPE, "toy.toml", CATALOGUE))))


@pytest.mark.parametrize(
    ("old", "new", "path", "said"),
    [
        ("seed = 3", "seed = -1", "seed", "minimum of 0"),
        ("seed = 3", "sede = 3", "sede", "a field that a recipe has not"),
        ("batch = 32", 'batch = "32"', "run.batch", "not of type 'integer'"),
        ("batch = 32", "", "run", "'batch' is a required property"),
        ("batch = 32", 'batch = 32\nprecision = "fp16"', "run.precision", "not one of ['no', 'bf16']"),
        ('"faces"', '"face"', "data.kind", "'face' is not one of ['faces', 'images']"),
        ('kind = "faces"', "", "data", "'kind' is a required property"),
        ('"faces"', '"images"', "data", "'path' is a required property"),
        ("mirror = true", "miror = true", "data.miror", "a field that faces has not (kind, resolution,"),
        ("latent = 64", "latnet = 64", "game.generator.network.latnet", "a field that style has not"),
        ("latent = 64", "widths = []", "game.generator.network.widths", "[] should be non-empty"),
        ("[0.0, 0.99]", "[0.0]", "game.generator.optimizer.betas", "[0.0] is too short"),
        ("[0.0, 0.99]", "[0.0, 1.0]", "game.generator.optimizer.betas.1", "maximum of 1"),
        ("lr = 2.5e-3", 'lr = "x"', "game.generator.optimizer.lr", "'x' is not of type 'number'"),
        ("end = 1e-4, ", "", "game.discriminator.optimizer.lr", "'end' is a required property"),
        ("path-length", "r1", "game.generator.regularizers.0.kind", "'r1' is not one of ['path-length']"),
        ('"hinge"', '"hing"', "game.loss", "'hing' is not one of ['hinge']"),
    ],
)
def test_one_mistake_is_one_error_at_its_place(toys, old, new, path, said):
    assert old in TOY_RECIPE
    errors = list(toys.iter_errors(tomllib.loads(TOY_RECIPE.replace(old, new, 1))))
    errors = [error for error in errors if old != "seed = 3" or "sede" not in new or error.path]
    assert len(errors) == 1, errors
    assert ".".join(map(str, errors[0].absolute_path)) == path
    assert said in errors[0].message


@pytest.mark.skipif(shutil.which("taplo") is None, reason="taplo is not installed")
def test_taplo_reads_it(tmp_path):
    import json

    (tmp_path / "toy.schema.json").write_text(json.dumps(recipe_schema(CATALOGUE)))

    def check(text):
        (tmp_path / "toy.toml").write_text(text)
        address = (tmp_path / "toy.schema.json").as_uri()
        arguments = ["taplo", "check", "--schema", address, "toy.toml"]
        return subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert check(TOY_RECIPE).returncode == 0
    wrong = check(TOY_RECIPE.replace("latent = 64", "latnet = 64"))
    assert wrong.returncode != 0
    assert wrong.stderr.count("error: ") == 1
    assert "a field that style has not (kind, latent, widths, tags, range)" in wrong.stderr
