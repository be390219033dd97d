"""CR, bCR and zCR against the formulas, written out sample by sample."""

from __future__ import annotations

import pytest
import torch
from support.installed import catalogue
from support.toys import ToySource, batches, gan_table, recipe_of, runner_of
from torch import Tensor, nn

from ganforge.api.data import DataSpec
from ganforge.api.dice import Dice, Roll, roll_dice
from ganforge.api.duel import Duel
from ganforge.api.network import GeneratorNetwork
from ganforge.builtin.augmentations.ada import Ada
from ganforge.builtin.augmentations.diffaugment import DiffAugment
from ganforge.builtin.augmentations.instance_noise import InstanceNoise
from ganforge.builtin.augmentations.mirror import Mirror
from ganforge.builtin.networks.stylegan2 import StyleGAN2Generator
from ganforge.builtin.regularizers.balanced_consistency import BalancedConsistency
from ganforge.builtin.regularizers.consistency import Consistency
from ganforge.builtin.regularizers.latent_consistency import LatentConsistency, LatentDiversity
from ganforge.errors import DataError, RecipeError

SPEC = DataSpec((1, 4, 4))
ROLL = Roll(5, "test", rows=6, total=6)


def images(seed: int) -> Tensor:
    return torch.randn(6, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class Critic(nn.Module):
    """A smooth function of the whole image with one weight for each pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(images(9)[0].flatten())

    def forward(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        return (samples.flatten(1) @ self.weight).sin()


def flipped(module: nn.Module, path: str, calls: int) -> list[Tensor]:
    """Which samples a mirror at `path` turned in its first calls."""
    dice = Dice()
    dice.set_roll(path, ROLL)
    return [dice.uniform(6) < 0.5 for _ in range(calls)]


def by_hand(critic: Critic, samples: Tensor, flips: Tensor) -> Tensor:
    rows = []
    for sample, flip in zip(samples, flips, strict=True):
        turned = torch.stack([sample[..., 3 - column] for column in range(4)], -1) if flip else sample
        rows.append((critic(sample[None]) - critic(turned[None]))[0] ** 2)
    return torch.stack(rows)


@pytest.mark.parametrize("joint", [False, True])
def test_consistency(joint: bool):
    module, critic = Consistency(weight=3.0, transform=(Mirror(),)).build(SPEC), Critic()
    roll_dice(module, ROLL)
    found = module(Duel(critic, images(0), images(1), joint=joint))
    (flips,) = flipped(module, "transform.steps.0.dice", 1)
    assert 0 < flips.sum() < 6, "some are turned and some are not"
    torch.testing.assert_close(found, 3 * by_hand(critic, images(0), flips))


@pytest.mark.parametrize("joint", [False, True])
def test_balanced_consistency(joint: bool):
    module, critic = BalancedConsistency(weight_real=3.0, weight_fake=0.5, transform=(Mirror(),)).build(SPEC), Critic()
    roll_dice(module, ROLL)
    found = module(Duel(critic, images(0), images(1), joint=joint))
    first, second = flipped(module, "transform.steps.0.dice", 2)
    assert not torch.equal(first, second)
    expected = 3 * by_hand(critic, images(0), first) + 0.5 * by_hand(critic, images(1), second)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("recipe", [Consistency(), BalancedConsistency()], ids=lambda r: r.kind)
def test_weights_feel_it_as_finite_differences_say(recipe):
    module, critic = recipe.build(SPEC), Critic()

    def of_weight(weight: Tensor) -> Tensor:
        roll_dice(module, ROLL)
        return module(Duel(lambda x, labels: (x.flatten(1) @ weight).sin(), images(0), images(1)))

    assert torch.autograd.gradcheck(of_weight, (critic.weight.detach().requires_grad_(),))


def test_a_critic_blind_to_the_change_pays_nothing():
    module = BalancedConsistency(transform=(Mirror(),)).build(SPEC)
    roll_dice(module, ROLL)
    blind = module(Duel(lambda x, labels: x.square().sum((1, 2, 3)), images(0), images(1)))
    torch.testing.assert_close(blind, torch.zeros(6, dtype=torch.float64))


def test_transforms_are_a_chain_with_dice_of_their_own():
    chain = Consistency(transform=(Mirror(), DiffAugment(), InstanceNoise(std=0.3))).build(DataSpec((3, 8, 8)))
    assert len([module for module in chain.modules() if isinstance(module, Dice)]) == 3


def test_what_is_no_transform_is_refused_in_words():
    with pytest.raises(RecipeError, match="'ada' adapts"):
        Consistency(transform=(Ada(),)).build(SPEC)
    Consistency(transform=(Ada(p=0.5),)).build(DataSpec((1, 8, 8)))
    with pytest.raises(DataError, match=r"square images.*instance-noise"):
        Consistency().build(DataSpec((2,)))
    Consistency(transform=(InstanceNoise(),)).build(DataSpec((2,)))


def test_a_recipe_chooses_the_transform():
    transform = ["mirror", {"kind": "instance-noise", "std": {"start": 0.2, "end": 0.0, "images": 32}}]
    table = gan_table(discriminator__regularizers=[{"kind": "consistency", "transform": transform}])
    assert [part.kind for part in recipe_of(table).game.discriminator.regularizers[0].transform] == [
        "mirror",
        "instance-noise",
    ]
    runner = runner_of(table, DataSpec((1, 8, 8)))
    first, second, third = batches(runner, ToySource(DataSpec((1, 8, 8))), 3)
    for batch in (first, second, third):
        report = runner.play_round(batch)
    assert report["discriminator/consistency"] > 0
    assert "consistency" in catalogue().family("regularizers")


class Maker(GeneratorNetwork):
    """G(z) = tanh(A z) + noise, which draws the noise."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.dice = nn.Parameter(images(3).flatten()[:48].view(16, 3)), Dice()

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.plain(latents) + self.dice.normal(len(latents), 1, 4, 4)

    def plain(self, latents: Tensor) -> Tensor:
        return (latents @ self.weight.T).tanh().view(-1, 1, 4, 4)


def latents() -> Tensor:
    return images(4).flatten()[:18].view(6, 3)


def latent_case(recipe: LatentConsistency | LatentDiversity) -> tuple[nn.Module, Duel, Maker, Tensor]:
    """The module, a duel, its generator, and the latents that the module will move to."""
    module, generator = recipe.build(SPEC), Maker()
    whole = nn.ModuleDict({"penalty": module, "generator": generator})
    roll_dice(whole, ROLL)
    dice = Dice()
    dice.set_roll("penalty.dice", ROLL)
    moved = latents() + recipe.std * dice.normal(6, 3)
    duel = Duel(Critic(), images(0), lambda: generator(latents()), latents=latents(), generator=generator)
    return module, duel, generator, moved


def test_latent_diversity():
    module, duel, generator, moved = latent_case(LatentDiversity(weight=2.0, std=0.5))
    difference = generator.plain(moved) - generator.plain(latents())
    torch.testing.assert_close(module(duel), -2 * difference.square().flatten(1).mean(1))
    assert difference.square().mean() > 0.01
    assert generator.dice.calls == 1, "the noise of both is the same draw"


def test_latent_consistency():
    module, duel, generator, moved = latent_case(LatentConsistency(weight=2.0, std=0.5))
    found = module(duel)
    noise = duel.fake - generator.plain(latents())
    expected = 2 * (duel.discriminator(duel.fake, None) - duel.discriminator(generator.plain(moved) + noise, None)) ** 2
    torch.testing.assert_close(found, expected)
    duel.discriminator.weight.grad = None
    found.sum().backward()
    assert duel.discriminator.weight.grad.abs().sum() > 0


def test_latent_diversity_gradient_is_that_of_finite_differences():
    module, _, generator, _ = latent_case(LatentDiversity(std=0.5))

    def of_weight(weight: Tensor) -> Tensor:
        generator.weight.data = weight.detach()
        roll_dice(nn.ModuleDict({"penalty": module, "generator": generator}), ROLL)
        return module(Duel(Critic(), images(0), lambda: generator(latents()), latents=latents(), generator=generator))

    start = generator.weight.detach().clone()
    of_weight(start).sum().backward()
    slope, direction = generator.weight.grad, images(7).flatten()[:48].view(16, 3)
    up, down = (of_weight(start + sign * 1e-5 * direction).sum().item() for sign in (1, -1))
    assert (slope * direction).sum().item() == pytest.approx((up - down) / 2e-5, rel=1e-6)


def test_styles_are_mixed_alike():
    """With latents that do not move, nothing differs, though the generator mixes styles and adds noise."""
    torch.manual_seed(0)
    spec = DataSpec((1, 8, 8))
    generator = StyleGAN2Generator(latent=6, channel_base=64, channel_max=8, mapping_layers=2).build(spec)
    for parameter in generator.parameters():
        parameter.data += 0.1  # noise has strength
    module = LatentDiversity(std=1e-30).build(spec)
    roll_dice(nn.ModuleDict({"penalty": module, "generator": generator}), ROLL)
    z = torch.randn(6, 6)
    duel = Duel(lambda x, labels: x, torch.zeros(6, 1, 8, 8), lambda: generator(z), latents=z, generator=generator)
    assert (module(duel) == 0).all()
    assert not torch.equal(generator(z), duel.fake), "otherwise chance would differ"


def test_exchanged_samples_have_no_latents():
    module, duel, _, _ = latent_case(LatentConsistency())
    duel.latents = None
    with pytest.raises(RecipeError, match="every = 2"):
        module(duel)
