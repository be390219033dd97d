"""AC-GAN, InfoGAN and the semi-supervised GAN: formulas, what each turn costs, codes, and labels that nobody knows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from pydantic import ValidationError
from support.installed import catalogue
from support.toys import ToySource, batches, gan_table, recipe_of, runner_of
from torch import Tensor
from torch.distributions import Normal

from ganforge.api.data import Batch, DataSpec
from ganforge.api.dice import Dice, Roll, roll_dice
from ganforge.api.duel import Duel
from ganforge.api.families import Discriminator
from ganforge.api.game import Terms
from ganforge.api.network import DiscriminatorNetwork
from ganforge.builtin.games.ac_gan import AcGan
from ganforge.builtin.games.infogan import MIN_LOG_VARIANCE, categorical_bound, gaussian_bound
from ganforge.builtin.games.semi_supervised import labelled_cross_entropy
from ganforge.builtin.losses.non_saturating import NonSaturating
from ganforge.builtin.optimizers.adam import Adam
from ganforge.errors import DataError, GanforgeError, RecipeError
from ganforge.training.runner import Runner

SPEC = DataSpec((1, 8, 8), 3)
MATCHING = [{"kind": "feature-matching", "group": 0}]


def game_of(kind: str, spec: DataSpec = SPEC, batch: int = 8, **changes: Any) -> tuple[Runner, Batch]:
    runner = runner_of(gan_table(kind=kind, **changes), spec, batch=batch)
    return runner, batches(runner, ToySource(spec), 1)[0]


def terms_of(runner: Runner, player: str, batch: Batch, start: int = 0, total: int = 8) -> Terms:
    turn = next(turn for turn in runner.turns if turn.player == player)
    roll_dice(runner.game, Roll(1, turn.name, start=start, rows=len(batch["image"]), total=total))
    return turn.objective(batch)


def fakes_of(runner: Runner, player: str, batch: Batch) -> Tensor:
    """The generated samples of the first turn of a player."""
    roll_dice(runner.game, Roll(1, player, rows=len(batch["image"]), total=len(batch["image"])))
    return runner.game.generator(runner.game.draw_latents(len(batch["image"])), batch.get("label"))


# formulas


def test_score_by_logsumexp_is_a_softmax_over_one_class_more():
    """Salimans et al. 2016, sec. 5: with l_{K+1} = 0, D = 1 - p(K + 1 | x), and the loss is the two log-likelihoods."""
    real, fake = torch.randn(2, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def critic(logits: Tensor, labels: Tensor | None) -> Tensor:
        return logits.logsumexp(1)

    found = NonSaturating().discriminator(Duel(critic, real, fake))
    last_real, last_fake = (torch.cat([x, torch.zeros(6, 1)], 1).softmax(1)[:, -1] for x in (real, fake))
    torch.testing.assert_close(found.mean(), -((1 - last_real).log() + last_fake.log()).mean())
    # and p(y | x, y < K + 1), which the cross-entropy is about, is the softmax over K classes
    whole = torch.cat([real, torch.zeros(6, 1)], 1).softmax(1)
    torch.testing.assert_close(whole[:, :-1] / whole[:, :-1].sum(1, keepdim=True), real.softmax(1))


def test_categorical_bound():
    codes = torch.arange(5)
    nothing = categorical_bound(torch.zeros(5, 5, dtype=torch.float64), codes)
    torch.testing.assert_close(nothing, torch.zeros(5, dtype=torch.float64))
    everything = categorical_bound(1e3 * torch.eye(5, dtype=torch.float64), codes)
    torch.testing.assert_close(everything, torch.full((5,), math.log(5), dtype=torch.float64))
    noisy = torch.full((2, 2), 0.1, dtype=torch.float64) + 0.8 * torch.eye(2)  # a channel that errs once in ten
    found = 0.9 * categorical_bound(noisy.log(), torch.tensor([0, 1])).mean()
    found += 0.1 * categorical_bound(noisy.log(), torch.tensor([1, 0])).mean()
    entropy = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert found.item() == pytest.approx(math.log(2) - entropy), "the capacity of a binary symmetric channel"


def test_gaussian_bound():
    generator = torch.Generator().manual_seed(1)
    mean, log_variance, codes = torch.randn(3, 7, 2, dtype=torch.float64, generator=generator)
    expected = Normal(mean, (log_variance / 2).exp()).log_prob(codes).sum(1) + 2 * math.log(2)
    torch.testing.assert_close(gaussian_bound(mean, log_variance, codes), expected)
    # codes told with noise of deviation s: log(2 / s) - log(2 pi e) / 2, the mutual information but for the edges
    s, codes = 0.1, torch.linspace(-1, 1, 2001, dtype=torch.float64)[:, None]
    noise = s * torch.randn(2001, 1, dtype=torch.float64, generator=generator)
    found = gaussian_bound(codes + noise, torch.full_like(codes, 2 * math.log(s)), codes).mean()
    assert found.item() == pytest.approx(math.log(2 / s) - 0.5 * math.log(2 * math.pi * math.e), abs=0.05)


def test_codes_cannot_be_told_without_bound():
    exact = gaussian_bound(torch.zeros(1, 1), torch.full((1, 1), -1e4), torch.zeros(1, 1))
    assert exact.item() == pytest.approx(math.log(2) - 0.5 * (MIN_LOG_VARIANCE + math.log(2 * math.pi)))


# turns


@pytest.mark.parametrize("kind", ["ac-gan", "infogan", "semi-supervised"])
def test_heads_read_the_forward_that_scores(kind: str):
    runner, batch = game_of(kind)
    rows: list[int] = []
    backbone = runner.game.discriminator.backbone
    examine = backbone.forward_features
    backbone.forward_features = lambda samples, labels=None: (rows.append(len(samples)), examine(samples, labels))[1]
    terms_of(runner, "discriminator", batch)
    assert rows == [16], "real and generated samples, once"
    rows.clear()
    terms_of(runner, "generator", batch)
    assert rows == [8], "generated samples, once"


@pytest.mark.parametrize("network", ["mlp", "dcgan"])
def test_ac_gan_classifies_real_and_generated_samples(network: str):
    """Each player's terms are the cross-entropies of the head, weighted; DCGAN's norm sees real and generated apart."""
    sides = {f"{side}__network": {"kind": network, "width": 8} for side in ("generator", "discriminator")}
    runner, batch = game_of("ac-gan", class_weight=2.0, fake_class_weight=0.5, generator_class_weight=3.0, **sides)
    game = runner.game
    for player, weights in (
        ("discriminator", {"class-real": 2.0, "class-fake": 0.5}),
        ("generator", {"class-fake": 3.0}),
    ):
        found = terms_of(runner, player, batch)
        assert {name for name in found if name.startswith("class")} == set(weights)
        for name, weight in weights.items():
            samples = batch["image"] if name == "class-real" else fakes_of(runner, player, batch)
            logs = game.classify(samples).log_softmax(1)
            expected = -weight * logs[torch.arange(8), batch["label"]]
            torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-5)


def test_ac_gans_discriminator_is_not_given_the_label():
    runner, batch = game_of("ac-gan")
    one, two = (
        runner.game.discriminator_logits(batch["image"], label) for label in (batch["label"], (batch["label"] + 1) % 3)
    )
    assert torch.equal(one, two)
    assert runner.game.discriminator.head.out_features == 3


class Mute(DiscriminatorNetwork):
    def forward(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        return samples.flatten(1).sum(1)


class MuteRecipe(Discriminator):
    kind: Literal["mute"] = "mute"

    def build(self, data: DataSpec) -> DiscriminatorNetwork:
        return Mute()


def test_a_discriminator_that_shows_nothing_is_refused():
    player = {"optimizer": Adam(lr=1e-3)}
    table = {
        "loss": NonSaturating(),
        "generator": {"network": "mlp", **player},
        "discriminator": {"network": MuteRecipe(), **player},
    }
    recipe = AcGan.model_validate(table, context={"catalogue": catalogue()})
    with pytest.raises(RecipeError, match=r"game\.discriminator\.network: .*'mute' does not show it; choose"):
        recipe.build(SPEC)


@pytest.mark.parametrize("kind", ["ac-gan", "semi-supervised"])
def test_data_without_classes_are_refused(kind: str):
    with pytest.raises(DataError, match=r"data\.labels = true"):
        runner_of(gan_table(kind=kind), replace(SPEC, classes=0))


# codes


def test_infogan_hides_codes_behind_the_noise():
    changes = {"categories": [4, 2], "continuous": 3, "generator__network": {"kind": "mlp", "latent": 5, "width": 16}}
    runner, batch = game_of("infogan", DataSpec((1, 8, 8)), **changes)
    game = runner.game
    assert game.generator.layers[0].in_features == 5 + 4 + 2 + 3
    roll_dice(game, Roll(1, "x", rows=64, total=64))
    latents = game.draw_latents(64)
    first, second, numbers = latents[:, 5:9], latents[:, 9:11], latents[:, 11:]
    for hot in (first, second):
        assert torch.equal(hot.sort(1, descending=True)[0][:, 0], torch.ones(64))
        assert torch.equal(hot.sum(1), torch.ones(64))
        assert hot.sum(0).min() > 0
    assert -1 <= numbers.min() < -0.8 < 0.8 < numbers.max() <= 1
    assert {"adversarial", "categorical-information", "continuous-information"} == set(
        terms_of(runner, "generator", batch)
    )


def test_infogans_information_is_the_weighted_bound():
    runner, batch = game_of("infogan", categories=[3], continuous=2, categorical_weight=2.0, continuous_weight=0.5)
    game = runner.game
    found = terms_of(runner, "generator", batch)
    roll_dice(game, Roll(1, "generator", rows=8, total=8))
    latents = game.draw_latents(len(batch["image"]))
    samples = game.generator(latents, batch["label"])
    told = game.discriminator.head(game.discriminator.forward_features(samples, batch["label"])[1][-1])
    hot, numbers = latents[:, 8:11], latents[:, 11:]
    expected = -2 * categorical_bound(told[:, :3], hot.argmax(1))
    torch.testing.assert_close(found["categorical-information"], expected)
    expected = -0.5 * gaussian_bound(told[:, 3:5], told[:, 5:], numbers)
    torch.testing.assert_close(found["continuous-information"], expected)


def test_infogan_draws_codes_in_turn_however_the_batch_is_split():
    runner, _ = game_of("infogan", DataSpec((1, 8, 8)), categories=[3, 2])
    game = runner.game

    def draw(start: int, rows: int):
        roll_dice(game, Roll(1, "x", start=start, rows=rows, total=32))
        return game.draw(rows)

    whole, part = draw(0, 12), draw(4, 8)
    assert whole.codes[:, 0].tolist() == [0, 1, 2] * 4
    assert whole.codes[:, 1].tolist() == [0, 0, 0, 1, 1, 1] * 2
    assert torch.equal(whole.latents[:, 8:11].argmax(1), whole.codes[:, 0])
    torch.testing.assert_close(part.latents, whole.latents[4:])


def test_truncation_leaves_codes_alone():
    runner, _ = game_of("infogan", DataSpec((1, 8, 8)), categories=[3], continuous=1)
    game, seen = runner.game, []
    game.generator.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    for truncation in (1.0, 0.3):
        roll_dice(game, Roll(1, "x", rows=32, total=32))
        game.sample(32, None, truncation)
    assert torch.equal(seen[0][:, 8:], seen[1][:, 8:])
    assert seen[0][:, :8].abs().max() > 0.6 >= seen[1][:, :8].abs().max()


def test_infogan_needs_a_code():
    with pytest.raises(RecipeError, match="needs a code"):
        game_of("infogan", categories=[], continuous=0)


def test_codes_may_be_continuous_alone():
    runner, batch = game_of("infogan", DataSpec((1, 8, 8)), categories=[], continuous=2)
    assert set(terms_of(runner, "generator", batch)) == {"adversarial", "continuous-information"}
    roll_dice(runner.game, Roll(1, "x", rows=4, total=4))
    assert runner.game.draw(4).codes is None


def test_places_count_over_processes_and_microbatches():
    dice = Dice()
    with pytest.raises(RuntimeError, match="roll"):
        dice.row_numbers(2)
    dice.set_roll("dice", Roll(1, "x", start=6, rows=3, total=12))
    assert dice.row_numbers(3).tolist() == [6, 7, 8]


# few labels


def few(batch: Batch) -> Batch:
    """The same batch, of which two labels are known."""
    return {**batch, "label": torch.where(torch.arange(8) % 4 == 1, batch["label"], -1)}


def test_only_known_labels_are_learnt_from():
    logits = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    losses = labelled_cross_entropy(logits, torch.tensor([2, -1, 0, -1]))
    expected = -logits.log_softmax(1)
    torch.testing.assert_close(
        losses, torch.stack([expected[0, 2], expected.new_zeros(()), expected[2, 0], expected.new_zeros(())])
    )
    losses.sum().backward()
    assert logits.grad[[1, 3]].abs().max() == 0
    assert logits.grad[[0, 2]].abs().min() > 0


def test_the_mean_over_labels_does_not_depend_on_how_a_batch_is_split():
    """Halves of a batch, one with all known labels, give the mean of the whole, and that of these labels alone."""
    runner, batch = game_of("semi-supervised", replace(SPEC, labelled=0.25))
    batch = {**batch, "label": torch.where(torch.arange(8) < 2, batch["label"], -1)}
    whole = terms_of(runner, "discriminator", batch)["class"].mean()
    halves = [{name: value[index : index + 4] for name, value in batch.items()} for index in (0, 4)]
    split = [terms_of(runner, "discriminator", half, 4 * i)["class"].mean() for i, half in enumerate(halves)]
    torch.testing.assert_close(torch.stack(split).mean(), whole)
    logs = runner.game.classify(batch["image"][:2]).log_softmax(1)
    torch.testing.assert_close(whole, -logs[torch.arange(2), batch["label"][:2]].mean())


def test_the_semi_supervised_score_is_the_heads_logsumexp():
    runner, batch = game_of("semi-supervised", replace(SPEC, labelled=0.25))
    game = runner.game
    torch.testing.assert_close(
        game.discriminator_logits(batch["image"], batch["label"]), game.classify(batch["image"]).logsumexp(1)
    )
    report = runner.play_round(few(batch))
    assert all(value.isfinite() for value in report.values())
    without = {**batch, "label": torch.full((8,), -1)}
    assert terms_of(runner, "discriminator", without)["class"].abs().sum() == 0


def test_weights_of_the_semi_supervised_game():
    spec = replace(SPEC, labelled=0.25)
    alone, batch = game_of("semi-supervised", spec, adversarial_weight=0.0)
    assert terms_of(alone, "discriminator", few(batch))["adversarial"].abs().sum() == 0
    paper, _ = game_of("semi-supervised", spec, generator_adversarial_weight=0.0, generator__regularizers=MATCHING)
    assert set(terms_of(paper, "generator", few(batch))) == {"feature-matching"}
    with pytest.raises(ValidationError, match="generator would learn nothing"):
        game_of("semi-supervised", spec, generator_adversarial_weight=0.0)


def test_semi_supervised_samples_have_no_label():
    runner, _ = game_of("semi-supervised")
    drawn = []
    for labels in (None, torch.zeros(4, dtype=torch.long)):
        roll_dice(runner.game, Roll(1, "x", rows=4, total=4))
        drawn.append(runner.game.sample(4, labels))
    assert torch.equal(*drawn)


def test_games_that_need_every_label_refuse_few():
    spec = replace(SPEC, labelled=0.25)
    for kind in ("gan", "ac-gan", "infogan"):
        with pytest.raises(RecipeError, match=r"75\.0% of the data have none; choose the game semi-supervised"):
            runner_of(gan_table(kind=kind), spec)


def test_a_game_without_a_classifier_says_so():
    runner, batch = game_of("gan")
    with pytest.raises(GanforgeError, match="does not tell classes"):
        runner.game.classify(batch["image"])


def test_recipes_of_the_three_can_be_read():
    for kind in ("ac-gan", "infogan", "semi-supervised"):
        assert recipe_of(gan_table(kind=kind)).game.kind == kind
