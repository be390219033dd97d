"""Formats of numbers, times and paragraphs that people read."""

from __future__ import annotations

import math
import textwrap


def format_duration(seconds: float) -> str:
    """Return 0:07, 4:12, 1:02:03 or 3 days 4 h."""
    whole = round(seconds)
    days, rest = divmod(whole, 86_400)
    hours, minutes, seconds_left = rest // 3600, rest // 60 % 60, rest % 60
    if days:
        return f"{days} day{'s' if days > 1 else ''} {hours} h"
    return f"{hours}:{minutes:02d}:{seconds_left:02d}" if hours else f"{minutes}:{seconds_left:02d}"


def format_number(value: float) -> str:
    """Return a value in four figures, in at most nine characters."""
    if value == 0 or not math.isfinite(value):
        return f"{value:.0f}"
    if 1e-3 <= abs(value) < 9999.5:
        return f"{value:.{max(0, min(4, 3 - math.floor(math.log10(abs(value)))))}f}"
    return f"{value:,.0f}" if 9999.5 <= abs(value) < 999_999.5 else f"{value:.2e}"


def format_rate(speed: float) -> str:
    """Return images per second, with a decimal where it tells something."""
    return f"{speed:,.0f}" if speed >= 10 else f"{speed:.1f}"


def format_mean(mean: float, std: float | None) -> str:
    """Return a value, with its standard deviation in two figures where there is one."""
    if std is None or not math.isfinite(mean):
        return format_number(mean)
    if not math.isfinite(std) or std == 0 or std < 1e-6 * abs(mean):
        return f"{format_number(mean)} ± {format_number(std)}"
    places = max(0, 1 - math.floor(math.log10(std)))
    return f"{mean:,.{places}f} ± {std:.{places}f}" if places < 6 else f"{mean:.3g} ± {std:.1e}"


def wrapped(text: str, width: int, first: str = "", then: str = "") -> list[str]:
    """Break a paragraph, never inside a word."""
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=then, break_long_words=False, break_on_hyphens=False
    )
