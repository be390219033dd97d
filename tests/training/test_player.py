"""Steps, the correction for lazy turns, and what a checkpoint holds of a player."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganforge.api.game import EmaRecipe, PlayerRecipe, Turn
from ganforge.api.schedule import Ramp
from ganforge.builtin.constraints.weight_clipping import WeightClipping
from ganforge.builtin.optimizers.adam import Adam
from ganforge.training.player import Player, main_step_fraction


def turn(name: str, player: str, every: int = 1, *, lazy: bool = False) -> Turn:
    return Turn(name, player, lambda batch: {}, every, lazy)


@pytest.mark.parametrize("every", [2, 4, 16])
def test_one_lazy_turn_gives_the_papers_factor(every: int):
    """k / (k + 1): Karras et al. 2020, arXiv:1912.04958, appendix B."""
    turns = [turn("d", "d"), turn("d/r1", "d", every, lazy=True), turn("g", "g")]
    assert main_step_fraction(turns, "d") == pytest.approx(every / (every + 1))
    assert main_step_fraction(turns, "g") == 1
    assert [t.gain for t in turns] == [1, every, 1]


def test_two_lazy_turns():
    turns = [turn("d", "d"), turn("a", "d", 4, lazy=True), turn("b", "d", 16, lazy=True)]
    assert main_step_fraction(turns, "d") == pytest.approx(1 / (1 + 1 / 4 + 1 / 16))


def test_a_turn_that_is_rare_but_not_lazy_is_not_made_up_for():
    assert main_step_fraction([turn("g", "g", 5)], "g") == 1
    assert turn("g", "g", 5).gain == 1


def test_when_turns_are_due():
    rare = Turn("t", "g", lambda batch: {}, every=3, after_images=50)
    assert [round_ for round_ in range(10) if rare.due(round_, round_ * 10)] == [6, 9]


def player(step_fraction: float = 1.0, **fields: object) -> Player:
    recipe = PlayerRecipe(optimizer=fields.pop("optimizer", Adam(lr=0.1, betas=(0.5, 0.99))), **fields)
    torch.manual_seed(0)
    return Player("g", nn.Linear(3, 2), recipe, step_fraction)


def test_share_corrects_learning_rate_and_betas():
    (group,) = player(0.8).optimizer.param_groups
    assert group["lr"] == pytest.approx(0.08)
    assert group["betas"] == pytest.approx((0.5**0.8, 0.99**0.8))


def test_learning_rate_follows_the_images():
    at = player(0.5, optimizer=Adam(lr=Ramp(start=1.0, end=0.0, images=100)))
    for images, expected in ((0, 0.5), (50, 0.25), (100, 0.0)):
        at.network(torch.ones(1, 3)).sum().backward()
        at.step(images)
        assert at.optimizer.param_groups[0]["lr"] == pytest.approx(expected)


def test_constraints_come_after_the_step():
    at = player(constraints=(WeightClipping(limit=0.01),))
    at.network(torch.ones(1, 3)).sum().backward()
    at.step(0)
    assert at.network.weight.abs().max() <= 0.01


def test_state_and_restore_to_the_bit():
    one, two = (player(ema=EmaRecipe(half_life_images=10)) for _ in range(2))

    def step(at: Player, images: int) -> None:
        at.optimizer.zero_grad()
        (at.network(torch.arange(6.0).view(2, 3)) ** 2).sum().backward()
        at.step(images)
        assert at.ema is not None
        at.ema.update(images, 2)

    for images in (0, 2):
        step(one, images)
    tensors, facts = one.state()
    two.network.load_state_dict(one.network.state_dict())
    two.restore({path: tensor.clone() for path, tensor in tensors.items()}, facts)
    for images in (4, 6):
        step(one, images)
        step(two, images)
    after, again = one.state()[0], two.state()[0]
    assert after.keys() == again.keys()
    assert all(torch.equal(after[path], again[path]) for path in after)
    assert any(path.startswith("ema/") for path in after)


def test_a_player_that_never_stepped_can_be_saved():
    tensors, facts = player().state()
    assert (tensors, facts) == ({}, {})
    player().restore(tensors, facts)


def test_moments_keep_the_strides_of_the_weights():
    recipe = PlayerRecipe(optimizer=Adam(lr=0.1))
    players = [Player("d", nn.Conv2d(4, 4, 3).to(memory_format=torch.channels_last), recipe, 1.0) for _ in range(2)]
    players[0].network(torch.randn(1, 4, 8, 8)).sum().backward()
    players[0].step(0)
    tensors, facts = players[0].state()
    players[1].restore({path: tensor.contiguous() for path, tensor in tensors.items()}, facts)
    moment = players[1].optimizer.state[players[1].network.weight]["exp_avg_sq"]
    assert moment.stride() == players[1].network.weight.stride()
