"""Samples of a run: which weights, seeds, labels and checkpoints they are of."""

from __future__ import annotations

import pytest
import torch
from support.installed import catalogue
from support.runs import play_and_save, session_of

from ganforge.api.data import DataSpec
from ganforge.api.dice import Roll, roll_dice
from ganforge.errors import CheckpointError, GanforgeError, RecipeError
from ganforge.runs.labels import read_labels
from ganforge.runs.sampling import choose_device, draw_samples, load_game

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A run with labels, saved after 2 and after 5 rounds of 16."""
    session = session_of(tmp_path_factory.mktemp("runs") / "digits", data__labels=True)
    play_and_save(session, 2)
    session.best = (1.5, 32)
    play_and_save(session, 3)
    return session


def drawn(session, count, *, checkpoint=None, live=False, **settings):
    trained = load_game(session.folder, catalogue(), CPU, checkpoint=checkpoint, live=live)
    return torch.cat(list(draw_samples(trained, count, **settings)))


def test_samples_are_those_of_the_averaged_game_that_was_played(session):
    with session.runner.averaged() as game, torch.no_grad():
        roll_dice(game, Roll(7, "sample", rows=20, total=32))
        expected = game.sample(20, None, 0.5)
    torch.testing.assert_close(drawn(session, 20, seed=7, truncation=0.5), expected, rtol=0, atol=0)


def test_live_weights_are_those_without_average(session):
    game = session.runner.game.eval()
    with torch.no_grad():
        roll_dice(game, Roll(0, "sample", rows=8, total=32))
        expected = game.sample(8)
    game.train()
    torch.testing.assert_close(drawn(session, 8, live=True), expected, rtol=0, atol=0)
    assert not torch.equal(drawn(session, 8), expected)


def test_first_samples_do_not_depend_on_how_many_are_drawn(session):
    many = drawn(session, 150)
    for count in (1, 31, 64, 65, 149):
        torch.testing.assert_close(drawn(session, count), many[:count], rtol=0, atol=1e-6)
    assert len(torch.unique(many.flatten(1), dim=0)) == 150


def test_seed_decides(session):
    assert not torch.allclose(drawn(session, 4, seed=0), drawn(session, 4, seed=1))


def test_labels_are_used_in_turn(session):
    mixed = drawn(session, 70, labels=[3, 8])
    threes, eights = drawn(session, 70, labels=[3]), drawn(session, 70, labels=[8])
    torch.testing.assert_close(mixed[::2], threes[::2], rtol=0, atol=1e-6)
    torch.testing.assert_close(mixed[1::2], eights[1::2], rtol=0, atol=1e-6)
    assert not torch.allclose(threes, eights)


@pytest.mark.parametrize("labels", [[10], [-1], ["threes"], []])
def test_labels_that_the_data_do_not_have_are_refused(session, labels):
    with pytest.raises(RecipeError, match=r"there is no class|is empty"):
        drawn(session, 2, labels=labels)


def test_checkpoint_is_chosen_by_images_best_or_place(session):
    newest = drawn(session, 4)
    early = drawn(session, 4, checkpoint="32")
    assert not torch.allclose(newest, early)
    place = session.folder / "checkpoints" / "images-000000000032"
    for checkpoint in ("best", str(place)):
        assert torch.equal(drawn(session, 4, checkpoint=checkpoint), early)
    assert torch.equal(drawn(session, 4, checkpoint="80"), newest)


@pytest.mark.parametrize("checkpoint", ["48", "bets", "-1"])
def test_unknown_checkpoint_names_those_that_are_there(session, checkpoint):
    with pytest.raises(CheckpointError, match=r"no checkpoint .* at 32, 80 images"):
        load_game(session.folder, catalogue(), CPU, checkpoint=checkpoint)


def test_damaged_checkpoint_is_passed_over_and_said(tmp_path):
    session = session_of(tmp_path / "run")
    play_and_save(session, 1)
    play_and_save(session, 1)
    tensors = tmp_path / "run" / "checkpoints" / "images-000000000032" / "tensors.safetensors"
    content = bytearray(tensors.read_bytes())
    content[-1] ^= 1
    tensors.write_bytes(content)
    trained = load_game(tmp_path / "run", catalogue(), CPU)
    assert trained.images == 16
    assert len(trained.notices) == 1
    assert "damaged" in trained.notices[0]


def test_checkpoint_of_another_game_is_refused(tmp_path):
    session = session_of(tmp_path / "run")
    play_and_save(session, 1)
    recipe = tmp_path / "run" / "recipe.toml"
    text = recipe.read_text()
    assert "width = 32" in text
    recipe.write_text(text.replace("width = 32", "width = 16"))
    with pytest.raises(CheckpointError, match="does not fit"):
        load_game(tmp_path / "run", catalogue(), CPU)


def test_run_without_checkpoint_or_best_says_so(session, tmp_path):
    (tmp_path / "recipe.toml").write_bytes((session.folder / "recipe.toml").read_bytes())
    with pytest.raises(CheckpointError, match="has no checkpoint yet"):
        load_game(tmp_path, catalogue(), CPU)
    with pytest.raises(CheckpointError, match="has no checkpoint yet"):
        load_game(tmp_path, catalogue(), CPU, checkpoint="best")


def test_no_run_says_which_are_there(session, tmp_path, monkeypatch):
    monkeypatch.setattr("ganforge.storage.lookup.RUNS", session.folder.parent)
    with pytest.raises(RecipeError, match=r"did you mean .*digits\?; the newest runs here: .*digits"):
        load_game(tmp_path / "digit", catalogue(), CPU)
    monkeypatch.setattr("ganforge.storage.lookup.RUNS", tmp_path / "runs")
    with pytest.raises(RecipeError, match="there are no runs"):
        load_game(tmp_path, catalogue(), CPU)


@pytest.mark.parametrize("truncation", [0.0, -0.5, 1.01, float("nan"), float("inf")])
def test_truncation_out_of_range(session, truncation):
    with pytest.raises(RecipeError, match="truncation"):
        drawn(session, 1, truncation=truncation)


def test_broken_weights_are_not_sampled(session):
    trained = load_game(session.folder, catalogue(), CPU)
    for parameter in trained.game.get_submodule("generator").parameters():
        parameter.fill_(float("nan"))
    with pytest.raises(GanforgeError, match="NaN"):
        list(draw_samples(trained, 3))


def test_labels_are_read_as_names_first_then_as_indices():
    named = DataSpec((1, 8, 8), 3, ("cat", "dog", "2, 0"))
    assert read_labels("dog", named) == [1]
    assert read_labels("cat, 2,dog", named) == [0, 2, 1]
    assert read_labels("2, 0", named) == [2]  # the whole is a name
    assert read_labels("2,0", named) == [2, 0]
    assert read_labels("1", DataSpec((1, 8, 8), 2, ("1", "0"))) == [0]


@pytest.mark.parametrize(
    ("text", "spec", "said"),
    [
        ("dgo", DataSpec((2,), 3, ("cat", "dog", "horse")), "did you mean 'dog'"),
        ("3", DataSpec((2,), 3), "expected 0 to 2"),
        ("-1", DataSpec((2,), 3), "expected 0 to 2"),
        ("", DataSpec((2,), 3), "expected 0 to 2"),
        ("0", DataSpec((2,)), "without labels"),
    ],
)
def test_unknown_labels(text, spec, said):
    with pytest.raises(RecipeError, match=said):
        read_labels(text, spec)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_device_that_is_not_there():
    assert choose_device("auto") == CPU
    with pytest.raises(GanforgeError, match="no CUDA device"):
        choose_device("cuda")


def test_sampling_leaves_the_global_generator_as_it_was(session):
    before = torch.random.get_rng_state()
    drawn(session, 3)
    assert torch.equal(torch.random.get_rng_state(), before)
