"""Scores that do not overlap for long are told, and those that overlap now and then are not."""

from __future__ import annotations

import pytest

from ganforge.api.monitor import Finding, LogLine
from ganforge.api.plan import Plan
from ganforge.builtin.monitors.no_overlap import NoOverlap

READING = "discriminator/separation"


def plan(loss: str = "hinge") -> Plan:
    optimizer = {"kind": "adam", "lr": 2e-3}
    discriminator = {"optimizer": optimizer, "regularizers": []}
    generator = {"optimizer": {"kind": "adam", "lr": 5e-4}}
    return Plan(
        {"game": {"kind": "gan", "loss": {"kind": loss}, "generator": generator, "discriminator": discriminator}}
    )


def said(separations: list[float | None], of: Plan) -> list[list[Finding]]:
    """Show a line every 100 rounds."""
    watcher = NoOverlap().build(of)
    lines = [LogLine.of(1_600 * n, 100 * n, {} if s is None else {READING: s}) for n, s in enumerate(separations)]
    return [watcher.look(line) for line in lines]


def test_it_warns_after_a_thousand_rounds_with_remedies() -> None:
    found = said([0.7, 0.95, *[0.996] * 11], plan())
    assert [len(findings) for findings in found] == [0] * 12 + [1]
    (finding,) = found[-1]
    assert (finding.name, finding.severity) == ("no-overlap", "warning")
    assert "for 1,000 rounds over 99% of real samples" in finding.evidence
    assert finding.remedies[0] == "game.discriminator.optimizer.lr=0.0005", "as the generator's"


def test_lines_without_the_reading_do_not_interrupt_it() -> None:
    assert said([*[0.996, None] * 5, 0.996], plan())[-1] != []


@pytest.mark.parametrize(
    ("separations", "loss"),
    [
        ([0.996] * 10, "hinge"),  # 900 rounds
        ([*[0.996] * 9, 0.98, *[0.996] * 9], "hinge"),  # they overlap in between
        ([0.95] * 40, "hinge"),
        ([None] * 40, "hinge"),
        ([1.0] * 40, "wasserstein"),  # which does not saturate
    ],
)
def test_it_is_silent_otherwise(separations: list[float | None], loss: str) -> None:
    assert [finding for findings in said(separations, plan(loss)) for finding in findings] == []
