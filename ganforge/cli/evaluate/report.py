"""Report of an evaluation on a terminal: values, which way they are better, and what they depend on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from ganforge.cli.terminal.formats import format_mean, wrapped
from ganforge.cli.terminal.tables import Footnotes, Row, explain_arrows, table_lines, with_arrow
from ganforge.evaluation.evaluate import MetricValue
from ganforge.evaluation.receipts import describe_entry, differing, explain_differences
from ganforge.runs.evaluation import Evaluation

FEW_SAMPLES = 10_000  # generated samples below which a value is told with a warning
NETWORK = ("features", "weights-sha256", "resizer")  # what receipts say of a feature network
# Entries of receipts that the report tells elsewhere.
TOLD_ELSEWHERE = ("metric", "images_shown", "seed", "warning", "reference", "reference-data", "reference-samples")


def evaluation_lines(found: Evaluation, width: int) -> Iterator[str]:
    """Yield the report, line by line: values, which way they are better, and what they depend on."""
    footnotes, single = Footnotes(), len(found.columns) == 1
    names = {value.name: value for column in found.columns for value in column.values}
    rows = []
    for name, first in names.items():
        values = {at: value for at, column in enumerate(found.columns) for value in column.values if value.name == name}
        caveats = dict(zip(values, explain_differences([value.receipt for value in values.values()]), strict=True))
        cells = ["-"] * len(found.columns)
        for at, value in values.items():
            cells[at] = footnotes.mark(format_mean(value.mean, value.std), [caveats[at]] if caveats[at] else [])
        rows.append(Row(with_arrow(name, first.better), tuple(cells)))
    images = found.columns[0].images if single else None
    after = "" if images is None else f" after {images:,} images"
    yield from wrapped(f"{found.samples}{after} against {found.reference}", width)
    yield ""
    heads = ["value"] if single else [column.name for column in found.columns]
    yield from table_lines(heads, rows, width, "" if single else "after so many images")
    yield ""
    arrows = explain_arrows([value.better for value in names.values()])
    spread = f"mean ± standard deviation over {len(found.seeds)} seeds" if len(found.seeds) > 1 else ""
    yield from wrapped("; ".join(filter(None, (arrows, spread))), width, "  ", "  ")
    yield from footnotes.lines(width)
    yield from _receipts(list(names.values()), found, width)


def _receipts(values: Sequence[MetricValue], found: Evaluation, width: int) -> Iterator[str]:
    """Say what values depend on: first what all have in common, then what each has of its own."""
    receipts = [value.receipt for value in values]
    common = {
        name: entry
        for name, entry in receipts[0].items()
        if name not in TOLD_ELSEWHERE and all(other.get(name) == entry for other in receipts)
    }
    yield ""
    seeds = f"seed {found.seeds[0]}" if len(found.seeds) == 1 else f"seeds {found.seeds[0]} to {found.seeds[-1]}"
    real = {str(describe_entry("reference", receipt)): receipt for receipt in receipts if "reference" in receipt}
    said = [f"{text}, {receipt['reference-samples']:,} samples" for text, receipt in real.items()]
    shared = [*said, seeds, *(describe_entry(name, receipts[0]) for name in common)]
    yield from wrapped(f"receipt: {', '.join(shared)}", width, "  ", "    ")
    seen: list[tuple[list[str], Mapping[str, Any]]] = []
    for value in values:
        same = next((names for names, receipt in seen if not differing(receipt, value.receipt)), [])
        seen += [] if same else [(same, value.receipt)]
        same.append(value.name)
    networks = dict.fromkeys(tuple(receipt.get(name) for name in NETWORK) for _, receipt in seen)
    for network in networks if len(networks) > 1 else ():
        if network[0] is not None:
            told = dict(zip(NETWORK, network, strict=True))
            yield from wrapped(", ".join(describe_entry(name, told) for name in NETWORK), width, "  ", "    ")
    for names, receipt in seen if len(seen) > 1 else ():
        own = [
            describe_entry(name, receipt) for name in receipt if name not in {*common, *TOLD_ELSEWHERE, *NETWORK[1:]}
        ]
        yield from wrapped(f"{', '.join(names)}: {', '.join(own) or 'nothing else'}", width, "  ", "    ")
    yield from _warnings(receipts, width)


def _warnings(receipts: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    said = [str(receipt["warning"]) for receipt in receipts if receipt.get("warning")]
    fewest = min(
        [FEW_SAMPLES, *(receipt.get("fake", FEW_SAMPLES) for receipt in receipts if not receipt.get("warning"))]
    )
    if fewest < FEW_SAMPLES:
        said.append(f"{fewest:,} samples are fewer than {FEW_SAMPLES:,}: compare at equal counts only")
    for text in dict.fromkeys(said):
        yield from (click.style(line, fg="yellow") for line in wrapped(f"! {text}", width, "  ", "    "))
