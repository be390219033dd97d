from __future__ import annotations

import os

import pytest
from support.catalogues import CATALOGUE, TOY_RECIPE, ToyFaces, ToyHinge
from support.catalogues import ToyGan as Gan

from ganforge.api.schedule import Ramp
from ganforge.errors import RecipeError
from ganforge.plugins.catalogue import Catalogue, Plugin
from ganforge.recipes.recipe import Recipe, parse_recipe, read_recipe, recipe_digest


def parse(text=TOY_RECIPE, *overrides):
    return parse_recipe(text, "toy.toml", CATALOGUE, overrides)


def refused(text=TOY_RECIPE, *overrides):
    with pytest.raises(RecipeError) as caught:
        parse(text, *overrides)
    return str(caught.value)


def test_a_recipe_becomes_components():
    recipe = parse()
    assert (recipe.seed, recipe.run.images, recipe.run.precision) == (3, 200_000, "no")
    assert recipe.data == ToyFaces(mirror=True)
    assert isinstance(recipe.game, Gan)
    assert recipe.game.loss == ToyHinge()
    assert recipe.game.generator.optimizer.lr == 2.5e-3
    assert recipe.game.discriminator.optimizer.lr == Ramp(start=1e-3, end=1e-4, images=1000)
    assert recipe.metrics[0].every_images == 50_000


def test_reading_needs_no_more_than_the_required_fields():
    recipe = parse(
        'data = "faces"\n[run]\nimages = 1e3\nbatch = 2\n[game]\nkind = "gan"\nloss = "hinge"\n'
        'generator = { network = "style", optimizer = { lr = 1 } }\n'
        'discriminator = { network = "style", optimizer = { lr = 1 } }\n'
    )
    assert recipe.run.images == 1000
    assert recipe.metrics == ()


@pytest.mark.parametrize(
    ("old", "new", "where", "said"),
    [
        ("seed = 3", "seed = -1", "1:1: seed", "expected an integer at least 0, given -1"),
        ("seed = 3", "sede = 3", "1:1: sede", "unknown field; did you mean 'seed'? (a recipe has: seed, data, run,"),
        ("batch = 32", "batch = 0", "9:1: run.batch", "expected an integer at least 1 and at most 16777216, given 0"),
        ("batch = 32", 'batch = "32"', "9:1: run.batch", 'at least 1 and at most 16777216, given the text "32"'),
        ("batch = 32", "batch = true", "9:1: run.batch", "given true"),
        ("batch = 32", "batch = 1.5", "9:1: run.batch", "given 1.5"),
        ("batch = 32", "batch = [32]", "9:1: run.batch", "given the array [32]"),
        ("batch = 32", "", "7:2: run.batch", "missing; expected an integer at least 1 and at most 16777216: images in"),
        ("batch = 32", "batch = 32\nmicrobatches = 5", "7:2: run", "batch = 32 cannot be cut into microbatches = 5"),
        (
            "batch = 32",
            "batch = 32\nmicrobatches = 4\nbatches = [{ after_images = 5, batch = 6 }]",
            "7:2: run",
            "batch = 6 cannot be cut into microbatches = 4",
        ),
        (
            "batch = 32",
            "batch = 32\nbatches = [{ after_images = 5, batch = 6 }, { after_images = 5, batch = 2 }]",
            "7:2: run",
            "batches begin after 5, 5 images shown; expected each to begin",
        ),
        ("batch = 32", 'batch = 32\nprecision = "fp16"', "10:1: run.precision", "fp16 is not offered"),
        ("batch = 32", 'batch = 32\nprecision = "bf61"', "10:1: run.precision", 'expected "no" or "bf16", given the'),
        (
            '"faces"',
            '"face"',
            "4:1: data.kind",
            "unknown kind 'face' of data set; did you mean 'faces'? (inst",
        ),
        ('kind = "faces"', "", "3:2: data", "the kind of data set is missing; installed: faces, images"),
        (
            "mirror = true",
            "mirror = 1",
            "5:1: data.mirror",
            "expected true or false, given 1 (faces of ganforge 0.1.0)",
        ),
        ("mirror = true", 'mirror = "yes"', "5:1: data.mirror", 'expected true or false, given the text "yes"'),
        ("mirror = true", "resolution = 3", "5:1: data.resolution", "an integer at least 4 and at most 4096, given 3"),
        ("mirror = true", "grain = inf", "5:1: data.grain", "given inf"),
        ("latent = 64", "latnet = 64", "16:29: game.generator.network.latnet", "did you mean 'latent'? (style of toy-"),
        ("latent = 64", "widths = []", "16:29: game.generator.network.widths", "an array, each entry an integer"),
        (
            "latent = 64",
            "widths = [4, 0]",
            "16:42: game.generator.network.widths.1",
            "at least 1, given 0 (style of toy",
        ),
        (
            "latent = 64",
            "range = [1, 2, 3]",
            "16:29: game.generator.network.range",
            "an array of 2: a number, an integer",
        ),
        (
            "[0.0, 0.99]",
            "[0.0, 1.0]",
            "17:42: game.generator.optimizer.betas.1",
            "a number at least 0 and below 1, or a table (start, end, images, after_images, shape), given 1.0 (",
        ),
        ("lr = 2.5e-3", 'lr = "x"', "17:15: game.generator.optimizer.lr", "a number, or a table (start, end, images,"),
        (
            "end = 1e-4, ",
            "",
            "23:15: game.discriminator.optimizer.lr.end",
            "missing; expected a number: value after it",
        ),
        ("end = 1e-4", "end = true", "23:36: game.discriminator.optimizer.lr.end", "expected a number, given true"),
        ("images = 1_000 }", "images = 1, shape = 'x' }", "23:60: game.discriminator.optimizer.lr.shape", '"cosine"'),
        ("5_000", "-5.0", "18:9: game.generator.ema.half_life_images", "a number above 0, given -5"),
        (
            "path-length",
            "r1",
            "19:17: game.generator.regularizers.0",
            "'r1' regularizes the discriminator, not the gen",
        ),
        ('{ kind = "r1",', '{ kind = "r1" }, { kind = "r1",', "24:1: game.discriminator.regularizers", "named twice"),
        ('"ada"', "4", "25:18: game.discriminator.augmentation.kind", "unknown kind '4' of augmentation"),
        ('"ada"', "[4]", "25:18: game.discriminator.augmentation.kind", "unknown kind '[4]' of augmentation"),
        ('loss = "hinge"', "loss = 4", "13:1: game.loss", "expected a kind of loss, alone or in a table"),
        (
            "every_images = 50_000",
            "every = 1",
            "29:1: metrics.0.every",
            "did you mean 'every_images'? (count of ganforg",
        ),
    ],
)
def test_one_mistake_is_one_line(old, new, where, said):
    assert old in TOY_RECIPE
    message = refused(TOY_RECIPE.replace(old, new, 1))
    assert message.startswith(f"toy.toml:{where}: "), message
    assert said in message
    assert "\n" not in message


