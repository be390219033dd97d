"""Any torch optimizer by its dotted name: what it takes, converts and refuses."""

from __future__ import annotations

import importlib.metadata
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from support.installed import catalogue
from support.toys import gan_table, recipe_of
from torch import nn

from ganforge.api.schedule import Ramp
from ganforge.builtin.optimizers.torch_optimizer import TorchOptimizer
from ganforge.errors import RecipeError


def message(**fields: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        TorchOptimizer(**{"lr": 1e-3, "name": "torch.optim.RAdam"} | fields)
    (error,) = caught.value.errors()
    return str(error["msg"])


def test_it_is_what_it_says():
    weight, same = (nn.Parameter(torch.ones(2, dtype=torch.float64)) for _ in range(2))
    recipe = TorchOptimizer(name="torch.optim.RAdam", lr=1e-2, options={"betas": [0.5, 0.9], "weight_decay": 1})
    ours, theirs = recipe.build([weight], 1.0), torch.optim.RAdam([same], 1e-2, betas=(0.5, 0.9), weight_decay=1.0)
    for step in range(5):
        weight.grad = torch.tensor([1.0, -0.5 * step], dtype=torch.float64)
        same.grad = weight.grad.clone()
        ours.step()
        theirs.step()
    assert torch.equal(weight, same)


def test_integers_become_numbers_where_numbers_are_meant():
    (group,) = (
        TorchOptimizer(name="torch.optim.Adam", lr=1, options={"betas": [0, 0.9], "eps": 1, "amsgrad": True})
        .build([nn.Parameter(torch.ones(2))], 1.0)
        .param_groups
    )
    assert group["betas"] == (0.0, 0.9)
    assert [type(value) for value in (*group["betas"], group["eps"])] == [float] * 3
    assert group["amsgrad"] is True
    (group,) = (
        TorchOptimizer(name="torch.optim.SGD", lr=1, options={"momentum": 0})
        .build([nn.Parameter(torch.ones(2))], 1.0)
        .param_groups
    )
    assert type(group["momentum"]) is float


def test_lazy_steps_and_schedules_change_the_rate_alone():
    recipe = TorchOptimizer(
        name="torch.optim.Adam", lr=Ramp(start=1.0, end=0.0, images=100), options={"betas": [0.5, 0.9]}
    )
    made = recipe.build([nn.Parameter(torch.ones(2))], 0.8)
    recipe.adjust(made, 50, 0.8)
    assert made.param_groups[0]["lr"] == pytest.approx(0.4)
    assert made.param_groups[0]["betas"] == (0.5, 0.9)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "torch.optim.RAdm",
            "module 'torch.optim' has no 'RAdm'; did you mean 'torch.optim.RAdam'? (it has: torch.opt",
        ),
        (
            "RAdam",
            "expected a dotted name such as 'torch.optim.RAdam', given 'RAdam'; did you mean 'torch.optim.RAdam'",
        ),
        ("torhc.optim.RAdam", "module 'torhc.optim' is not trusted"),
        ("torch.optm.RAdam", "module 'torch.optm' is not trusted; did you mean 'torch.optim.RAdam'?"),
        ("torch.nn.Linear", "module 'torch.nn' is not trusted; recipes may name the optimizers of torch.optim"),
        ("torch.optim.lr_scheduler.StepLR", "'torch.optim.lr_scheduler.StepLR' is no optimizer: expected a subclass"),
        ("torch.optim.adam.os.system", "no module 'torch.optim.adam.os' is installed"),
        ("torch.optim.Optimizer", "'torch.optim.Optimizer' is no optimizer"),
        ("json.loads", "module 'json' is not trusted"),
        ("ganforge.builtin.optimizers.adam.Adam", "module 'ganforge.builtin.optimizers.adam' is not trusted"),
        ("torch..Adam", "expected a dotted name"),
        ("..Adam", "expected a dotted name"),
        ("torch.optim.LBFGS", "torch.optim.LBFGS cannot be used with these options (TypeError"),
        ("torch.optim.SparseAdam", "torch.optim.SparseAdam cannot be used with these options (RuntimeError"),
    ],
)
def test_names_that_there_are_not(name: str, words: str):
    assert words in message(name=name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"beta": [0.5, 0.9]}, "torch.optim.RAdam has no option 'beta'; did you mean 'betas'? (it has: betas, eps"),
        ({"lr": 0.1}, "'lr' is no option"),
        ({"params": [1]}, "'params' is no option"),
        ({"betas": [0.5, 2]}, "cannot be used with these options (ValueError: Invalid beta parameter at index 1"),
        ({"eps": "small"}, "cannot be used with these options (TypeError"),
    ],
)
def test_options_that_there_are_not(options: dict[str, Any], words: str):
    assert words in message(options=options)


