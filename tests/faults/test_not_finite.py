"""NaN in the data, in a loss, in a gradient: the run ends before the step, says where, and keeps its checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.ring import ring_recipe
from torch import Tensor

from ganforge.builtin.data.gaussians import GaussianSource
from ganforge.builtin.losses.non_saturating import NonSaturating
from ganforge.builtin.networks.mlp import MlpGeneratorNetwork
from ganforge.cli import main
from ganforge.storage.checkpoint import list_checkpoints, load_newest

RECIPE = ring_recipe(images=96, batch=16, log_every=16, grid_every=48, checkpoint_every=32)
OUT = Path("out")


class Spoil(torch.autograd.Function):
    """Passes values on; of the gradient, NaN."""

    @staticmethod
    def forward(ctx, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient * torch.nan


def spoil_data(before: Callable, self, indices):
    batch = before(self, indices)
    return {**batch, "image": batch["image"].index_fill(0, torch.tensor([3]), torch.nan)}


def spoil_loss(before: Callable, self, duel):
    return before(self, duel) * torch.nan


def spoil_gradient(before: Callable, self, latents, labels=None):
    return Spoil.apply(before(self, latents, labels))


@pytest.mark.parametrize(
    ("place", "method", "spoil", "words"),
    [
        (GaussianSource, "batch", spoil_data, "'image' holds NaN or infinity in 1 of 16 samples"),
        (NonSaturating, "generator", spoil_loss, "term 'adversarial': what layers gave it was finite"),
        (MlpGeneratorNetwork, "forward", spoil_gradient, "the gradient by the output of 'generator.layers"),
    ],
    ids=["data", "loss", "gradient"],
)
def test_not_a_number(
    place: type,
    method: str,
    spoil: Callable,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANFORGE_PLUGINS", "")
    monkeypatch.setattr("ganforge.training.run.keep_freed_memory", lambda: True)
    Path("ring.toml").write_text(RECIPE)

    def run(*more: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["run", "ring.toml", "--out", "out", "--device", "cpu", "--quiet", *more])
        return int(ended.value.code or 0)

    before = getattr(place, method)
    with monkeypatch.context() as spoilt:
        spoilt.setattr(
            place,
            method,
            lambda self, *a: (spoil if list_checkpoints(OUT / "checkpoints") else _call)(before, self, *a),
        )
        assert run() == 3
    said = capsys.readouterr().err
    assert words in said
    assert "the step was not taken" in said
    record = json.loads((OUT / "run.json").read_text())
    assert record["status"] == "failed"
    assert words in record["reason"]
    kept = load_newest(OUT / "checkpoints")[0]
    assert kept.facts["images"] == 32
    assert all(torch.isfinite(tensor).all() for tensor in kept.tensors.values())
    assert run("--resume") == 0
    assert json.loads((OUT / "run.json").read_text())["status"] == "finished"


def _call(before: Callable, self, *arguments):
    return before(self, *arguments)
