"""Micro-batches save memory and change nothing else: k of them equal one, to 1e-6 in relative norm.

ProGAN's and StyleGAN's networks to 3e-6, and the penalty of path lengths of the latter to 1e-5: derivatives through
normalised, nearly flat channels magnify rounding (in float64 it is 1e-15 like the others).

Networks with batch statistics (BatchNorm) are left out: their results depend on what shares a forward.
Compared are the gradients of every turn of the second round, each turn's taken together (and tensor by tensor to 1e-5),
and all weights after it. Gradients, because Adam's first steps divide by the gradient's own size and would blow up the
rounding of gradients that are 0 in theory.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from itertools import cycle

import pytest
import torch
from support.examples import game_cases, game_example
from support.toys import ToySource, batches, runner_of
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ganforge.api.data import DataSpec
from ganforge.api.dice import Roll, roll_dice
from ganforge.training.runner import Runner

SPEC = DataSpec((1, 8, 8), 3)
BATCH = 32
CASES = game_cases()


def limit_of(network: str, turn: str) -> float:
    """How far the gradients of a turn may be apart: further for networks whose pixel norms magnify rounding."""
    if network not in ("progan", "stylegan"):
        return 1e-6
    return 1e-5 if "path-length" in turn else 3e-6


def watched(table: dict[str, object], parts: int) -> tuple[Runner, dict[str, Tensor]]:
    """A runner, and the gradients of each of its turns as they are when the step is taken."""
    runner = runner_of(table, SPEC, batch=BATCH, microbatches=parts)
    gradients: dict[str, Tensor] = {}
    for name, player in runner.players.items():
        steps = cycle([turn.name for turn in runner.turns if turn.player == name])

        def note(optimizer, args, kwargs, player=player, steps=steps) -> None:
            turn = next(steps)
            for index, parameter in enumerate(player.parameters):
                if parameter.grad is not None:
                    gradients[f"{turn}/{index}"] = parameter.grad.detach().clone()

        player.optimizer.register_step_pre_hook(note)
    return runner, gradients


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize(("game", "network", "augmentation"), CASES)
def test_microbatches_equal_one(game: str, network: str, augmentation: str | None, parts: int):
    table = game_example(game, network, augmentation)
    whole, expected = watched(table, 1)
    if any(isinstance(module, _BatchNorm) for module in whole.game.modules()):
        pytest.skip(f"{network} has batch statistics")
    if whole.game.whole_batch:
        pytest.skip(f"{game} looks at a batch as a whole, and says so")
    split, found = watched(table, parts)
    first, batch = batches(whole, ToySource(SPEC), 2)
    whole.play_round(first)  # some penalties begin by measuring
    expected.clear()
    split.restore(*copy.deepcopy(whole.state()))
    for runner in (whole, split):
        runner.round = 0  # all turns are due
    one, two = whole.play_round(batch), split.play_round(batch)
    assert found.keys() == expected.keys()
    for turn in whole.turns:
        own = [name for name in expected if name.rpartition("/")[0] == turn.name]
        assert own, turn.name
        limit = limit_of(network, turn.name)
        assert relative([found[name] for name in own], [expected[name] for name in own]) <= limit, turn.name
        total = flat([expected[name] for name in own]).norm()
        for name in own:
            assert (found[name] - expected[name]).norm() <= 1e-5 * expected[name].norm() + 1e-8 * total, name
    assert one.keys() == two.keys()
    for name, value in one.items():
        power = 2 if name.endswith("_std") else 1  # made of sums of squares, whose rounding the root magnifies
        torch.testing.assert_close(two[name] ** power, value**power, rtol=1e-5, atol=1e-6)
    assert relative(split.game.parameters(), whole.game.parameters()) <= 1e-6


def flat(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def relative(found: Iterable[Tensor], expected: Iterable[Tensor]) -> float:
    right = flat(expected)
    return float((flat(found) - right).norm() / right.norm())


def test_gain_is_not_lost_among_microbatches():
    """A lazy turn's gradient is that of its loss times `every`, however many parts there are."""
    runner, _ = watched(game_example("gan"), 4)
    (batch,) = batches(runner, ToySource(SPEC), 1)
    lazy = next(turn for turn in runner.turns if turn.lazy)
    assert lazy.gain == lazy.every == 2
    player = runner.players[lazy.player]
    roll_dice(runner.game, Roll(3, lazy.name, rows=BATCH, total=BATCH))
    loss = sum(term.mean() for term in lazy.objective(batch).values())
    reached = torch.autograd.grad(loss, player.parameters, allow_unused=True)
    runner.take(lazy, batch)
    for parameter, plain in zip(player.parameters, reached, strict=True):
        if plain is not None:
            torch.testing.assert_close(parameter.grad, 2 * plain, rtol=1e-5, atol=1e-7)
