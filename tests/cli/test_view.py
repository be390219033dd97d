from __future__ import annotations

import io
import re
import sys

import click
import pytest
from rich.console import Console

from ganforge.api.monitor import Finding
from ganforge.cli.terminal.formats import format_duration, format_number, format_rate
from ganforge.cli.terminal.live import LiveView
from ganforge.cli.terminal.progress import MetricHistory, RunProgress
from ganforge.cli.terminal.view import PlainView, SilentView, format_terms, make_view

LOGGED = {
    "discriminator/adversarial": 1.2345,
    "discriminator/r1": 0.0123,
    "discriminator/gradient_norm": 3.1,
    "discriminator/r1/gradient_norm": 0.5,
    "discriminator/real_score": 0.25,
    "generator/adversarial": 0.876,
    "augmentation/p": 0.1,
    "speed/images_per_second": 102.4,
}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def paced(total=10_000):
    clock = Clock()
    return RunProgress(total, clock), clock


def test_time_left_of_a_steady_run():
    run, clock = paced()
    assert run.seconds_left is None
    for images in range(0, 4001, 32):
        run.update(images)
        clock.now += 0.32  # 100 images/s
    clock.now -= 0.32
    assert run.seconds_left == pytest.approx((10_000 - 4000) / 100, rel=1e-6)


def test_time_left_counts_what_happens_between_rounds_and_only_this_process():
    run, clock = paced()
    run.update(8_000)  # resumed there
    clock.now += 5
    run.update(8_500)
    clock.now += 5  # a metric
    assert run.seconds_left == pytest.approx(1_500 / 50)


def test_looks_are_at_most_four_a_second():
    run, clock = paced(10**9)
    looks = 0
    for images in range(1, 1001):
        clock.now += 0.01
        looks += run.update(images)
    assert 30 <= looks <= 41


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0:00"), (59.6, "1:00"), (252, "4:12"), (3723, "1:02:03"), (90_000, "1 day 1 h")]
)
def test_duration(seconds, said):
    assert format_duration(seconds) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0"),
        (1.23456, "1.235"),
        (-12.3456, "-12.35"),
        (0.0123456, "0.0123"),
        (9999.4, "9999"),
        (12345.6, "12,346"),
        (1.2e-7, "1.20e-07"),
        (-3.4e9, "-3.40e+09"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)
def test_number(value, said):
    assert format_number(value) == said
    assert len(said) <= 9


def test_rate_has_a_decimal_where_it_tells_something():
    assert (format_rate(1234.5), format_rate(2.46)) == ("1,234", "2.5")


def test_terms_are_short_and_the_opponents_come_first():
    assert [(name, value.strip()) for name, value in format_terms(LOGGED)] == [
        ("D", "1.234"),
        ("G", "0.8760"),
        ("augmentation p", "0.1000"),
        ("r1", "0.0123"),
    ]
    twins = format_terms({"generator/cycle": 1.0, "other/cycle": 2.0, "other/adversarial": 3.0})
    assert [name for name, _ in twins] == ["other", "cycle", "other cycle"]


def test_best_goes_the_way_of_the_metric():
    history = MetricHistory({"fid": "lower", "coverage": "higher"})
    for images, value in ((1, 5.0), (2, 3.0), (3, float("nan")), (4, 4.0)):
        history.update(images, {"fid": value, "coverage": value, "other": value})
    assert history.best == {"fid": (3.0, 2), "coverage": (5.0, 1)}
    assert history.newest["other"] == (4.0, 4)
    history.update(5, {"fid-of-real": 1.0, "fids": 1.0})
    assert set(history.best) == {"fid", "coverage"}, "a yardstick has no best, whatever its name begins with"


def test_plain_lines_are_aligned(capsys):
    run, clock = paced(50_000)
    view = PlainView(run, MetricHistory({"fid": "lower"}))
    for images in (0, 3_200, 12_800):
        view.progress(images)
        if images:
            view.values(images, LOGGED)
        clock.now += 32
    view.values(12_800, {"fid": 148.25})
    view.say("a finding")
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0] == lines[0].rstrip()
    assert lines[0].startswith("   3,200/50,000 images    102 img/s     7:48 left  D 1.234   G 0.8760  ")
    assert [match.start() for match in re.finditer(r"D|G|r1", lines[0])] == [
        match.start() for match in re.finditer(r"D|G|r1", lines[1])
    ]
    assert lines[2] == "  12,800/50,000 images  fid 148.2 (best 148.2 at 12,800)"
    assert lines[3] == "a finding"


