"""Metrics measured by two processes together are those measured by one: rows to the bit, values to 1e-12."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.processes import in_processes
from support.world import METRICS, REAL, examine


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examined")
    for processes in (1, 2):
        in_processes(processes, folder / str(processes), examine, folder / str(processes))
    return folder


def told(found: Path, processes: int, turn: str) -> dict[str, dict[str, float]]:
    return json.loads((found / str(processes) / f"{turn}.json").read_text())["values"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("turn", ["computed", "kept"])
def test_rows_are_the_same_to_the_bit(found: Path, turn: str) -> None:
    one, two = (load_file(found / processes / f"{turn}.rows") for processes in ("1", "2"))
    assert one["samples"].float().std() > 10
    assert one.keys() == two.keys()
    assert [key for key in one if not torch.equal(one[key], two[key])] == []


@pytest.mark.parametrize("metric", METRICS)
def test_values_are_the_same(found: Path, metric: str) -> None:
    one = told(found, 1, "computed")[metric]
    assert all(value != 0 for value in one.values())
    for processes, turn in ((2, "computed"), (1, "kept"), (2, "kept")):
        assert told(found, processes, turn)[metric] == pytest.approx(one, rel=1e-12)


@pytest.mark.parametrize("processes", [1, 2])
def test_reference_statistics_are_recalled_by_all_or_none(found: Path, processes: int) -> None:
    first, second = (json.loads((found / str(processes) / f"{turn}.json").read_text())["read"]
                     for turn in ("computed", "kept"))  # fmt: skip
    assert first == second >= REAL // processes, "the second time nothing was read"
