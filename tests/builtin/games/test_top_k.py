"""Top-k: the generator learns from the samples that score best."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from support.toys import ToySource, batches, gan_table, recipe_of, runner_of
from torch import Tensor

from ganforge.api.data import DataSpec
from ganforge.api.dice import Roll, roll_dice
from ganforge.api.schedule import set_clocks

SPEC = DataSpec((2,))
FALLING = {"start": 1.0, "end": 0.5, "images": 100}


def play(top_k: Any, images: int = 0, loss: str = "non-saturating", rows: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    """The generator's loss in a game with so many images shown, the losses of all samples, and their logits."""
    runner = runner_of(gan_table(generator__top_k=top_k, loss={"kind": loss}), SPEC, batch=rows)
    (batch,) = batches(runner, ToySource(SPEC), 1)
    set_clocks(runner.game, images)
    roll_dice(runner.game, Roll(0, "generator", images, 0, rows, rows))
    taught = runner.game.generator_objective((), batch)["adversarial"]
    roll_dice(runner.game, Roll(0, "generator", images, 0, rows, rows))
    duel = runner.game.generator_duel(batch)
    return taught, runner.game.loss.generator(duel), duel.fake_logits


@pytest.mark.parametrize("loss", ["non-saturating", "wasserstein", "relativistic", "minimax"])
@pytest.mark.parametrize(("share", "kept"), [(0.5, 6), (0.25, 3), (0.01, 1), (0.9, 11)])
def test_the_best_are_kept(loss: str, share: float, kept: int):
    taught, losses, logits = play(share, loss=loss)
    best = sorted(range(12), key=lambda row: -logits[row].item())[:kept]
    torch.testing.assert_close(taught.sort().values, losses[best].sort().values)


@pytest.mark.parametrize(("images", "kept"), [(0, 12), (50, 9), (100, 6), (500, 6)])
def test_the_share_may_fall_while_images_are_shown(images: int, kept: int):
    assert len(play(FALLING, images)[0]) == kept


def test_all_are_kept_by_default():
    taught, losses, _ = play(1.0)
    assert torch.equal(taught, losses)
    assert recipe_of(gan_table()).game.generator.top_k == 1


def test_others_have_no_gradient():
    """The gradient is that of the mean over those kept."""
    runner = runner_of(gan_table(generator__top_k=0.25), SPEC, batch=12)
    (batch,) = batches(runner, ToySource(SPEC), 1)
    roll_dice(runner.game, Roll(0, "generator", 0, 0, 12, 12))
    duel = runner.game.generator_duel(batch)
    (slope,) = torch.autograd.grad(runner.game.generator_adversarial_loss(duel).mean(), duel.fake)
    best = duel.fake_logits.topk(3).indices
    assert (slope[best].abs().sum(1) > 0).all()
    assert slope.abs().sum(1).count_nonzero() == 3


@pytest.mark.parametrize("share", [0.0, 1.5, -1, {"start": 1.0, "end": 0.0, "images": 10}])
def test_what_is_no_share_is_refused(share: Any):
    with pytest.raises(ValidationError, match="top_k"):
        recipe_of(gan_table(generator__top_k=share))


@pytest.mark.parametrize("kind", ["gan", "unrolled", "consensus"])
def test_games_of_two_know_it(kind: str):
    runner = runner_of({**gan_table(generator__top_k=0.5), "kind": kind}, SPEC, batch=8)
    for batch in batches(runner, ToySource(SPEC), 2):
        assert all(value.isfinite() for value in runner.play_round(batch).values())
