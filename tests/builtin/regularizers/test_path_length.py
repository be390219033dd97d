from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganforge.api.data import DataSpec
from ganforge.api.dice import Dice, Roll, roll_dice
from ganforge.api.duel import Duel
from ganforge.api.network import StyleGenerator
from ganforge.builtin.networks.stylegan2 import StyleGAN2Generator
from ganforge.builtin.regularizers.path_length import PathLength, PathLengthPenalty

SPEC = DataSpec((2, 4, 4))


class Curved(StyleGenerator):
    """Images tanh(A w0 + B w1) of two layers: simple enough for a Jacobian by hand."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.kernels = nn.Parameter(torch.randn(2, 32, 3, generator=generator) * 0.3)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.synthesize(self.styles(latents, labels))

    def styles(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return (latents * 1.0)[:, None].expand(-1, 2, -1)

    def synthesize(self, styles: Tensor) -> Tensor:
        return torch.einsum("lpw,blw->bp", self.kernels, styles).tanh().view(-1, *SPEC.shape)


def module(**fields: object) -> PathLengthPenalty:
    built = PathLength(**fields).build(SPEC)  # type: ignore[arg-type]
    assert isinstance(built, PathLengthPenalty)
    return built


def duel(generator: StyleGenerator, latents: Tensor) -> Duel:
    images = torch.zeros(len(latents), *SPEC.shape)
    return Duel(lambda samples, labels: samples, images, images, latents=latents, generator=generator)


def latents(rows: int) -> Tensor:
    return torch.randn(rows, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()


def lengths_by_jacobian(penalty: PathLengthPenalty, network: Curved, styles: Tensor, roll: Roll) -> Tensor:
    dice = Dice()
    dice.set_roll("dice", roll)
    directions = dice.normal(len(styles), *SPEC.shape) / 4  # sqrt(4 * 4)
    found = []
    for style, direction in zip(styles, directions, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda s: network.synthesize(s[None])[0], style)
        moved = torch.einsum("chwlk,chw->lk", jacobian, direction)
        found.append(moved.square().sum(1).mean().sqrt())
    return torch.stack(found)


def test_penalty_is_that_of_the_jacobian() -> None:
    network, penalty = Curved(), module(weight=3.0, batch_shrink=2)
    penalty.mean.fill_(0.4)
    penalty.begun.fill_(1)
    roll = Roll(0, "test", 0, 0, 8, 8)
    roll_dice(penalty, roll)
    found = penalty(duel(network, latents(8)))
    expected = lengths_by_jacobian(penalty, network, network.styles(latents(8)[::2]), roll)
    torch.testing.assert_close(found, 3 * (expected - 0.4).square(), rtol=1e-5, atol=1e-6)


def test_gradient_agrees_with_finite_differences() -> None:
    network, penalty = Curved(), module(batch_shrink=1)
    penalty.mean.fill_(0.4)
    penalty.begun.fill_(1)

    def value() -> Tensor:
        roll_dice(penalty, Roll(0, "test", 0, 0, 4, 4))
        return penalty(duel(network, latents(4))).mean()

    value().backward()
    direction = torch.randn(network.kernels.shape, generator=torch.Generator().manual_seed(2))
    slope = (network.kernels.grad * direction).sum().item()
    ends = []
    for step in (1e-2, -1e-2):
        network.kernels.data += step * direction
        ends.append(value().item())
        network.kernels.data -= step * direction
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-2, rel=2e-2)


def settle(penalty: PathLengthPenalty) -> None:
    penalty.seen.settle(penalty.seen.pending)


def test_mean_follows_from_turn_to_turn() -> None:
    network, penalty = Curved(), module(decay=0.25, batch_shrink=1)
    means, seen = [], []
    for turn in range(3):
        roll = Roll(0, "test", turn, 0, 8, 8)
        roll_dice(penalty, roll)
        found = penalty(duel(network, latents(8)))
        length = lengths_by_jacobian(penalty, network, network.styles(latents(8)), roll).detach()
        if turn == 0:  # there is no mean yet
            assert (found == 0).all()
        seen.append(length.mean().item())
        means.append(penalty.mean.item())
        settle(penalty)
    assert means == pytest.approx([0, seen[0], seen[0] + 0.25 * (seen[1] - seen[0])], rel=1e-4)


def test_mean_is_the_same_in_one_batch_and_in_two() -> None:
    after = []
    for parts in (1, 2):
        network, penalty, rows = Curved(), module(batch_shrink=2), 8 // parts
        for _ in range(2):
            for part in range(parts):
                roll_dice(penalty, Roll(0, "test", 0, part * rows, rows, 8))
                penalty(duel(network, latents(8)[part * rows : (part + 1) * rows]))
            settle(penalty)
        after.append(penalty.mean.item())
    assert after[0] > 0
    assert after[0] == pytest.approx(after[1], rel=1e-5)


@pytest.mark.parametrize("classes", [0, 3])
def test_stylegan2_learns_from_it(classes: int) -> None:
    torch.manual_seed(0)
    spec = DataSpec((1, 8, 8), classes)
    network = StyleGAN2Generator(latent=6, channel_base=64, channel_max=8, mapping_layers=2).build(spec)
    penalty = PathLength().build(spec)
    labels = torch.arange(8) % 3 if classes else None
    both = nn.ModuleList([network, penalty])
    roll_dice(both, Roll(0, "test", 0, 0, 8, 8))
    images = torch.zeros(8, *spec.shape)
    game = Duel(lambda samples, _: samples, images, images, labels, latents=torch.randn(8, 6), generator=network)
    found = penalty(game)
    assert found.shape == (4,)
    found.mean().backward()
    silent = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert all(name.endswith(("noise_strength", "bias")) for name in silent), silent
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters() if parameter.grad is not None)
