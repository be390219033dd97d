"""Weights taken over from runs and files: what fits, what is said, and that it happens once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from support.installed import catalogue
from support.runs import play_and_save, session_of
from support.toys import changed, gan_table, recipe_of
from torch import nn

from ganforge.api.game import StartRecipe
from ganforge.cli.run import train as played
from ganforge.cli.run.options import RunOptions
from ganforge.cli.run.train import run_training
from ganforge.errors import CheckpointError, RecipeError
from ganforge.recipes.toml_writer import recipe_to_toml
from ganforge.runs.sampling import load_game
from ganforge.storage.weights import PlayerWeights, weights_of_file, weights_of_run
from ganforge.training.transfer import transfer_weights


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run on digits of 8x8, with an average of the generator's weights."""
    session = session_of(tmp_path_factory.mktemp("runs") / "pretrained")
    play_and_save(session, 2)
    return session.folder


def player_state(run: Path, player: str, *, averaged: bool = False) -> dict[str, torch.Tensor]:
    trained = load_game(run, catalogue(), torch.device("cpu"), live=not averaged)
    return dict(trained.game.get_submodule(player).state_dict())


def begun(tmp_path: Path, **changes: Any) -> Any:
    return session_of(tmp_path / "new", changed(gan_table(), changes), seed=99)


def test_a_network_takes_over_what_fits_by_name_and_shape():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    other = {
        "0.weight": torch.full((3, 2), 7.0, dtype=torch.float64),
        "0.bias": torch.zeros(4),
        "1.running_mean": torch.full((3,), 5.0),
        "1.num_batches_tracked": torch.tensor(17),
        "old.weight": torch.zeros(2, 2),
    }
    transfer = transfer_weights(network, PlayerWeights(other, "somewhere"))
    after = network.state_dict()
    for name, value in after.items():
        taken = name in ("0.weight", "1.running_mean", "1.num_batches_tracked")
        assert torch.equal(value, other[name].to(value.dtype) if taken else before[name]), name
        assert (name in transfer.taken) == taken
    assert transfer.fresh == (
        "0.bias [3] (there [4])",
        "1.weight [3] (not there)",
        "1.bias [3] (not there)",
        "1.running_var [3] (not there)",
        "2.weight [1, 3] (not there)",
        "2.bias [1] (not there)",
    )
    assert transfer.unused == ("old.weight [2, 2]",)
    assert transfer.say(2) == (
        "3 of 9 tensors are taken over from somewhere; freshly initialised: 0.bias [3] (there [4]), "
        "1.weight [3] (not there) and 4 more; not used: old.weight [2, 2]"
    )
    assert "2.bias [1] (not there)" in transfer.say(None)


def test_nothing_fits():
    with pytest.raises(RecipeError, match=r"none of somewhere fits: Linear has weight \[2, 2\], bias \[2\], and there"):
        transfer_weights(nn.Linear(2, 2), PlayerWeights({"weight": torch.zeros(3, 3)}, "somewhere"))
    with pytest.raises(RecipeError, match="there are no tensors"):
        transfer_weights(nn.Linear(2, 2), PlayerWeights({}, "somewhere"))


def test_a_player_begins_with_the_average_and_so_does_its_own_average(run: Path, tmp_path: Path):
    session = begun(tmp_path, generator__start={"run": str(run)}, discriminator__start={"run": str(run)})
    runner = session.runner
    for player in ("generator", "discriminator"):
        expected = player_state(run, player, averaged=player == "generator")
        found = runner.players[player].network.state_dict()
        assert all(torch.equal(found[name], value) for name, value in expected.items())
    live = player_state(run, "generator")
    assert any(not torch.equal(live[n], v) for n, v in runner.game.generator.state_dict().items()), "two weights"
    ema = runner.players["generator"].ema
    assert ema is not None
    for name, value in ema.average.state_dict().items():
        assert torch.equal(value, runner.game.generator.state_dict()[name])
    assert set(session.start_weights) == {"generator", "discriminator"}
    assert session.start_weights["generator"] == (
        f"8 of 8 tensors are taken over from generator of {run}, averaged, after 32 images"
    )


def test_weights_as_trained_of_a_named_checkpoint(run: Path, tmp_path: Path):
    start = {"run": str(run), "averaged": False, "checkpoint": 32}
    session = begun(tmp_path, generator__start=start)
    found = session.runner.game.generator.state_dict()
    assert all(torch.equal(found[name], value) for name, value in player_state(run, "generator").items())
    with pytest.raises(CheckpointError, match="no checkpoint '64'"):
        weights_of_run(run, "generator", "64")


