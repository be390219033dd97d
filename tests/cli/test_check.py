from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from support.installed import catalogue
from support.toys import changed, gan_table, recipe_of

from ganforge.cli.check import command
from ganforge.errors import RecipeError
from ganforge.plugins import loading as plugins
from ganforge.recipes.toml_writer import recipe_to_toml
from ganforge.training import check as check_module


@pytest.fixture(autouse=True)
def _quick(monkeypatch, tmp_path):
    monkeypatch.setattr(plugins, "load_catalogue", lambda leave_out=(): catalogue())
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    real = check_module.profile
    monkeypatch.setattr(check_module, "profile", lambda session: real(session, seconds=0.1))


@pytest.fixture
def recipe(tmp_path):
    regularized = changed(gan_table(), {"discriminator__regularizers": [{"kind": "r1", "every": 16}]})
    path = tmp_path / "small.toml"
    path.write_text(recipe_to_toml(recipe_of(regularized, run__images=50_000)))
    return path


def check(*arguments):
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0
    return result


def test_facts_as_json(recipe):
    found = json.loads(check(recipe, "--json", "--device", "cpu").stdout)
    assert found["data"] == {"kind": "digits", "samples": 1797, "shape": [1, 8, 8], "classes": 0, "conditions": 0}
    discriminator = found["players"]["discriminator"]
    assert [(turn["name"], turn["every"], turn["lazy"]) for turn in discriminator["turns"]] == [
        ("discriminator", 1, False),
        ("discriminator/r1", 16, True),
    ]
    assert discriminator["lazy_correction"] == pytest.approx(16 / 17)
    assert discriminator["corrected_lr"] == pytest.approx(2e-3 * 16 / 17)
    assert found["players"]["generator"]["lazy_correction"] == 1
    speed = found["speed"]["images_per_second"]
    assert speed == pytest.approx(16 / found["speed"]["seconds_per_round"])
    assert found["run"]["seconds"] == pytest.approx(50_000 / speed)
    assert found["disk"]["checkpoints"] == 2 * found["disk"]["checkpoint"]


def test_parameters_are_counted_exactly(recipe):
    from ganforge.api.data import DataSpec

    found = json.loads(check(recipe, "--json", "--device", "cpu").stdout)
    built = recipe_of().game.build(DataSpec((1, 8, 8)))
    for name in ("generator", "discriminator"):
        counted = sum(parameter.numel() for parameter in built.get_submodule(name).parameters())
        assert found["players"][name]["parameters"] == counted


def test_text_fits_eighty_columns_and_says_what_matters(recipe):
    result = check(recipe, "--device", "cpu")
    lines = result.stdout.splitlines()
    assert lines[0] == f"{recipe} is in order"
    assert all(len(line) <= 80 for line in lines[1:])
    for part in (
        "1,797 samples of shape [1, 8, 8], no labels",
        "turn discriminator/r1, every 16 rounds, lazy",
        "corrected for lazy turns: lr 0.0018824, betas ",
        "averaged with a half-life of 500 images",
        "images/s",
        "for 50,000 images",
    ):
        assert part in result.stdout
    assert "playing a few rounds" in result.stderr


def test_nothing_is_written(recipe, tmp_path):
    check(recipe, "--device", "cpu")
    assert {path.name for path in tmp_path.rglob("*")} == {"small.toml", "cache"}


def test_overrides_and_mistakes(recipe):
    changed_ = json.loads(check(recipe, "--json", "--set", "run.batch=32", "--set", "seed=4").stdout)
    assert changed_["batch"] == 32
    with pytest.raises(RecipeError, match=r"run\.bacth"):
        check(recipe, "--set", "run.bacth=32")
