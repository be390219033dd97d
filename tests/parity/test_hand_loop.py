"""One process equals a loop written by hand: plain PyTorch, the paper's formulas, the same numbers from the dice."""

from __future__ import annotations

import copy

import torch
from support.toys import ToySource, batches, gan_table, runner_of
from torch import Tensor, nn
from torch.nn.functional import softplus

from ganforge.api.data import DataSpec
from ganforge.api.dice import Dice, Roll, roll_dice

SPEC = DataSpec((1, 8, 8))
BATCH, SEED = 16, 3


def relative(found: nn.Module, expected: nn.Module) -> float:
    """The distance of two networks' weights and buffers, all taken together, relative to their norm."""
    one, two = (torch.cat([t.detach().flatten() for t in m.state_dict().values()]) for m in (found, expected))
    return float((one - two).norm() / two.norm())


def latents(turn: str, round_: int) -> Tensor:
    dice = Dice()
    dice.set_roll("dice", Roll(SEED, turn, round_ * BATCH, 0, BATCH, BATCH))
    return dice.normal(BATCH, 8)


def test_the_plainest_gan():
    runner = runner_of(gan_table(), SPEC, batch=BATCH, seed=SEED)
    shown = batches(runner, ToySource(SPEC), 10)
    generator, discriminator = copy.deepcopy(runner.game.generator), copy.deepcopy(runner.game.discriminator)
    average = copy.deepcopy(generator)
    g_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-3, betas=(0.0, 0.99), eps=1e-8)
    d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-3, betas=(0.0, 0.99), eps=1e-8)
    for round_, batch in enumerate(shown):
        report = runner.play_round(batch)
        real = batch["image"]

        fake = generator(latents("discriminator", round_)).detach()
        d_loss = (softplus(-discriminator(real)) + softplus(discriminator(fake))).mean()
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()

        g_loss = softplus(-discriminator(generator(latents("generator", round_)))).mean()
        g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()

        images = (round_ + 1) * BATCH
        keep = 0.5 ** (BATCH / min(500, 0.05 * images))
        for old, new in zip(average.parameters(), generator.parameters(), strict=True):
            old.data = keep * old.data + (1 - keep) * new.data

        torch.testing.assert_close(report["discriminator/adversarial"], d_loss.detach(), rtol=1e-5, atol=0)
        torch.testing.assert_close(report["generator/adversarial"], g_loss.detach(), rtol=1e-5, atol=0)
    assert relative(runner.game.generator, generator) < 1e-6
    assert relative(runner.game.discriminator, discriminator) < 1e-6
    assert relative(runner.players["generator"].ema.average, average) < 1e-6


def test_stylegan2_with_lazy_penalties():
    """R1 every 2 rounds, path length every 3: the learning-rate correction and the running mean length by hand."""
    style = {"kind": "stylegan2", "channel_base": 64, "channel_max": 8, "mapping_layers": 2}
    table = gan_table(
        generator__network={**style, "latent": 8},
        discriminator__network=style,
        discriminator__regularizers=[{"kind": "r1", "gamma": 2.0, "every": 2}],
        generator__regularizers=[{"kind": "path-length", "weight": 3.0, "every": 3, "decay": 0.1, "batch_shrink": 2}],
    )
    runner = runner_of(table, SPEC, batch=BATCH, seed=SEED)
    shown = batches(runner, ToySource(SPEC), 10)
    game = copy.deepcopy(runner.game)
    generator, discriminator = game.generator, game.discriminator
    direction = game.penalties["generator-path-length"].dice
    g_share, d_share = 3 / 4, 2 / 3  # k / (k + 1)
    g_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-3 * g_share, betas=(0.0, 0.99**g_share), eps=1e-8)
    d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-3 * d_share, betas=(0.0, 0.99**d_share), eps=1e-8)
    mean_length = None

    def step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        generator.zero_grad()
        discriminator.zero_grad()
        loss.backward()
        optimizer.step()
        settle(generator.seen_styles)

    def settle(tally: nn.Module) -> None:  # the mean style belongs to the network; its tally is the runner's to settle
        tally.settled += tally.pending
        tally.pending.zero_()

    for round_, batch in enumerate(shown):
        runner.play_round(batch)
        real = batch["image"]

        def z(turn: str, round_: int = round_) -> Tensor:
            roll_dice(game, Roll(SEED, turn, round_ * BATCH, 0, BATCH, BATCH))
            return game.dice.normal(BATCH, 8)

        with torch.no_grad():
            fake = generator(z("discriminator"))
        step(d_optimizer, (softplus(-discriminator(real)) + softplus(discriminator(fake))).mean())
        if round_ % 2 == 0:
            leaf = real.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(discriminator(leaf).sum(), leaf, create_graph=True)
            step(d_optimizer, 2 * (2.0 / 2 * gradient.square().sum((1, 2, 3))).mean())
        step(g_optimizer, softplus(-discriminator(generator(z("generator")))).mean())
        if round_ % 3 == 0:
            styles = generator.styles(z("generator/path-length")[::2])
            images = generator.synthesize(styles)
            noise = direction.normal(*images.shape) / 8  # sqrt(height x width)
            (gradient,) = torch.autograd.grad((images * noise).sum(), styles, create_graph=True)
            lengths = gradient.square().sum(2).mean(1).sqrt()
            aim = lengths.detach() if mean_length is None else mean_length
            step(g_optimizer, 3 * (3.0 * (lengths - aim).square()).mean())
            seen = lengths.detach().mean()
            # the runner moves the mean when the next turn begins; by hand it is kept up to date
            mean_length = seen if mean_length is None else mean_length + 0.1 * (seen - mean_length)
    assert relative(runner.game.generator, generator) < 1e-6
    assert relative(runner.game.discriminator, discriminator) < 1e-6
