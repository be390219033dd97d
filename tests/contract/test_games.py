"""Every installed game, with every pair of networks: whose turn it is, whose weights move, where chance comes from."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.examples import NETWORKS, game_cases, game_example
from support.installed import catalogue
from support.toys import ToySource, batches, runner_of
from torch import Tensor, nn

from ganforge.api.data import Batch, DataSpec
from ganforge.api.dice import Roll, roll_dice
from ganforge.api.game import Terms
from ganforge.errors import DataError
from ganforge.training.runner import Runner

GAMES = sorted(catalogue().family("games"))
CASES = game_cases()
EACH = pytest.mark.parametrize(("game", "network", "augmentation"), CASES)
SPEC = DataSpec((1, 8, 8), 3)


def runner_and_batches(case: tuple[str, str, str | None], rounds: int, batch: int = 8) -> tuple[Runner, list[Batch]]:
    runner = runner_of(game_example(*case), SPEC, batch=batch)
    return runner, batches(runner, ToySource(SPEC), rounds)


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


def all_state(runner: Runner) -> dict[str, Tensor]:
    return {path: tensor.detach().clone() for path, tensor in runner.state()[0].items()}


def assert_same_bits(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    assert [path for path in one if not torch.equal(one[path], two[path])] == []


@EACH
def test_a_turn_moves_its_player_and_nobody_else(game: str, network: str, augmentation: str | None):
    runner, (first, second) = runner_and_batches((game, network, augmentation), 2)
    runner.play_round(first)
    assert {turn.player for turn in runner.turns} == set(runner.players), "every player has a turn"
    for turn in runner.turns:
        before = weights(runner.game)
        averages = {name: weights(p.ema.average) for name, p in runner.players.items() if p.ema is not None}
        report = runner.take(turn, second)
        assert all(value.isfinite().all() for value in report.values())
        moved = {name for name, value in weights(runner.game).items() if not torch.equal(value, before[name])}
        own = {name for name in before if name.startswith(f"{turn.player}.")}
        assert moved, f"{turn.name} moved nothing"
        assert moved <= own, f"{turn.name} moved {sorted(moved - own)}"
        for name, average in averages.items():
            assert_same_bits(weights(runner.players[name].ema.average), average)
        others = [p for name, player in runner.players.items() if name != turn.player for p in player.parameters]
        assert not any(p.requires_grad for p in others), "opponents are frozen: their gradients would be wasted"


@EACH
def test_parameters_outside_players_are_none(game: str, network: str, augmentation: str | None):
    """A parameter that belongs to no player would never learn."""
    runner, _ = runner_and_batches((game, network, augmentation), 0)
    owned = {parameter for player in runner.players.values() for parameter in player.network.parameters()}
    assert [name for name, parameter in runner.game.named_parameters() if parameter not in owned] == []


@EACH
def test_turns_have_names_of_their_own_and_terms_lead_with_the_batch(game: str, network: str, augmentation: str | None):
    runner, (batch,) = runner_and_batches((game, network, augmentation), 1)
    names = [turn.name for turn in runner.turns]
    assert len(set(names)) == len(names)
    rows = len(batch["image"])
    for turn in runner.turns:
        roll_dice(runner.game, Roll(1, turn.name, rows=rows, total=rows))
        for name, term in turn.objective(batch).items():
            assert term.requires_grad, f"{turn.name}: {name} has no gradient"
            assert term.dim() == 0 or rows % term.shape[0] == 0, f"{turn.name}: {name} is {list(term.shape)}"


@EACH
def test_no_global_randomness(game: str, network: str, augmentation: str | None):
    """Global generators, whatever their state, are neither read nor moved; all draws come from seed and place."""
    case = (game, network, augmentation)
    quiet, shown = runner_and_batches(case, 5)
    noisy, _ = runner_and_batches(case, 0)
    noisy.turns = [replace(turn, objective=Meddler(turn.objective)) for turn in noisy.turns]
    for batch in shown:
        one = quiet.play_round(batch)
        python, numpy = random.getstate(), np.random.get_state()
        two = noisy.play_round(batch)
        assert torch.equal(torch.default_generator.get_state(), Meddler.left), "the global generator was moved"
        assert random.getstate() == python
        assert repr(np.random.get_state()) == repr(numpy)
        assert_same_bits(one, two)
        random.seed(quiet.round)
        np.random.seed(quiet.round)
    assert_same_bits(all_state(quiet), all_state(noisy))


def test_global_randomness_would_be_noticed():
    runner, (batch,) = runner_and_batches(("gan", "mlp", None), 1)
    runner.game.discriminator.layers.append(nn.Dropout(0.5))
    runner.turns = [replace(turn, objective=Meddler(turn.objective)) for turn in runner.turns]
    runner.play_round(batch)
    assert not torch.equal(torch.default_generator.get_state(), Meddler.left)


class Meddler:
    """Puts the global generator in another state before an objective is computed."""

    left = torch.empty(0)
    count = 0

    def __init__(self, objective) -> None:
        self.objective = objective

    def __call__(self, batch: Batch) -> Terms:
        Meddler.count += 1
        torch.manual_seed(10_000 + Meddler.count)
        Meddler.left = torch.default_generator.get_state()
        return self.objective(batch)


@EACH
def test_samples_are_a_function_of_the_roll(game: str, network: str, augmentation: str | None):
    runner, (batch,) = runner_and_batches((game, network, augmentation), 1)
    runner.play_round(batch)

    def draw(seed: int, labels: Tensor | None = None) -> Tensor:
        with runner.averaged() as played, torch.no_grad():
            torch.manual_seed(int(torch.randint(1 << 30, ())))
            roll_dice(played, Roll(seed, "test", rows=6, total=6))
            return played.sample(6, labels)

    assert draw(1).shape == (6, *SPEC.shape)
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    labels = torch.arange(6) % SPEC.classes
    assert torch.equal(draw(1, labels), draw(1, labels))


@EACH
def test_readings_and_sampling_leave_no_trace(game: str, network: str, augmentation: str | None):
    """Looking between rounds changes nothing: a run with grids and metrics equals one without."""
    case = (game, network, augmentation)
    plain, shown = runner_and_batches(case, 4)
    watched, _ = runner_and_batches(case, 0)
    for batch in shown:
        plain.play_round(batch)
        watched.play_round(batch)
        with watched.averaged() as played, torch.no_grad():
            roll_dice(played, Roll(9, "grid", rows=4, total=4))
            played.sample(4)
            played.readings()
    assert_same_bits(all_state(plain), all_state(watched))
    assert watched.game.training


def unlabelled(game: str, spec: DataSpec, seed: int = 3) -> Runner:
    try:
        return runner_of(game_example(game), spec, batch=8, seed=seed)
    except DataError as error:
        if "labels = true" not in str(error):  # a game that needs labels says how to get them
            raise
        pytest.skip(str(error))


@pytest.mark.parametrize("game", GAMES)
def test_different_seeds_play_different_games(game: str):
    spec = DataSpec((1, 8, 8))
    one, two = (unlabelled(game, spec, seed) for seed in (1, 2))
    assert all(
        not torch.equal(a, b)
        for a, b in zip(one.game.parameters(), two.game.parameters(), strict=True)
        if len(a.unique()) > 1
    )


@pytest.mark.parametrize("game", [game for game in GAMES if game not in NETWORKS])
def test_a_game_without_labels_plays_on_points(game: str):
    spec = DataSpec((2,))
    runner = unlabelled(game, spec)
    for batch in batches(runner, ToySource(spec), 3):
        assert all(value.isfinite() for value in runner.play_round(batch).values())
