"""From a recipe to a runner."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from support.installed import catalogue
from support.runs import session_of
from support.toys import gan_table, recipe_of, runner_of
from torch.nn.utils.parametrize import is_parametrized

from ganforge.api.data import DataSpec
from ganforge.errors import GanforgeError, RecipeError
from ganforge.training.build import build_game, build_runner, make_accelerator

SPEC = DataSpec((1, 8, 8))


def test_weights_are_a_function_of_the_seed():
    games = []
    for noise, seed in ((1, 5), (2, 5), (1, 6)):
        torch.manual_seed(noise)
        games.append(build_game(recipe_of().game, SPEC, seed, torch.device("cpu")).state_dict())
    assert all(torch.equal(games[0][name], games[1][name]) for name in games[0])
    assert not all(torch.equal(games[0][name], games[2][name]) for name in games[0])


def test_constraints_are_attached_and_convolutions_are_channels_last():
    table = gan_table(
        discriminator__network={"kind": "dcgan", "width": 8}, discriminator__constraints=["spectral-norm"]
    )
    game = build_game(recipe_of(table).game, SPEC, 0, torch.device("cpu"))
    first = next(module for module in game.discriminator.modules() if isinstance(module, torch.nn.Conv2d))
    assert is_parametrized(first, "weight")
    plain = build_game(
        recipe_of(gan_table(discriminator__network={"kind": "dcgan", "width": 8})).game, SPEC, 0, torch.device("cpu")
    )
    weights = [m.weight for m in plain.discriminator.modules() if isinstance(m, torch.nn.Conv2d)]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)


@pytest.mark.parametrize(("batch", "parts"), [(10, 1), (16, 3)])
def test_a_batch_must_be_shared_out_evenly(batch: int, parts: int):
    class Three(Accelerator):
        num_processes = 3

    recipe = recipe_of().model_copy(deep=True)
    run = recipe.run.model_copy(update={"batch": batch, "microbatches": parts})
    recipe = recipe.model_copy(update={"run": run})
    with pytest.raises(RecipeError, match=rf"run.batch = {batch} cannot be shared out .* a multiple of {3 * parts}"):
        build_runner(recipe, SPEC, Three(cpu=True))


def test_later_batches_must_be_shared_out_evenly_too():
    class Two(Accelerator):
        num_processes = 2

    recipe = recipe_of(run__batches=[{"after_images": 5, "batch": 8}, {"after_images": 9, "batch": 7}])
    with pytest.raises(RecipeError, match=r"run.batches\[1\].batch = 7 cannot be shared out .* a multiple of 2"):
        build_runner(recipe, SPEC, Two(cpu=True))


def test_lazy_shares_reach_the_optimizers():
    table = gan_table(discriminator__regularizers=[{"kind": "r1", "every": 4}], discriminator__optimizer__lr=1.0)
    runner = runner_of(table, SPEC)
    assert runner.players["discriminator"].optimizer.param_groups[0]["lr"] == pytest.approx(4 / 5)
    assert runner.players["generator"].step_fraction == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there():
    with pytest.raises(GanforgeError, match=r"^device 'cuda': PyTorch sees no CUDA device here; use device 'cpu'"):
        make_accelerator("cuda", "no")


def test_a_turn_of_nobody(monkeypatch: pytest.MonkeyPatch):
    gan = catalogue().family("games")["gan"]
    monkeypatch.setattr(gan, "players", lambda self: {"generator": self.generator})
    with pytest.raises(GanforgeError, match="turns of discriminator, who is no player"):
        runner_of(gan_table(), SPEC)


@pytest.mark.parametrize(
    ("best", "said"),
    [("pixel-varianc", "did you mean 'pixel-variance'"), ("pixel-variance-of-real", "they tell: pixel")],
)
def test_the_best_checkpoint_is_chosen_by_a_value_that_gets_better_one_way(best: str, said: str, tmp_path: Path):
    with pytest.raises(RecipeError, match=f"checkpoints.best: no metric of this recipe tells '{best}'.*{said}"):
        session_of(tmp_path, metrics=[{"kind": "pixel-variance"}], checkpoints={"best": best})
