"""The monitor speaks once, early, for a loss of almost nothing, with the numbers and with overrides that are TOML."""

from __future__ import annotations

import tomllib

import pytest

from ganforge.builtin.monitors.discriminator_too_strong import DiscriminatorTooStrong

READING = "discriminator/adversarial"


def test_it_speaks_once_with_numbers_and_remedies() -> None:
    watcher = DiscriminatorTooStrong().build()
    assert watcher.look(1_000, {READING: 0.9}) == []
    (finding,) = watcher.look(2_000, {READING: 0.0123})
    assert finding.name == "discriminator-too-strong"
    assert "0.0123" in finding.evidence
    assert "2,000" in finding.evidence
    assert finding.remedies
    for remedy in finding.remedies:
        assert tomllib.loads(remedy)["game"]["discriminator"]
    assert watcher.look(3_000, {READING: 0.001}) == []


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
    assert DiscriminatorTooStrong().build().look(images, readings) == []


def test_thresholds_are_fields() -> None:
    watcher = DiscriminatorTooStrong(loss=0.5, within_images=10_000, reading="critic/loss").build()
    assert watcher.look(9_000, {"critic/loss": 0.4})
