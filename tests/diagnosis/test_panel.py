"""The panel tells once what is found, knows since when and whether it holds, and begins anew after a roll-back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import pytest
from pydantic import Field
from support.installed import catalogue
from support.toys import recipe_of

from ganforge.api.families import Monitor, RemedyFor
from ganforge.api.monitor import Finding, LogLine, Watcher
from ganforge.api.plan import Plan
from ganforge.builtin.regularizers.r1 import R1
from ganforge.diagnosis.panel import Panel, replay_log
from ganforge.errors import RecipeError
from ganforge.plugins.catalogue import Catalogue, CatalogueEntry, Plugin
from ganforge.recipes.recipe import monitors_of, plan_of


class Above(Monitor):
    """Speaks while a reading is above a limit; for tests."""

    kind: Literal["above"] = "above"
    reading: str = Field(default="a", description="which")
    limit: float = Field(default=1.0, description="how much")
    severity: Literal["warning", "failure"] = Field(default="failure", description="how bad")
    needs: int = Field(default=1, description="lines in a row")

    def build(self, plan: Plan) -> Watcher:
        return Looking(self)


class Looking(Watcher):
    def __init__(self, monitor: Above) -> None:
        self.monitor, self.row = monitor, 0

    def look(self, line: LogLine) -> list[Finding]:
        value = line.get(self.monitor.reading)
        if value is None:
            return []
        if value == 99:
            raise ZeroDivisionError("broken")
        self.row = self.row + 1 if value > self.monitor.limit else 0
        if self.row < self.monitor.needs:
            return []
        return [
            Finding(f"{self.monitor.reading}-is-high", "it is high", f"{value:g}", "?", ("a=1",), self.monitor.severity)
        ]


def line(images: int, **values: float) -> LogLine:
    return LogLine.of(images, images // 16, values)


def panel_of(*monitors: Monitor, action="warn") -> Panel:
    return Panel(monitors, Plan({}), action)


class Calming(R1):
    """A third party's regularizer, offered against what `Above` finds; for tests."""

    kind: Literal["calming"] = "calming"
    remedy_for: ClassVar[RemedyFor] = {"a-is-high": {"gamma": 0.5}}


def test_what_is_installed_offers_itself_after_what_a_monitor_proposes():
    installed = Catalogue([CatalogueEntry("regularizers", "calming", Calming, Plugin("mine", "mine", "1"))])
    plan = Plan({"game": {"discriminator": {"regularizers": ["r1"]}}}, installed=installed)
    monitors = [Above(), Above(reading="b")]
    found = {case.finding.name: case.finding.remedies for case in Panel(monitors, plan).look(line(16, a=2, b=2))}
    assert found["a-is-high"] == ("a=1", 'game.discriminator.regularizers.1={ kind = "calming", gamma = 0.5 }')
    assert found["b-is-high"] == ("a=1",), "it helps against the other"


def test_lines_that_are_kept_share_their_names():
    lines = [LogLine.of(images, 1, {"".join(["fi", "d"]): 1.0}) for images in (10, 20)]
    assert next(iter(lines[0].values)) is not next(iter(lines[1].values))
    first, second = replay_log(lines, Panel([], Plan({}))).lines
    assert next(iter(first.values)) is next(iter(second.values))
    assert (first, second) == tuple(lines)


def test_it_is_told_once_and_known_to_hold_or_not():
    panel = panel_of(Above())
    told = [len(panel.look(line(images, a=a))) for images, a in ((10, 0), (20, 2), (30, 3), (40, 0))]
    assert told == [0, 1, 0, 0]
    (case,) = panel.cases
    assert (case.first, case.last, case.holds, case.finding.evidence) == (20, 30, False, "2")
    panel.look(line(50, a=5))
    assert (case.last, case.holds, len(panel.cases)) == (50, True, 1)


def test_a_line_without_the_reading_ends_nothing():
    panel = panel_of(Above())
    panel.look(line(20, a=2, b=0))
    panel.look(line(20, fid=3))
    assert panel.cases[0].holds
    panel.look(line(30, b=1))
    assert not panel.cases[0].holds, "it was looked for again, in a line with names that the other had"


