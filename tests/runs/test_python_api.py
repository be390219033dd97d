"""What Python callers are told when an argument cannot be, and which names they find."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from support.installed import catalogue
from support.paths import ROOT

import ganforge
from ganforge.errors import GanforgeError
from ganforge.evaluation.evaluate import MetricValue
from ganforge.runs.evaluation import EvaluatedSamples
from ganforge.runs.sampling import choose_device

RING = ROOT / "recipes" / "vanilla_ring.toml"


@pytest.mark.parametrize("name", ["gpu", "cuda:7", ""])
def test_a_device_of_no_known_name_is_refused(name):
    with pytest.raises(GanforgeError, match="expected one of auto, cpu, cuda"):
        choose_device(name)
    with pytest.raises(GanforgeError, match="expected one of auto, cpu, cuda"):
        ganforge.train(RING, device=name)


@pytest.mark.parametrize(
    ("field", "value", "least"),
    [("samples", 0, 1), ("real", -1, 1), ("resolution", 0, 1), ("seed", -1, 0), ("repeat", 0, 1)],
)
def test_an_evaluation_out_of_range_is_refused(field, value, least):
    with pytest.raises(ganforge.RecipeError, match=rf"{field} .*expected {least} or more"):
        ganforge.EvaluationRequest(**{field: value})


@pytest.mark.parametrize("truncation", [0.0, -1.0, 1.5, float("nan")])
def test_an_evaluation_of_a_run_wants_a_truncation_in_its_range(tmp_path, truncation):
    evaluator = ganforge.Evaluator(ganforge.EvaluationRequest(), catalogue(), torch.device("cpu"), notify=print)
    with pytest.raises(ganforge.RecipeError, match=r"truncation .* is out of range"):
        evaluator.evaluate_run(tmp_path, truncation=truncation)


def test_resuming_needs_the_folder_of_a_run():
    with pytest.raises(ganforge.RecipeError, match="folder"):
        ganforge.train(RING, resume=True)


def test_every_error_that_training_raises_can_be_named():
    for name in (
        "PluginError",
        "BrokenPluginError",
        "MemoryShortageError",
        "CheckpointError",
        "DivergedError",
        "LostError",
    ):
        assert issubclass(getattr(ganforge, name), ganforge.GanforgeError)


def test_a_star_brings_every_name():
    code = "from ganforge import *; print(train.__module__, Generator.__module__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["ganforge.runs.python_api", "ganforge.api.families"]


def test_an_evaluation_is_read_by_the_names_that_it_yields():
    values = tuple(
        MetricValue(name, "fid", "lower", (0,), (value,), ({},)) for name, value in [("fid", 2.0), ("kid", 3.0)]
    )
    evaluation = ganforge.Evaluation("a", "b", (0,), (EvaluatedSamples("value", None, values),))
    assert {name: evaluation[name].mean for name in evaluation} == {"fid": 2.0, "kid": 3.0}
    with pytest.raises(KeyError, match="there are: fid, kid"):
        _ = evaluation["is"]
