"""`ganforge export` as a person meets it: the file, what it says of itself, and a run that begins with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors import safe_open
from support.installed import catalogue
from support.runs import play_and_save, session_of
from support.toys import changed, gan_table

from ganforge.cli import COMMANDS
from ganforge.cli.export import command
from ganforge.errors import GanforgeError, RecipeError
from ganforge.recipes.recipe import read_recipe, recipe_digest
from ganforge.runs.export import weights_metadata
from ganforge.runs.sampling import load_game
from ganforge.storage.weights import weights_of_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    session = session_of(tmp_path_factory.mktemp("runs") / "digits")
    play_and_save(session, 2)
    (session.folder / "run.json").write_text(json.dumps({"recipe_digest": recipe_digest(session.recipe)}))
    return session.folder


def export(*arguments: object) -> Result:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def read(file: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(file, "pt") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}, opened.metadata()  # noqa: SIM118


def expected(run: Path, player: str, *, live: bool) -> dict[str, torch.Tensor]:
    trained = load_game(run, catalogue(), torch.device("cpu"), live=live)
    return dict(trained.game.get_submodule(player).state_dict())


def test_the_averaged_generator_goes_to_the_run_and_its_place_to_stdout(run: Path):
    result = export(run)
    place = run / "generator.safetensors"
    assert result.stdout == f"{place}\n"
    assert f"8 tensors of generator of {run}, averaged, after 32 images" in result.stderr
    tensors, label = read(place)
    averaged = expected(run, "generator", live=False)
    assert tensors.keys() == averaged.keys()
    assert all(torch.equal(tensors[name], averaged[name]) for name in averaged)
    assert json.loads(label.pop("network"))["width"] == 32
    recipe = read_recipe(run / "recipe.toml", catalogue())
    assert label.pop("recipe_digest") == recipe_digest(recipe), "that of run.json, which is of the recipe"
    assert label.pop("ganforge")
    assert label == {
        "format": "pt",
        "run": "digits",
        "game": "gan",
        "player": "generator",
        "kind": "mlp",
        "images": "32",
        "averaged": "true",
    }


def test_a_run_that_does_not_tell_its_digest(run: Path, tmp_path: Path):
    (tmp_path / "recipe.toml").write_bytes((run / "recipe.toml").read_bytes())
    weights = weights_of_run(run, "generator")
    assert weights_metadata(weights, tmp_path, "generator")["recipe_digest"] == "unknown: not in the run's run.json"


def test_other_weights(run: Path, tmp_path: Path):
    for arguments, player in ((("--live",), "generator"), (("--player", "discriminator"), "discriminator")):
        output = tmp_path / "new" / f"{player}.safetensors"
        export(run, *arguments, "--output", output, "--checkpoint", 32)
        tensors, label = read(output)
        live = expected(run, player, live=True)
        assert all(torch.equal(tensors[name], live[name]) for name in live)
        assert (label["player"], label["averaged"]) == (player, "false")
    assert not list(tmp_path.rglob(".*"))


def test_a_run_begins_with_the_file(run: Path, tmp_path: Path):
    output = tmp_path / "g.safetensors"
    export(run, "-o", output)
    table = changed(gan_table(), {"generator__start": {"weights": str(output), "missing": "refuse"}})
    session = session_of(tmp_path / "finetuned", table, seed=77)
    assert session.start_weights["generator"] == f"8 of 8 tensors are taken over from {output} (generator of digits)"
    averaged = expected(run, "generator", live=False)
    found = session.runner.game.get_submodule("generator").state_dict()
    assert all(torch.equal(found[name], averaged[name]) for name in averaged)


def test_what_is_there_is_replaced_only_by_force(run: Path, tmp_path: Path):
    output = tmp_path / "g.safetensors"
    output.write_text("mine")
    with pytest.raises(GanforgeError, match=r"replace.* with `force`"):
        export(run, "-o", output)
    assert output.read_text() == "mine"
    export(run, "-o", output, "--force")
    assert len(read(output)[0]) == 8


def test_what_cannot_be(run: Path, tmp_path: Path):
    with pytest.raises(RecipeError, match=r"ends in \.safetensors"):
        export(run, "-o", tmp_path / "g.pt")
    with pytest.raises(RecipeError, match="did you mean 'discriminator'"):
        export(run, "--player", "discriminater")
    with pytest.raises(RecipeError, match="does not exist"):
        export(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(GanforgeError, match="could not be written"):
        export(run, "-o", tmp_path / "file" / "g.safetensors")


def test_it_is_among_the_commands():
    assert COMMANDS["export"][0] == "export"
