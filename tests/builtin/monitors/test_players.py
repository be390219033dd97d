"""Players that do not move, hear nothing, know nothing, or too much."""

from __future__ import annotations

import math

import pytest
from support.monitors import BATCH, REAL, ROUNDS, first, grid, log, plan, say

from ganforge.api.families import Monitor
from ganforge.api.monitor import LogLine
from ganforge.builtin.monitors.dead_player import DeadPlayer
from ganforge.builtin.monitors.discriminator_overfits import DiscriminatorOverfits
from ganforge.builtin.monitors.discriminator_too_weak import DiscriminatorTooWeak
from ganforge.builtin.monitors.exploding import Exploding
from ganforge.builtin.monitors.oscillation import Oscillation
from ganforge.builtin.monitors.saturated_augmentation import SaturatedAugmentation
from ganforge.builtin.monitors.vanishing_generator_gradient import VanishingGeneratorGradient

LOSS = "discriminator/adversarial"
MONITORS = (
    DeadPlayer(),
    DiscriminatorOverfits(),
    DiscriminatorTooWeak(),
    Exploding(),
    Oscillation(),
    SaturatedAugmentation(),
    VanishingGeneratorGradient(),
)


def healthy(n: int) -> dict[str, float]:
    """Numbers such as recipes/dcgan_digits.toml has."""
    learnt = 1 - math.exp(-n / 6)
    noise = 1 + 0.15 * math.sin(7.3 * n)
    return grid(learnt) | {
        "discriminator/adversarial": (0.5 + 0.3 / n) * noise,
        "discriminator/gradient_norm": (8 + 3 * n) * noise,
        "generator/adversarial": -0.1 * noise,
        "generator/gradient_norm": 8 * noise,
        "discriminator/separation": 0.99,
        "discriminator/real_score": 2.0,
        "discriminator/fake_score": -2.0,
        "discriminator/real_score_std": 0.6,
        "discriminator/fake_score_std": 0.5,
        "discriminator/overfit": 0.3,
        "weights/generator_moved": 0.02,
        "weights/discriminator_moved": 0.01,
        "augmentation/p": min(0.02 * n, 0.6),
        "augmentation/real_sign": 0.6,
    }


@pytest.mark.parametrize("monitor", MONITORS, ids=lambda monitor: monitor.kind)
@pytest.mark.parametrize(
    "recipe", ["dcgan_digits", "vanilla_digits", "wgan_digits", "lsgan_faces", "sngan_faces32", "r3gan_faces"]
)
def test_they_are_silent_while_all_is_well(monitor: Monitor, recipe: str) -> None:
    assert say(monitor, log(40, healthy), plan(recipe)) == []


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_a_player_whose_weights_stay_is_dead(player: str) -> None:
    lines = log(5, lambda n: healthy(n) | {f"weights/{player}_moved": 0.02 if n < 3 else 1e-9})
    number, finding = first(DeadPlayer(), lines)
    assert number == 4, "two lines in a row"
    assert player in finding.symptom
    assert "1e-09" in finding.evidence


def test_a_dead_player_with_next_to_no_learning_rate_gets_one() -> None:
    lines = log(5, lambda n: healthy(n) | {"weights/generator_moved": 1e-10})
    _, finding = first(DeadPlayer(), lines, "dcgan_digits", "game.generator.optimizer.lr=1e-12")
    assert finding.remedies[0] == "game.generator.optimizer.lr=0.0002"
    assert "1e-12" in finding.evidence


def test_a_player_that_a_schedule_has_let_down_is_not_dead() -> None:
    end = 20 * BATCH * ROUNDS
    down = f"game.generator.optimizer.lr={{start=2e-4, end=0.0, images={end}}}"
    lines = log(22, lambda n: healthy(n) | {"weights/generator_moved": 0.0 if n > 19 else 0.02})
    assert say(DeadPlayer(), lines, plan("dcgan_digits", down)) == []
    assert say(DeadPlayer(), lines, plan("dcgan_digits"))


def test_the_minimax_loss_itself_tells_that_nothing_is_passed_on() -> None:
    score = -7.0
    loss = -math.log1p(math.exp(score))
    lines = log(6, lambda n: healthy(n) | {"generator/adversarial": loss if n > 2 else -0.3})
    number, finding = first(VanishingGeneratorGradient(), lines, "vanilla_digits")
    assert number == 5
    assert finding.remedies[0] == 'game.loss="non-saturating"'
    assert f"{1 / (1 + math.exp(-score)):.2%}" in finding.evidence, "s(D(G(z))) of that score"
    assert say(VanishingGeneratorGradient(), lines, plan("dcgan_digits")) == [], "another loss"