def test_two_metrics_of_one_name_would_hide_each_other():
    twice = '\n[[metrics]]\nkind = "count"\nevery_images = 700\n'
    message = refused(TOY_RECIPE + twice)
    assert "metrics.0 and metrics.1 both tell '" in message
    assert "keep one" in message


def test_all_mistakes_in_one_message_in_the_order_of_the_file():
    text = TOY_RECIPE.replace("seed = 3", "seed = 'x'").replace("batch = 32", "batch = 0").replace('"hinge"', '"hing"')
    lines = refused(text.replace("50_000", "false")).split("\n")
    assert lines[0] == "toy.toml has 4 mistakes:"
    assert [line.split(": ")[0] for line in lines[1:]] == [
        "toy.toml:1:1",
        "toy.toml:9:1",
        "toy.toml:13:1",
        "toy.toml:29:1",
    ]


def test_a_missing_table_says_what_it_is():
    message = refused(TOY_RECIPE.replace("[run]", "[runs]"))
    assert "toy.toml: run: missing; expected a table (images, batch, microbatches, precision," in message
    assert "toy.toml:7:2: runs: unknown field; did you mean 'run'?" in message


def test_the_plugin_that_could_not_be_loaded_is_named_where_a_kind_is_unknown():
    empty = Catalogue([], [Plugin("toys", "toy-box", "2.1", "ImportError: no toys")])
    with pytest.raises(RecipeError, match=r"plugin toys of toy-box 2\.1 could not be loaded: ImportError: no toys"):
        parse_recipe(TOY_RECIPE, "toy.toml", empty)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed = \n", "toy.toml:1:8: not TOML: Invalid value\n  seed = \n         ^"),
        ("seed = 1\nseed = 2", "toy.toml:2:9: not TOML: Cannot overwrite a value\n  seed = 2"),
        ("a = '", "toy.toml:1:6: not TOML: "),
        ("a = " + "[" * 5000, "nested too deeply"),
        ("a = " + "1" * 5000, "toy.toml: not TOML: Exceeds the limit"),
    ],
)
def test_what_is_not_toml_is_quoted(text, said):
    assert said in refused(text)


def test_files_that_cannot_be_read(tmp_path):
    def why(path):
        with pytest.raises(RecipeError) as caught:
            read_recipe(path, CATALOGUE)
        return str(caught.value)

    good = tmp_path / "stylegan2.toml"
    good.write_text(TOY_RECIPE)
    assert f"did you mean {good}?" in why(tmp_path / "stylgan2.toml")
    assert f"did you mean {good}?" in why(tmp_path / "stylegan2")
    assert "has: stylegan2.toml" in why(tmp_path / "x.toml")
    assert f"there is no folder {tmp_path / 'no'}" in why(tmp_path / "no" / "x.toml")
    assert f"is a folder; expected a recipe, such as {good}" in why(tmp_path)
    bad = tmp_path / "bad.toml"
    bad.write_bytes(b"seed = 1\n# caf\xe9\n")
    assert why(bad).startswith(f"{bad}:2:6: the byte 0xe9 is not UTF-8")
    bad.write_bytes(b"#" * (2**20 + 1))
    assert "1,048,577 bytes" in why(bad)
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in why(tmp_path / "pipe")
    assert "cannot be read" in why(tmp_path / "nul\0")
    good.write_bytes(b"\xef\xbb\xbf" + TOY_RECIPE.replace("\n", "\r\n").encode())
    assert read_recipe(good, CATALOGUE) == parse()


def test_the_digest_is_of_the_resolved_recipe():
    plain = recipe_digest(parse())
    assert len(plain) == 64
    assert recipe_digest(parse(TOY_RECIPE + "\n# a remark\n[grid]\nsamples = 64\n")) == plain
    assert recipe_digest(parse(TOY_RECIPE, "seed=4")) != plain
    assert recipe_digest(parse(TOY_RECIPE, "game.loss.margin=2")) != plain


def test_pydantic_would_convert_and_we_do_not():
    assert Recipe.model_fields["seed"].annotation is int
    assert Recipe.model_validate(parse().model_dump() | {"seed": "5"}, context={"catalogue": CATALOGUE}).seed == 5
    assert 'given the text "5"' in refused(TOY_RECIPE.replace("seed = 3", 'seed = "5"'))
