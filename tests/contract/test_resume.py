"""Every installed game, cut, saved, loaded from disk and resumed, equals one that was never cut: bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.examples import game_cases, game_example
from support.installed import catalogue
from support.toys import ToySource, batches, runner_of
from torch import Tensor

from ganforge.api.data import DataSpec
from ganforge.storage.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from ganforge.training.runner import Runner

SPEC = DataSpec((1, 8, 8), 3)
ROUNDS, CUTS = 7, (1, 4)  # R1 is due in rounds 0, 2, 4, 6, path length in rounds 0, 3, 6
CASES = game_cases()
OPTIMIZERS = [
    *({"kind": kind} for kind in sorted(catalogue().family("optimizers")) if kind != "torch"),
    {"kind": "sgd", "momentum": 0.9, "nesterov": True},
    {"kind": "rmsprop", "momentum": 0.5, "centered": True},
    {"kind": "torch", "name": "torch.optim.NAdam"},  # keeps a product of numbers
    {"kind": "torch", "name": "torch.optim.Rprop"},
    {"kind": "torch", "name": "torch.optim.Adafactor"},  # keeps means of rows and columns
    {"kind": "torch", "name": "torch.optim.SGD", "options": {"momentum": 0.9}},
]


def everything(runner: Runner) -> dict[str, Tensor]:
    return {path: tensor.detach().clone() for path, tensor in runner.state()[0].items()}


@pytest.mark.parametrize(("game", "network", "augmentation"), CASES)
def test_resumed_equals_uninterrupted(game: str, network: str, augmentation: str | None, tmp_path: Path):
    resume_equals(game_example(game, network, augmentation), tmp_path)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda table: "-".join(map(str, table.values())))
def test_every_optimizer_resumes(optimizer: dict[str, Any], tmp_path: Path):
    table = game_example("gan", "dcgan")
    for side in ("generator", "discriminator"):
        table[side]["optimizer"] = {"lr": {"start": 2e-3, "end": 1e-3, "images": 50}, **optimizer}
    resume_equals(table, tmp_path)


@pytest.mark.parametrize("shape", ["power", "uniform"])
def test_every_average_resumes(shape: str, tmp_path: Path):
    table = game_example("gan", "dcgan")
    table["generator"]["ema"] = {"shape": shape, "after_images": 20}
    resume_equals(table, tmp_path)


def resume_equals(table: dict[str, Any], tmp_path: Path) -> None:
    runner = runner_of(table, SPEC, batch=8)
    shown = batches(runner, ToySource(SPEC), ROUNDS)
    for index, batch in enumerate(shown):
        if index in CUTS:
            save_checkpoint(tmp_path, runner.images, Checkpoint(*runner.state()))
        last = runner.play_round(batch)
    whole = everything(runner)
    for cut in CUTS:
        torch.manual_seed(cut)
        resumed = runner_of(table, SPEC, batch=8)
        found = load_checkpoint(tmp_path / f"images-{cut * 8:012d}")
        resumed.restore(found.tensors, found.facts)
        assert (resumed.round, resumed.images) == (cut, cut * 8)
        for batch in shown[cut:]:
            report = resumed.play_round(batch)
        after = everything(resumed)
        assert after.keys() == whole.keys()
        assert [path for path in whole if not torch.equal(after[path], whole[path])] == [], f"cut at round {cut}"
        assert {name: value.item() for name, value in report.items()} == {n: v.item() for n, v in last.items()}


@pytest.mark.parametrize(("game", "network", "augmentation"), CASES)
def test_all_that_play_changes_is_in_the_checkpoint(game: str, network: str, augmentation: str | None):
    """What a round moves but a checkpoint does not hold would be lost; only what every round starts anew may be."""
    runner = runner_of(game_example(game, network, augmentation), SPEC, batch=8)
    first, second = batches(runner, ToySource(SPEC), 2)
    runner.play_round(first)
    held = {id(tensor) for tensor in runner.game.state_dict(keep_vars=True).values()}
    unheld = {name: buffer for name, buffer in runner.game.named_buffers() if id(buffer) not in held}
    runner.game.begin_round(runner.images)
    before = {name: buffer.clone() for name, buffer in unheld.items()}
    runner.play_round(second)
    runner.game.begin_round(runner.images)
    assert [name for name, buffer in unheld.items() if not torch.equal(buffer, before[name])] == []


def test_a_restored_state_is_a_copy(tmp_path: Path):
    """Playing on must not change the checkpoint that is held in memory, nor the other way round."""
    runner = runner_of(game_example("gan"), SPEC, batch=8)
    first, second = batches(runner, ToySource(SPEC), 2)
    runner.play_round(first)
    tensors, facts = runner.state()
    held = {path: tensor.clone() for path, tensor in tensors.items()}
    other = runner_of(game_example("gan"), SPEC, batch=8)
    other.restore(held, facts)
    other.play_round(second)
    assert [path for path in tensors if not torch.equal(tensors[path], held[path])] == []