def test_a_gradient_that_falls_to_nothing_has_vanished_with_any_loss() -> None:
    lines = log(6, lambda n: healthy(n) | {"generator/gradient_norm": 8.0 * 0.1**n})
    number, finding = first(VanishingGeneratorGradient(), lines, "sngan_faces32")
    assert number == 6, "8e-4 is 0.1 % of 0.8 on the fourth line, then two more"
    assert "0.8" in finding.evidence
    undecided = log(
        6, lambda n: healthy(n) | {"generator/gradient_norm": 8.0 * 0.1**n, "discriminator/separation": 0.5}
    )
    assert say(VanishingGeneratorGradient(), undecided) == [], "the players may have come to rest"


def test_a_discriminator_that_tells_nothing_while_all_is_to_be_told_is_too_weak() -> None:
    unlike = {"contrast": 0.05, "distance": 0.05, "mean": 0.3}
    lines = log(20, lambda n: healthy(n) | grid(**unlike) | {"discriminator/separation": 0.52})
    number, finding = first(DiscriminatorTooWeak(), lines)
    assert number * ROUNDS == 300 + 4 * ROUNDS
    assert "52%" in finding.evidence
    unplayed = log(20, lambda n: healthy(n) | grid(**unlike) | {"discriminator/separation": 0.5} | {LOSS: 0.0})
    assert say(DiscriminatorTooWeak(), unplayed) == [], "nobody plays for a loss of 0"
    alike = log(20, lambda n: healthy(n) | grid(0.9) | {"discriminator/separation": 0.52})
    assert say(DiscriminatorTooWeak(), alike) == [], "that is what the game is for"


def test_a_flat_discriminator_has_the_loss_of_one_that_knows_nothing() -> None:
    unlike = grid(0.2, mean=0.3) | {"discriminator/separation": 1.0}
    lines = log(20, lambda n: healthy(n) | unlike | {"discriminator/adversarial": 1.3862})
    number, finding = first(DiscriminatorTooWeak(), lines)
    assert number * ROUNDS == 300 + 4 * ROUNDS
    assert "1.386" in finding.evidence
    assert say(DiscriminatorTooWeak(), lines, plan("dcgan_digits", "game.loss=hinge")) == [], "2 is nothing there"


def test_too_strong_a_penalty_is_named_and_weakened() -> None:
    lines = log(20, lambda n: healthy(n) | grid(0.05, mean=0.3) | {"discriminator/separation": 0.5})
    strong = ("game.discriminator.network.norm=none", 'game.discriminator.regularizers=[{kind="r1", gamma=1e4}]')
    _, finding = first(DiscriminatorTooWeak(), lines, "dcgan_digits", *strong)
    assert "penalty" in finding.cause
    assert finding.remedies[0] == "game.discriminator.regularizers.0.gamma=10.0"


@pytest.mark.parametrize(
    ("values", "player"),
    [
        (lambda n: {"discriminator/fake_score": -10.0 * 2**n}, "discriminator"),
        (lambda n: {"generator/gradient_norm": 8.0 * 3**n}, "generator"),
        (lambda n: {"weights/generator_moved": 0.9}, "generator"),
        (lambda n: {"weights/generator_moved": 5.0 if n == 1 else 0.3}, "generator"),
        (lambda n: {"weights/discriminator_moved": 0.6 if n == 9 else 0.02}, "discriminator"),
    ],
    ids=["scores", "gradients", "weights", "a leap at first", "a leap later"],
)
def test_numbers_without_bound(values, player: str) -> None:
    _, finding = first(Exploding(), log(20, lambda n: healthy(n) | values(n)))
    assert finding.remedies[0].startswith(f"game.{player}.optimizer.lr=")


@pytest.mark.parametrize(
    ("rate", "remedy"),
    [
        ("0.1", "0.0002"),
        ("1e-3", "0.00025"),
        ("{start=1e-3, end=0.1, after_images=64_000, images=80_000}", "0.001"),
        (
            "{start=1e-3, end=1e-4, images=80_000}",
            '{ start = 0.00025, end = 2.5e-05, images = 80_000, after_images = 0, shape = "linear" }',
        ),
    ],
)
def test_a_learning_rate_far_too_high_is_made_customary(rate: str, remedy: str) -> None:
    lines = log(3, lambda n: healthy(n) | {"weights/generator_moved": 5.0})
    _, finding = first(Exploding(), lines, "dcgan_digits", f"game.generator.optimizer.lr={rate}")
    assert finding.remedies[0] == f"game.generator.optimizer.lr={remedy}"