@pytest.mark.parametrize(
    ("own", "severity", "default", "expected"),
    [
        (None, "failure", "warn", "warn"),
        (None, "failure", "stop", "stop"),
        (None, "warning", "stop", "warn"),
        ("roll-back", "warning", "warn", "roll-back"),
        ("warn", "failure", "stop", "warn"),
    ],
)
def test_what_follows(own, severity, default, expected):
    panel = panel_of(Above(action=own, severity=severity), action=default)
    assert panel.look(line(20, a=2))[0].action == expected
    assert panel.acts is ((own or default) != "warn")


def test_failures_come_first_and_then_the_order_of_monitors():
    panel = panel_of(Above(reading="a", severity="warning"), Above(reading="b"), Above(reading="c"))
    assert [case.finding.name for case in panel.look(line(1, a=2, b=2, c=2))] == ["b-is-high", "c-is-high", "a-is-high"]


def test_a_roll_back_is_a_line_with_fewer_images():
    lines = [line(10, a=2), line(20, a=2), line(30, a=2), line(10, rollbacks=1), line(20, a=0), line(30, a=2)]
    panel = replay_log(lines, panel_of(Above(needs=3)))
    assert panel.rollbacks == 1
    assert [(case.first, case.rollbacks) for case in panel.undone] == [(30, 0)]
    assert panel.cases == [], "the row of three was broken after the roll-back, where only one of it was left"
    assert [known.images for known in panel.lines] == [10, 10, 20, 30]
    again = replay_log(
        [line(10, a=2), line(20, a=2), line(30, a=2), line(20, rollbacks=1), line(30, a=3)], panel_of(Above(needs=3))
    )
    assert [(case.first, case.rollbacks, case.finding.evidence) for case in again.cases] == [(30, 1, "3")]


def test_what_was_said_before_the_checkpoint_is_not_new_after_a_roll_back():
    panel = panel_of(Above())
    assert len(panel.look(line(10, a=2))) == 1
    panel.look(line(20, a=2))
    assert panel.look(line(10, rollbacks=1)) == []
    assert panel.look(line(20, a=2)) == []
    assert [(case.first, case.last) for case in panel.cases] == [(10, 20)]


def test_a_monitor_that_breaks_says_so_and_is_left_out():
    panel = panel_of(Above(reading="a"), Above(reading="b"))
    (case,) = panel.look(line(10, a=99, b=0))
    assert case.finding.name == "above-broke"
    assert "ZeroDivisionError: broken" in case.finding.evidence
    assert case.finding.severity == "warning"
    assert [found.finding.name for found in panel.look(line(20, a=99, b=2))] == ["b-is-high"]


def kinds_of(**diagnosis: object) -> Mapping[str, Monitor]:
    changes = {f"diagnosis__{key}": value for key, value in diagnosis.items()}
    return {monitor.kind: monitor for monitor in monitors_of(recipe_of(**changes), catalogue())}


def test_all_installed_monitors_watch_unless_the_recipe_says_otherwise():
    installed = {kind for kind, cls in catalogue().family("monitors").items() if cls.standard}
    assert "discriminator-too-strong" in installed
    assert set(kinds_of()) == installed
    assert kinds_of(standard=False) == {}
    assert set(kinds_of(ignore=["discriminator-too-strong"])) == installed - {"discriminator-too-strong"}
    with pytest.raises(
        RecipeError, match="no monitor 'discriminator-too-stong'; did you mean 'discriminator-too-strong'"
    ):
        kinds_of(ignore=["discriminator-too-stong"])


def test_a_monitor_that_is_listed_takes_the_place_of_the_one_with_defaults():
    recipe = recipe_of(monitors=[{"kind": "discriminator-too-strong", "loss": 0.5}])
    chosen = [monitor for monitor in monitors_of(recipe, catalogue()) if monitor.kind == "discriminator-too-strong"]
    assert [monitor.loss for monitor in chosen] == [0.5]
    ranks = [monitor.rank for monitor in monitors_of(recipe, catalogue())]
    assert ranks == sorted(ranks)


def test_the_plan_knows_which_way_metrics_get_better():
    plan = plan_of(recipe_of(metrics=[{"kind": "pixel-variance"}]))
    assert plan.direction("pixel-variance") in ("lower", "higher")
    assert plan.at("metrics.0.kind") == "pixel-variance"
