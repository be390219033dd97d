"""The ATen operations of a round stay within the budget that each recipe notes in its head."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import torch
from support.paths import RECIPE_FILES, ROOT
from support.recipes import narrowed
from support.toys import ToySource, batches, gan_table, runner_of

from ganforge.api.data import DataSpec

_FILE = ROOT / "benchmarks" / "operations.py"
_SPEC = importlib.util.spec_from_file_location("benchmark_operations", _FILE)
assert _SPEC is not None
assert _SPEC.loader is not None
operations = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(operations)

BUDGET = re.compile(r"^# operations per round: ([\d_,]+)$", re.MULTILINE)


@pytest.mark.parametrize("path", RECIPE_FILES, ids=lambda path: path.stem)
def test_operations_are_within_the_budget(path: Path, tmp_path: Path):
    head = path.read_text().partition("\nseed")[0].partition("\n[")[0]
    noted = BUDGET.search(head)
    assert noted, f"{path.name} notes no budget; write what `python benchmarks/operations.py {path.name}` counts"
    budget = int(noted[1].replace("_", "").replace(",", ""))
    counted = operations.count(operations.load(path, tuple(narrowed(path, tmp_path))))
    assert counted <= 1.05 * budget, f"{counted:.0f} operations a round; the recipe's head says {budget}"
    assert counted >= 0.8 * budget, f"only {counted:.0f} operations a round: lower the budget of {budget}"


def test_the_counter_counts():
    with operations.Counter() as counter, torch.no_grad():
        (torch.ones(3) * 2).sum()
    assert counter.operations == 3
    numbers = torch.ones(3, requires_grad=True)
    with operations.Counter() as forward:
        result = (numbers * 2).sum()
    with operations.Counter() as backward:
        result.backward()
    assert forward.operations == 2
    assert backward.operations >= 3, "the engine's operations are counted too: ones_like, expand, mul"


def test_lazy_turns_are_weighted():
    spec = DataSpec((1, 8, 8))
    counts = {}
    for every in (1, 2, 4):
        table = gan_table(discriminator__regularizers=[{"kind": "r1", "every": every}])
        runner = runner_of(table, spec, batch=8)
        (batch,) = batches(runner, ToySource(spec), 1)
        counts[every] = operations.operations_per_round(runner, dict(batch))
    plain = runner_of(gan_table(), spec, batch=8)
    base = operations.operations_per_round(plain, dict(batches(plain, ToySource(spec), 1)[0]))
    assert counts[2] - base == pytest.approx(2 * (counts[4] - base), abs=1)