def test_a_critic_that_nothing_holds_back_gets_a_constraint_first() -> None:
    lines = log(20, lambda n: healthy(n) | {"discriminator/real_score": 10.0 * 2**n})
    _, finding = first(Exploding(), lines, "wgan_gp_ring", "game.discriminator.regularizers=[]")
    assert finding.remedies[0] == 'game.discriminator.regularizers.0="gradient-penalty"'
    points = [
        LogLine.of(n, n, {k: v for k, v in line.values.items() if k != "grid/contrast"}) for n, line in enumerate(lines)
    ]
    _, finding = first(Exploding(), points, "wgan_gp_ring", "game.discriminator.regularizers=[]")
    assert finding.remedies[0] == 'game.discriminator.regularizers.0={ kind = "gradient-penalty", weight = 1.0 }'


def test_swings_that_do_not_shrink_are_oscillation_and_shrinking_ones_are_not() -> None:
    def swing(shrinking: float):
        return lambda n: healthy(n) | {"discriminator/adversarial": 0.5 * 4 ** (math.sin(n) * shrinking**n)}

    _, finding = first(Oscillation(), log(40, swing(1.0)))
    assert finding.severity == "warning", "samples look well"
    assert any(15 < float(word.strip(",")) < 17 for word in finding.evidence.split() if word[0].isdigit()), "4 x 4"
    assert say(Oscillation(), log(40, swing(0.9))) == []


def test_a_generator_that_runs_from_mode_to_mode_oscillates() -> None:
    def hop(n: int) -> dict[str, float]:
        return healthy(n) | grid(0.05, mean=0.6 * math.sin(0.8 * n))

    _, finding = first(Oscillation(), log(40, hop))
    assert finding.severity == "failure"
    assert "mean" in finding.evidence


def test_held_out_samples_that_look_generated() -> None:
    lines = log(12, lambda n: healthy(n) | {"discriminator/overfit": 0.4 + 0.05 * n})
    number, finding = first(DiscriminatorOverfits(), lines)
    assert number == 6, "the median of 0.55, 0.6, 0.65, 0.7 is over 0.6"
    assert "0.62" in finding.evidence
    assert finding.severity == "failure"
    assert 'game.discriminator.augmentations.0={ kind = "ada", speed_images = 15_000 }' in finding.remedies, "of 60,000"


def test_of_few_samples_diffaugment_and_r1_come_first() -> None:
    start = LogLine.of(0, 0, {"data/count": 100.0})
    lines = [start, *log(12, lambda n: healthy(n) | {"discriminator/overfit": 0.4 + 0.05 * n})]
    remedies = first(DiscriminatorOverfits(), lines)[1].remedies
    assert [remedy.partition("=")[0] for remedy in remedies[:2]] == [
        "game.discriminator.augmentations.0",
        "game.discriminator.regularizers.0",
    ]
    assert "diffaugment" in remedies[0]
    assert "r1" in remedies[1]


def test_overfitting_that_only_begins_is_a_warning() -> None:
    lines = log(12, lambda n: healthy(n) | {"discriminator/overfit": 0.03 * n})
    number, finding = first(DiscriminatorOverfits(), lines)
    assert number == 10, "the median of the seventh to the tenth is 0.255, of the first four 0.075: less than a third"
    assert finding.severity == "warning"


def test_an_augmentation_at_its_end() -> None:
    ada = 'game.discriminator.augmentations=[{kind="ada", target=-0.9}]'
    lines = log(12, lambda n: healthy(n) | {"augmentation/p": min(0.2 * n, 1.0), "augmentation/real_sign": 0.4})
    number, finding = first(SaturatedAugmentation(), lines, "dcgan_digits", ada)
    assert number == 8, "full from the fifth line on"
    assert finding.severity == "warning"
    assert finding.remedies[0] == "game.discriminator.augmentations.0.target=0.6"
    fixed = log(12, lambda n: grid() | {"augmentation/p": 1.0})
    assert say(SaturatedAugmentation(), fixed) == [], "a strength that was chosen does not adapt"


def test_readings_that_are_missing_are_no_sign() -> None:
    assert REAL
    for monitor in MONITORS:
        assert say(monitor, log(30, lambda n: {"generator/adversarial": -0.2}, {})) == []
