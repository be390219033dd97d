"""Every installed regularizer, played in the plain game of two by each player it can be added to.

Its turn moves its player alone; what it draws comes from dice; micro-batches change nothing; a resumed run goes on to
the bit. Once in every round and once lazily, in a turn of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from support.examples import example, game_example
from support.installed import catalogue
from support.toys import ToySource, batches, changed, runner_of
from torch import Tensor

from ganforge.api.data import DataSpec
from ganforge.api.network import StyleGenerator
from ganforge.training.runner import Runner

SPEC, BATCH = DataSpec((1, 8, 8), 3), 32
REGULARIZERS = catalogue().family("regularizers")
CASES = [
    (kind, player, every)
    for kind, cls in sorted(REGULARIZERS.items())
    for player in ("generator", "discriminator")
    if cls.player in (player, "either")
    for every in (1, 2)
]
EACH = pytest.mark.parametrize(("kind", "player", "every"), CASES)


def table(kind: str, player: str, every: int) -> dict[str, Any]:
    """A gan whose only regularizer is this one."""
    cls = REGULARIZERS[kind]
    network = "stylegan2" if issubclass(cls.needs, StyleGenerator) else "mlp"
    changes: dict[str, Any] = {f"{side}__regularizers": [] for side in ("generator", "discriminator")}
    changes[f"{player}__regularizers"] = [{**example(cls), "every": every}]
    return changed(game_example("gan", network), changes)


def play(runner: Runner, rounds: int) -> dict[str, Tensor]:
    for batch in batches(runner, ToySource(SPEC), rounds):
        report = runner.play_round(batch)
    return report


def weights(runner: Runner) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in runner.game.named_parameters()}


def state(runner: Runner) -> dict[str, Tensor]:
    return {path: tensor.detach().clone() for path, tensor in runner.state()[0].items()}


def relative(found: Iterable[Tensor], expected: Iterable[Tensor]) -> float:
    one, two = (torch.cat([tensor.detach().double().flatten() for tensor in side]) for side in (found, expected))
    return float((one - two).norm() / two.norm())


@EACH
def test_its_turn_moves_its_player_and_nobody_else(kind: str, player: str, every: int):
    runner = runner_of(table(kind, player, every), SPEC, batch=BATCH)
    play(runner, 2)  # some begin by measuring
    name = f"{player}/{kind}" if every > 1 else player
    (turn,) = (turn for turn in runner.turns if turn.name == name)
    assert turn.lazy == (every > 1)
    before, (batch,) = weights(runner), batches(runner, ToySource(SPEC), 1)
    report = runner.take(turn, batch)
    assert report[f"{player}/{kind}"].isfinite()
    moved = {path for path, value in weights(runner).items() if not torch.equal(value, before[path])}
    assert moved
    assert all(path.startswith(f"{player}.") for path in moved), sorted(moved)
    gradients = [parameter.grad for parameter in runner.players[player].parameters if parameter.grad is not None]
    assert sum(gradient.abs().sum() for gradient in gradients) > 0


@EACH
def test_it_makes_a_difference(kind: str, player: str, every: int):
    runner = runner_of(table(kind, player, every), SPEC, batch=BATCH)
    play(runner, 4)
    plain = runner_of(changed(table(kind, player, every), {f"{player}__regularizers": []}), SPEC, batch=BATCH)
    play(plain, 4)
    after, without = weights(runner), weights(plain)
    assert [path for path, value in after.items() if not torch.equal(value, without[path])]


@EACH
def test_no_global_randomness(kind: str, player: str, every: int):
    """Of two runs that differ in the global generator only, every weight is the same."""
    runs = []
    for noise in (0, 1):
        runner = runner_of(table(kind, player, every), SPEC, batch=BATCH)
        penalty = runner.game.penalties[f"{player}-{kind}"]
        penalty.register_forward_pre_hook(lambda module, args, noise=noise: torch.manual_seed(noise) and None)
        play(runner, 3)
        runs.append(state(runner))
    assert [path for path in runs[0] if not torch.equal(runs[0][path], runs[1][path])] == []


@EACH
def test_microbatches_equal_one(kind: str, player: str, every: int):
    whole, split = (runner_of(table(kind, player, every), SPEC, batch=BATCH, microbatches=m) for m in (1, 4))
    play(whole, 2)
    split.restore(*copy.deepcopy(whole.state()))
    slopes: list[list[Tensor]] = []
    reports = []
    for runner in (whole, split):
        runner.round = 0  # all turns are due
        found: list[Tensor] = []
        runner.players[player].optimizer.register_step_pre_hook(
            lambda optimizer, args, kwargs, found=found: found.extend(
                p.grad.clone() for group in optimizer.param_groups for p in group["params"] if p.grad is not None
            )
        )
        reports.append(play(runner, 1))
        slopes.append(found)
    assert relative(slopes[1], slopes[0]) <= 1e-5  # Adam's first steps would blow up the rounding of gradients near 0
    for name, value in reports[0].items():
        torch.testing.assert_close(reports[1][name], value, rtol=1e-4, atol=1e-6)
    assert relative(weights(split).values(), weights(whole).values()) <= 1e-5


@EACH
def test_resumed_equals_uninterrupted(kind: str, player: str, every: int):
    runner, shown = runner_of(table(kind, player, every), SPEC, batch=BATCH), []
    shown = batches(runner, ToySource(SPEC), 5)
    kept: dict[int, Any] = {}
    for index, batch in enumerate(shown):
        kept[index] = copy.deepcopy(runner.state())
        runner.play_round(batch)
    whole = state(runner)
    for cut in (1, 2, 3):
        torch.manual_seed(cut)
        resumed = runner_of(table(kind, player, every), SPEC, batch=BATCH)
        resumed.restore(*kept[cut])
        for batch in shown[cut:]:
            resumed.play_round(batch)
        after = state(resumed)
        assert [path for path in whole if not torch.equal(after[path], whole[path])] == [], f"cut at round {cut}"
