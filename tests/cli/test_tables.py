"""Tables on a terminal: pages, long entries, markup; numbers and their spread."""

from __future__ import annotations

import re

import click

from ganforge.cli.terminal.formats import format_mean
from ganforge.cli.terminal.tables import Footnotes, Row, table_lines


def test_numbers_and_their_spread():
    assert format_mean(94.3494, 0.4123) == "94.35 ± 0.41"
    assert format_mean(1234.5, 120.0) == "1,234 ± 120"
    assert format_mean(0.5, None) == "0.5000"
    assert format_mean(8.0, 0.0) == "8.000 ± 0"
    assert format_mean(float("nan"), 1.0) == "nan"


def test_long_entries_go_on_in_the_next_line():
    told = [click.unstyle(line) for line in table_lines(["one", "two"], [Row("name", ("x" * 100, "short"))], 60)]
    assert max(map(len, told)) <= 60
    assert "".join(told).count("x") == 100
    told = [click.unstyle(line).strip() for line in table_lines(["ring-lr-variant-00"], [Row("n" * 25, ("1",))], 40)]
    assert told[:2] == ["ring-lr-", "variant-00"], "rather after a sign than anywhere"
    assert told == [line.rstrip() for line in told]


def test_what_looks_like_markup_is_printed_as_it_is():
    told = list(table_lines(["[bold]head[/bold]"], [Row("[red]name", ("[/nothing]:smile:",))], 80, "[i]"))
    assert click.unstyle(told[0]).split() == ["[i]", "[bold]head[/bold]"]
    assert click.unstyle(told[1]).split() == ["[red]name", "[/nothing]:smile:"]


def test_twelve_columns_are_whole_in_pages_of_a_narrow_terminal():
    heads = [f"run-{number:02d}" for number in range(12)]
    rows = [Row("metrics"), Row("fid ↓", tuple(f"{number}.25 ± 0.5" for number in range(12)), bold=7)]
    told = list(table_lines(heads, rows, 80))
    text = click.unstyle("\n".join(told))
    pages = text.split("\n\n")
    assert len(pages) > 1
    assert all(page.splitlines()[1] == "metrics" for page in pages)
    shown = [page.splitlines() for page in pages]
    assert [head for page in shown for head in page[0].split()] == heads
    assert [cell for page in shown for cell in re.findall(r"\d+\.25 ± 0\.5", page[2])] == list(rows[1].cells)
    bold = re.findall(r"\x1b\[1m([^\x1b]*)\x1b", "".join(line for line in told if "fid" in line))
    assert [cell.strip() for cell in bold if cell.strip()] == ["7.25 ± 0.5"]


def test_a_name_that_is_too_long_goes_on_further_in():
    name = "game.discriminator.optimizer.lr.after_images"
    told = [click.unstyle(line) for line in table_lines(["one"], [Row(name, ("1" * 60,)), Row("next", ("2",))], 80)]
    names = [line[:34].rstrip() for line in told[1:]]
    assert names == ["  game.discriminator.optimizer.", "    lr.after_images", "  next"]


def test_the_same_reason_has_the_same_letter():
    footnotes = Footnotes()
    assert footnotes.mark("1.0", []) == "1.0"
    assert footnotes.mark("2.0", ["fake 100"]) == "2.0 a"
    assert footnotes.mark("3.0", ["truncation 0.5", "fake 100"]) == "3.0 b,a"
    assert [line.strip() for line in footnotes.lines(80)][1:] == ["a  fake 100", "b  truncation 0.5"]
    for number in range(2, 28):
        footnotes.mark("", [str(number)])
    assert footnotes.mark("4.0", ["27"]) == "4.0 ab", "after z comes aa, the 27th; this is the 28th"