def test_quiet_says_only_what_must_be_read(capsys):
    with make_view(100, True) as view:
        assert isinstance(view, SilentView)
        view.progress(50)
        view.values(50, LOGGED)
        view.say("look")
    assert capsys.readouterr() == ("", "look\n")


def test_off_a_terminal_lines_are_plain_even_when_colour_is_forced(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with make_view(100, False) as view:
        assert isinstance(view, PlainView)


def live(width=80, **settings):
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=24, legacy_windows=False, **settings)
    run, clock = paced(50_000)
    return LiveView(console, run, MetricHistory({"fid": "lower"})), console, clock


def frame(view, console):
    return ["".join(segment.text for segment in line) for line in console.render_lines(view, pad=False)]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_live_view_fits_its_terminal(width):
    view, console, clock = live(width)
    with view:
        assert all(len(line) <= width for line in frame(view, console))
        view.values(3_200, LOGGED | {"generator/a-term-with-a-very-long-name-of-its-own": 1.0})
        view.values(3_200, {"fid": 123.4})
        for images in (0, 3_200):
            view.progress(images)
            clock.now += 32
        lines = frame(view, console)
    assert all(len(line) <= width for line in lines)
    assert len(lines) <= 24 or width == 20


def test_live_view_tells_all():
    view, console, clock = live()
    with view:
        for images in (0, 3_200):
            view.progress(images)
            clock.now += 32
        view.values(3_200, LOGGED)
        view.values(3_200, {"fid": 123.4})
        text = "\n".join(frame(view, console))
    for part in ("3,200 of 50,000 images   6 %   102 images/s", "15:36 left", "real score 0.2500", "r1 0.0123"):
        assert part in text
    assert re.search(r"^  generator +adversarial 0.8760$", text, re.MULTILINE)
    assert re.search(r"^  fid +123.4 at 3,200 images   best 123.4 at 3,200$", text, re.MULTILINE)
    assert "r1 gradient norm" not in text


def test_what_others_print_meanwhile_scrolls_above(capsys):
    view, console, _ = live()
    streams = sys.stdout, sys.stderr
    with view:
        click.echo("of click", err=True)
        sys.stderr.write("unfinished")
        view.say("[bold]of us[/bold]")
    assert (sys.stdout, sys.stderr) == streams
    shown = console.file.getvalue()
    assert "of click" in shown
    assert "unfinished" in shown
    assert "[bold]of us[/bold]" in shown
    assert capsys.readouterr().err == ""


FINDING = Finding(
    name="mode-collapse",
    symptom="the generated samples are all alike, whatever the latents are, and have been so for a while",
    evidence="grid/distance is 0.0123 and was 0.31; real samples are 0.42 apart",
    cause="the generator found one sample that the discriminator takes for real",
    remedies=('game.discriminator.regularizers.0={kind="gradient-penalty", weight=10.0, every=1, centre=0}',),
)


def test_a_finding_is_told_above_the_view_and_its_remedies_can_be_pasted():
    view, console, _ = live(60)
    with view:
        view.finding(12_000, FINDING)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue()).replace("\r", "").split("\n")
    told = lines[next(at for at, line in enumerate(lines) if "! mode-collapse" in line) :]
    assert told[0].strip() == "! mode-collapse  after 12,000 images"
    assert all(len(line) <= 60 for line in told if "--set" not in line)
    assert any(line.endswith(f"--set '{FINDING.remedies[0]}'") for line in told), "a remedy stays on one line"
    words = " ".join(" ".join(told).split())
    assert "have been so for a while" in words


def test_plain_and_quiet_views_tell_findings_too(capsys):
    with make_view(100, True) as view:
        view.finding(0, FINDING)
    said = capsys.readouterr().err
    assert "! mode-collapse  before the first round" in said
    assert "evidence  grid/distance is 0.0123" in said
    assert "try       --set 'game.discriminator" in said


def test_no_color_means_no_color(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    view, console, _ = live()
    with view:
        view.values(1, LOGGED | {"fid": 1.0})
    colours = re.findall(r"\x1b\[[0-9;]*\b(?:3[0-7]|4[0-7]|9[0-7]|38|48)\b[0-9;]*m", console.file.getvalue())
    assert colours == []
