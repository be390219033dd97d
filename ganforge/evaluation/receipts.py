"""Receipts read again: which data a reference is, and what two values do not have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganforge.api.families import Dataset

OF_THE_SAMPLES = {"seed", "images_shown", "samples-of", "samples-data"}  # whose samples they are, not how they are seen
FOLLOWS = {"reference-data", "reference-samples", "warning"}  # say what other entries say already
SHORT = 12  # digits that are shown of a checksum


def describe_data(data: Dataset) -> str:
    """Return which data a component names: its kind, its path and its part, where it has them."""
    values = dict(data)
    parts = [f"{data.kind} {values['path']}" if values.get("path") else data.kind]
    if values.get("part", "all") != "all":
        parts.append(f"part {values['part']}")
    return ", ".join(parts)


def describe_reference(data: Dataset, reference: Dataset | None) -> str:
    """Return what receipts say that generated samples are compared with: `reference`; None = what is learnt from."""
    return f"training data: {describe_data(data)}" if reference is None else describe_data(reference)


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the entries in which two receipts differ so that the values are not to be compared, sorted.

    Whose samples they are, and the seed that drew them, may differ; so may the name of a reference whose content is the
    same.
    """
    names = (one.keys() | other.keys()) - OF_THE_SAMPLES - FOLLOWS
    found = sorted(name for name in names if one.get(name) != other.get(name))
    return tuple(found) if found or one.get("warning") == other.get("warning") else ("warning",)


def describe_entry(name: str, receipt: Mapping[str, Any]) -> str:
    """Return an entry of a receipt as a person reads it; the reference by its name and the beginning of its digest."""
    value = receipt.get(name)
    if name == "reference":
        known = receipt.get("reference-data")
        return f"reference {known} ({format_entry(value)})" if known else f"reference {format_entry(value)}"
    return f"{name.replace('_', ' ')} {format_entry(value)}"


def format_entry(value: Any) -> str:
    """Return a value of a receipt: checksums by their beginning, whole numbers with commas."""
    if value is None:
        return "not said"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return f"{text[:SHORT]}..." if len(text) >= 32 and all(letter in "0123456789abcdef" for letter in text) else text


def comparable_groups(receipts: Sequence[Mapping[str, Any] | None]) -> list[int]:
    """Number the kinds of receipts among several values: 0 for the most frequent one, the first of them in a tie.

    A value without a receipt (None) is of the kind -1.
    """
    kinds: list[Mapping[str, Any]] = []
    found: list[int] = []
    for receipt in receipts:
        if receipt is None:
            found.append(-1)
            continue
        known = [number for number, kind in enumerate(kinds) if not differing(kind, receipt)]
        if not known:
            kinds.append(receipt)
        found.append(known[0] if known else len(kinds) - 1)
    order = sorted(range(len(kinds)), key=lambda number: (-found.count(number), number))
    return [-1 if number < 0 else order.index(number) for number in found]


def explain_differences(receipts: Sequence[Mapping[str, Any] | None]) -> list[str]:
    """Return in words in what each receipt differs from the most frequent kind; nothing for those of that kind."""
    kinds = comparable_groups(receipts)
    usual = next((receipt for receipt, kind in zip(receipts, kinds, strict=True) if kind == 0), None)
    return ["" if kind == 0 else _difference(receipt, usual) for receipt, kind in zip(receipts, kinds, strict=True)]


def _difference(receipt: Mapping[str, Any] | None, usual: Mapping[str, Any] | None) -> str:
    if receipt is None or usual is None:
        return "" if usual is None else "it has no receipt that says how it came about"
    return "; ".join(
        f"{describe_entry(name, receipt)}, not {describe_entry(name, usual).removeprefix(name.replace('_', ' ') + ' ')}"
        for name in differing(usual, receipt)
    )
