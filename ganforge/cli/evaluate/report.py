"""How `ganforge evaluate` tells what was measured: values, which way they are better, and what they depend on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from ganforge.cli.terminal.tables import Marks, Row, columns, direction, legend, plus_minus, table, wrapped
from ganforge.evaluation.evaluate import MetricValue
from ganforge.evaluation.receipts import describe_entry, differing
from ganforge.runs.evaluate import Evaluation

ENOUGH = 10_000  # generated samples below which a value is told with a warning
NETWORK = ("features", "weights-sha256", "resizer")  # what receipts say of a feature network
APART = ("metric", "images_shown", "seed", "warning", "reference", "reference-data", "reference-samples")


def lines(found: Evaluation) -> Iterator[str]:
    """Say it on a terminal: values, which way they are better, and what they depend on."""
    width, marks = columns(), Marks()
    names = {value.name: value for column in found.columns for value in column.values}
    rows = []
    for name, first in names.items():
        values = [next((value for value in column.values if value.name == name), None) for column in found.columns]
        letters = marks.line([None if value is None else value.receipt for value in values])
        cells = [
            "-" if value is None else f"{plus_minus(value.mean, value.std)} {letter}".rstrip()
            for value, letter in zip(values, letters, strict=True)
        ]
        rows.append(Row(direction(name, first.better), tuple(cells)))
    one = found.columns[0] if len(found.columns) == 1 else None
    after = f" after {one.images:,} images" if one is not None and one.images is not None else ""
    yield from wrapped(f"{found.samples}{after} against {found.reference}", width)
    yield ""
    heads = [column.name for column in found.columns] if one is None else ["value"]
    yield from table(heads, rows, width, "" if one is not None else "after so many images")
    yield ""
    betters = [value.better for value in names.values()]
    more = [f"mean ± standard deviation over {len(found.seeds)} seeds"] if len(found.seeds) > 1 else []
    yield "  " + "; ".join([legend(betters), *more])
    yield from marks.say(width)
    yield from _receipts(list(names.values()), found, width)


def _receipts(values: Sequence[MetricValue], found: Evaluation, width: int) -> Iterator[str]:
    """Say what values depend on: first what all have in common, then what each has of its own."""
    receipts = [value.receipt for value in values]
    common = {
        name: entry
        for name, entry in receipts[0].items()
        if name not in APART and all(other.get(name) == entry for other in receipts)
    }
    yield ""
    seeds = f"seed {found.seeds[0]}" if len(found.seeds) == 1 else f"seeds {found.seeds[0]} to {found.seeds[-1]}"
    real = {str(describe_entry("reference", receipt)): receipt for receipt in receipts if "reference" in receipt}
    said = [f"{text}, {receipt['reference-samples']:,} samples" for text, receipt in real.items()]
    shared = [*said, seeds, *(describe_entry(name, receipts[0]) for name in common)]
    yield from wrapped(f"receipt: {', '.join(shared)}", width, "  ", "    ")
    seen: list[tuple[list[str], Mapping[str, Any]]] = []
    for value in values:
        same = next((names for names, receipt in seen if not differing(receipt, value.receipt)), None)
        if same is None:
            seen.append(([value.name], value.receipt))
        else:
            same.append(value.name)
    networks = dict.fromkeys(tuple(receipt.get(name) for name in NETWORK) for _, receipt in seen)
    for network in networks if len(networks) > 1 else ():
        if network[0] is not None:
            told = dict(zip(NETWORK, network, strict=True))
            yield from wrapped(", ".join(describe_entry(name, told) for name in NETWORK), width, "  ", "    ")
    for names, receipt in seen if len(seen) > 1 else ():
        own = [describe_entry(name, receipt) for name in receipt if name not in {*common, *APART, *NETWORK[1:]}]
        yield from wrapped(f"{', '.join(names)}: {', '.join(own) or 'nothing else'}", width, "  ", "    ")
    yield from _warnings(receipts, width)


def _warnings(receipts: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    said = [str(receipt["warning"]) for receipt in receipts if receipt.get("warning")]
    few = [
        receipt["fake"] for receipt in receipts if not receipt.get("warning") and receipt.get("fake", ENOUGH) < ENOUGH
    ]
    if few:
        said.append(f"{min(few):,} samples are fewer than {ENOUGH:,}: compare at equal counts only")
    for text in dict.fromkeys(said):
        yield from (click.style(line, fg="yellow") for line in wrapped(f"! {text}", width, "  ", "    "))