def plant(monkeypatch: pytest.MonkeyPatch, **entries: Any) -> None:
    module = types.ModuleType("planted_optimizers")
    module.__spec__ = __import__("importlib.machinery").machinery.ModuleSpec("planted_optimizers", None)
    vars(module).update(entries)
    monkeypatch.setitem(sys.modules, "planted_optimizers", module)
    monkeypatch.setenv("GANFORGE_OPTIMIZERS", "planted_optimizers, another")


class Counting(torch.optim.SGD):
    """Counts in its group, which no checkpoint holds."""

    def step(self, closure: Any = None) -> None:
        super().step(closure)
        self.param_groups[0]["count"] = self.param_groups[0].get("count", 0) + 1


class Hoarding(torch.optim.SGD):
    """Keeps a list."""

    def step(self, closure: Any = None) -> None:
        super().step(closure)
        self.state[self.param_groups[0]["params"][0]]["all"] = [1, 2]


class Fixed(torch.optim.SGD):
    """Has no learning rate."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, 0.1)


class Free(torch.optim.SGD):
    """Takes whatever it is given."""

    def __init__(self, params: Any, **others: Any) -> None:
        super().__init__(params, **others)


def test_what_could_not_be_resumed_is_refused(monkeypatch: pytest.MonkeyPatch):
    plant(monkeypatch, Counting=Counting, Hoarding=Hoarding, Fixed=Fixed, Free=Free)
    for name in ("Counting", "Hoarding"):
        assert "keeps state that checkpoints do not hold" in message(name=f"planted_optimizers.{name}")
    assert "takes no lr" in message(name="planted_optimizers.Fixed")
    assert "did you mean 'planted_optimizers.Counting'" in message(name="planted_optimizers.Countin")
    made = TorchOptimizer(name="planted_optimizers.Free", lr=1e-3, options={"momentum": 0.5})
    assert made.build([nn.Parameter(torch.ones(2))], 1.0).param_groups[0]["momentum"] == 0.5


def test_packages_in_the_environment_need_not_be_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GANFORGE_OPTIMIZERS", "torhc,json,torch")
    assert "no module 'torhc' is installed; did you mean 'torch'?" in message(name="torhc.optim.RAdam")
    assert "'json.loads' is no optimizer" in message(name="json.loads")
    assert "module 'json' has no 'nothing' (it has no optimizer)" in message(name="json.nothing")
    assert "'torch.nn.Linear' is no optimizer: expected a subclass" in message(name="torch.nn.Linear")


def test_a_recipe_cannot_have_a_module_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Code beside the recipe, or anywhere on the path, is not run because a recipe names it."""
    (tmp_path / "beside.py").write_text("import pathlib\npathlib.Path(__file__ + '.ran').touch()\nclass Opt: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("GANFORGE_OPTIMIZERS", raising=False)
    assert "module 'beside' is not trusted" in message(name="beside.Opt")
    assert "beside" not in sys.modules
    assert not (tmp_path / "beside.py.ran").exists()
    monkeypatch.setenv("GANFORGE_OPTIMIZERS", "beside")
    assert "'beside.Opt' is no optimizer" in message(name="beside.Opt")  # trusted by who may set the environment
    assert (tmp_path / "beside.py.ran").exists()


def test_packages_of_plugins_are_trusted(monkeypatch: pytest.MonkeyPatch):
    plant(monkeypatch, Free=Free)
    monkeypatch.delenv("GANFORGE_OPTIMIZERS")
    assert "not trusted" in message(name="planted_optimizers.Free")
    point = importlib.metadata.EntryPoint("mine", "planted_optimizers.plugin:hooks", "ganforge")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point])
    assert TorchOptimizer(name="planted_optimizers.Free", lr=1e-3).name == "planted_optimizers.Free"


def test_what_does_not_take_the_players_weights_is_refused_when_it_is_built():
    muon = TorchOptimizer(name="torch.optim.Muon", lr=1e-3)
    with pytest.raises(RecipeError, match="does not take these weights"):
        muon.build([nn.Parameter(torch.ones(2))], 1.0)


def test_a_recipe_names_it_and_is_told_where_it_is_wrong():
    table = gan_table(generator__optimizer={"kind": "torch", "name": "torch.optim.NAdam", "lr": 1e-3})
    optimizer = recipe_of(table).game.players()["generator"].optimizer
    assert isinstance(optimizer, TorchOptimizer)
    wrong = gan_table(
        generator__optimizer={"kind": "torch", "name": "torch.optim.NAdam", "lr": 1e-3, "options": {"x": 1}}
    )
    with pytest.raises(ValidationError, match="has no option 'x'") as caught:
        recipe_of(wrong)
    assert caught.value.errors()[0]["loc"][-1] == "options"
    assert "torch" in catalogue().family("optimizers")