def test_other_data_and_other_labels_leave_what_does_not_fit_fresh(run: Path, tmp_path: Path):
    """Digits of 8x8 without labels to digits of 16x16 with labels: the first and last layers differ."""
    table = gan_table(generator__start={"run": str(run)}, discriminator__start={"run": str(run)})
    session = session_of(tmp_path / "new", table, data={"kind": "digits", "resolution": 16, "labels": True})
    assert session.start_weights["generator"].startswith("5 of 8 tensors are taken over")
    assert "layers.0.weight [32, 18] (there [32, 8])" in session.start_weights["generator"]
    assert "layers.6.weight [256, 32] (there [64, 32])" in session.start_weights["generator"]
    strict = changed(table, {"generator__start__missing": "refuse"})
    with pytest.raises(RecipeError, match=r"game\.generator\.start: 5 of 8 .* missing = \"replace\""):
        session_of(tmp_path / "strict", strict, data={"kind": "digits", "resolution": 16, "labels": True})
    session.runner.play_round(session.next_batch())


def test_another_players_weights(run: Path, tmp_path: Path):
    """A generator's mlp into a discriminator's: what is alike in shape between them."""
    session = begun(tmp_path, discriminator__start={"run": str(run), "player": "generator"})
    assert "from generator of" in session.start_weights["discriminator"]
    assert torch.equal(
        session.runner.game.discriminator.layers[2].weight,
        player_state(run, "generator", averaged=True)["layers.2.weight"],
    )
    with pytest.raises(RecipeError, match=r"has no player 'generato'; did you mean 'generator'\? \(it has: "):
        begun(tmp_path, discriminator__start={"run": str(run), "player": "generato"})


def test_a_file(run: Path, tmp_path: Path):
    file = tmp_path / "g.safetensors"
    save_file({name: value.contiguous() for name, value in player_state(run, "generator").items()}, file)
    session = begun(tmp_path, generator__start={"weights": str(file)})
    assert session.start_weights["generator"] == f"8 of 8 tensors are taken over from {file}"
    for content in (None, b"", b"no weights here"):
        bad = tmp_path / "bad.safetensors"
        if content is not None:
            bad.write_bytes(content)
        with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
            weights_of_file(bad)


def test_a_folder_that_is_no_run(tmp_path: Path):
    with pytest.raises(RecipeError, match="does not exist"):
        begun(tmp_path, generator__start={"run": str(tmp_path / "nowhere")})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "either run"),
        ({"run": "a", "weights": "b"}, "either run"),
        ({"weights": "b", "checkpoint": 3}, "leave them out"),
        ({"weights": "b", "player": "generator"}, "leave them out"),
    ],
)
def test_recipes_that_make_no_sense(fields: dict[str, Any], words: str):
    with pytest.raises(ValidationError, match=words):
        StartRecipe.model_validate(fields)


def test_spectral_norm_and_frozen_weights_are_taken_over_too(tmp_path: Path):
    """Their state has names of its own; a network with the same constraints has the same."""
    table = gan_table(discriminator__constraints=[{"kind": "spectral-norm"}])
    session = session_of(tmp_path / "old", table)
    play_and_save(session, 2)
    new = session_of(tmp_path / "new", changed(table, {"discriminator__start": {"run": str(tmp_path / "old")}}), seed=5)
    old, found = session.runner.game.discriminator.state_dict(), new.runner.game.discriminator.state_dict()
    assert old.keys() == found.keys()
    assert all(torch.equal(old[name], found[name]) for name in old)


def test_it_happens_at_a_fresh_start_only_and_run_json_says_so(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(played, "load_catalogue", lambda leave_out: catalogue())
    source = tmp_path / "source"
    source.symlink_to(run)
    table = changed(gan_table(), {"generator__start": {"run": "source"}})
    recipe = tmp_path / "finetune.toml"
    recipe.write_text(recipe_to_toml(recipe_of(table, run__images=64, run__batch=16, run__log_every_images=32)))
    assert (
        run_training(RunOptions(recipe, out=tmp_path / "out", device="cpu", overrides=("checkpoints.every_images=32",)))
        == 0
    )
    said = "generator: 8 of 8 tensors are taken over from generator of source, averaged, after 32 images"
    assert said in capsys.readouterr().err
    facts = json.loads((tmp_path / "out" / "run.json").read_text())
    assert facts["generator_began_with"] in said
    source.unlink()  # neither a resumed run nor samples need it
    longer = ("run.images=96",)
    assert run_training(RunOptions(recipe, out=tmp_path / "out", device="cpu", resume=True, overrides=longer)) == 0
    assert "taken over" not in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "run.json").read_text())["generator_began_with"] in said
    load_game(tmp_path / "out", catalogue(), torch.device("cpu"))
    with pytest.raises(RecipeError, match="source does not exist"):
        run_training(RunOptions(recipe, out=tmp_path / "again", device="cpu"))
