"""The monitor speaks early, for a loss of almost nothing, with the numbers and with overrides that fit the recipe."""

from __future__ import annotations

import tomllib

import pytest

from ganforge.builtin.monitors.discriminator_too_strong import DiscriminatorTooStrong
from ganforge.monitor import Line, Plan

READING = "discriminator/adversarial"
PLAN = Plan(
    {
        "game": {
            "kind": "gan",
            "loss": {"kind": "non-saturating"},
            "discriminator": {"optimizer": {"kind": "adam", "lr": 2e-4}, "regularizers": [], "augmentations": ["ada"]},
        }
    }
)


def line(images: int, **values: float) -> Line:
    return Line.of(images, images // 32, {name.replace("__", "/"): value for name, value in values.items()})


def test_it_speaks_with_numbers_and_remedies_for_this_recipe() -> None:
    watcher = DiscriminatorTooStrong().build(PLAN)
    assert watcher.look(line(1_000, discriminator__adversarial=0.9)) == []
    (finding,) = watcher.look(line(2_000, discriminator__adversarial=0.0123))
    assert finding.name == "discriminator-too-strong"
    assert "0.0123" in finding.evidence
    assert "2,000" in finding.evidence
    assert finding.remedies == (
        "game.discriminator.optimizer.lr=5e-05",
        'game.discriminator.regularizers.0={kind="r1", gamma=1.0, every=16}',
    ), "there are no constraints in this game, and ada is there already"
    for remedy in finding.remedies:
        key, _, value = remedy.partition("=")
        assert tomllib.loads(f"value = {value}")


@pytest.mark.parametrize(
    ("images", "readings"),
    [
        (1_000, {READING: 0.1}),  # not under the threshold
        (3_201, {READING: 0.01}),  # not early
        (1_000, {READING: -5.0}),  # a loss without a lower bound
        (1_000, {READING: float("nan")}),
        (1_000, {"generator/adversarial": 0.01}),
        (1_000, {}),
    ],
)
def test_it_is_silent_otherwise(images: int, readings: dict[str, float]) -> None:
    assert DiscriminatorTooStrong().build(PLAN).look(Line.of(images, 1, readings)) == []


def test_thresholds_are_fields() -> None:
    watcher = DiscriminatorTooStrong(loss=0.5, within_images=10_000, reading="critic/loss").build(PLAN)
    assert watcher.look(Line.of(9_000, 1, {"critic/loss": 0.4}))


def test_the_wasserstein_loss_is_not_for_it() -> None:
    watcher = DiscriminatorTooStrong().build(Plan({"game": {"loss": {"kind": "wasserstein"}}}))
    assert watcher.look(Line.of(1_000, 1, {READING: 0.01})) == []
