from __future__ import annotations

import json
import subprocess
import sys
import tomllib

import pytest
from click.testing import CliRunner
from support.catalogues import CATALOGUE, FAMILIES, TOY_RECIPE
from support.installed import catalogue

from ganforge.cli import describe, recipe, schema
from ganforge.errors import GanforgeError, RecipeError
from ganforge.plugins import loading as plugins


@pytest.fixture(autouse=True)
def _toys(monkeypatch):
    monkeypatch.setattr(plugins, "load_catalogue", lambda leave_out=(): CATALOGUE)


def invoke(command, *arguments):
    result = CliRunner().invoke(command, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_describe_says_all_of_a_component():
    said = invoke(describe.command, "hinge").stdout
    assert "hinge  of losses  from ganforge 0.1.0" in said
    assert "The hinge loss (Lim & Ye 2017, arXiv:1705.02894)." in said
    assert "https://arxiv.org/abs/1705.02894" in said
    line = next(line for line in said.split("\n") if "margin" in line)
    assert [cell.strip() for cell in line.split("  ") if cell.strip()] == [
        "margin", "1.0", "a number above 0", "logits beyond it cost nothing"
    ]  # fmt: skip


def test_describe_shows_every_component_of_a_kind():
    said = invoke(describe.command, "style").stdout
    assert said.index("style  of generators  from toy-box 2.1") < said.index("style  of discriminators  from ganforge")
    assert "style  of discriminators" not in invoke(describe.command, "style", "--family", "generators").stdout


def test_describe_looks_into_tables():
    said = invoke(describe.command, "gan").stdout
    for field in ("generator.network", "generator.ema.half_life_images", "discriminator.augmentation"):
        assert f"  {field} " in said


def test_a_component_without_fields_says_so(monkeypatch):
    monkeypatch.setattr(plugins, "load_catalogue", lambda leave_out=(): catalogue())
    said = invoke(describe.command, "hinge").stdout
    assert "it has no fields" in said
    assert "default" not in said
    assert "it has no fields" not in invoke(describe.command, "adam").stdout


def test_every_component_can_be_described():
    for family, classes in FAMILIES.items():
        for cls in classes:
            said = invoke(describe.command, cls.kind_name(), "--family", family).stdout
            assert all(field.description in said for field in cls.model_fields.values() if field.description)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["hing"], r"no component is called 'hing'; did you mean 'hinge'\? \(installed: ada, adam, count,"),
        (["style", "--family", "losses"], "'style' is none of the losses, but of the discriminators and generators"),
        (["style", "--family", "generator"], "there is no family 'generator'; did you mean 'generators'"),
    ],
)
def test_describe_helps_with_typos(arguments, said):
    with pytest.raises(RecipeError, match=said):
        invoke(describe.command, *arguments)


def test_recipe_show_prints_toml_and_tells_notices_apart(tmp_path):
    path = tmp_path / "toy.toml"
    path.write_text(TOY_RECIPE)
    arguments = [
        "show",
        str(path),
        "--set",
        "data.grain=0.5",
        "--set",
        "data.kind=images",
        "--set",
        "data.path=a/b.zip",
    ]
    result = invoke(recipe.command, *arguments)
    raw = tomllib.loads(result.stdout)
    assert raw["data"] == {
        "kind": "images", "path": "a/b.zip", "mirror": True, "resolution": 64, "bad": "refuse"
    }  # fmt: skip
    assert result.stderr == "data.kind=images: left out grain = 0.5, which 'images' has not\n"


def test_schema_is_printed_or_written(tmp_path):
    printed = json.loads(invoke(schema.command).stdout)
    assert printed["properties"]["seed"]["minimum"] == 0
    result = invoke(schema.command, "--output", str(tmp_path / "s.json"))
    assert json.loads((tmp_path / "s.json").read_text()) == printed
    assert result.stdout == ""
    with pytest.raises(GanforgeError, match="cannot be written: "):
        invoke(schema.command, "--output", str(tmp_path / "no" / "s.json"))


def test_help_imports_neither_torch_nor_plugins():
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom ganforge.cli import describe, recipe, schema\n"
        "for one in (describe, recipe, schema):\n"
        "    assert CliRunner().invoke(one.command, ['--help']).exit_code == 0\n"
        "print(sorted({'torch', 'mlflow', 'rich', 'ganforge.plugins'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
