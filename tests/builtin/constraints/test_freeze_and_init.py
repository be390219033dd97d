"""Frozen layers and orthogonal initial weights: by definition, in play, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from support.examples import example
from support.installed import catalogue
from support.runs import play_and_save, session_of
from support.toys import ToySource, batches, changed, gan_table, runner_of
from torch import nn

from ganforge.api.data import DataSpec
from ganforge.builtin.constraints.freeze import Freeze
from ganforge.builtin.constraints.orthogonal_init import OrthogonalInit
from ganforge.builtin.constraints.spectral_norm import SpectralNorm
from ganforge.builtin.networks.dcgan import DcganDiscriminator
from ganforge.errors import RecipeError
from ganforge.storage.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

SPEC = DataSpec((1, 16, 16))


def frozen(network: nn.Module) -> list[str]:
    return [name for name, parameter in network.named_parameters() if not parameter.requires_grad]


def small() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.LayerNorm(3), nn.Linear(3, 1))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"layers": 1}, ["0.weight", "0.bias"]),
        ({"layers": 2}, ["0.weight", "0.bias", "2.weight", "2.bias"]),
        ({"names": ("3",)}, ["3.weight", "3.bias"]),
        ({"names": ("2.bias", "0")}, ["0.weight", "0.bias", "2.bias"]),
        ({"layers": 1, "names": ("2",)}, ["0.weight", "0.bias", "2.weight", "2.bias"]),
    ],
)
def test_what_is_frozen(fields: dict[str, Any], expected: list[str]):
    network = small()
    Freeze(**fields).attach(network)
    assert frozen(network) == expected


@pytest.mark.parametrize("first", ["freeze", "norm"])
def test_normalised_layers_count_once_and_keep_their_names(first: str):
    for fields in ({"layers": 1}, {"names": ("0.weight", "0.bias")}):
        network, constraints = small(), [Freeze.model_validate(fields), SpectralNorm()]
        for constraint in constraints if first == "freeze" else reversed(constraints):
            constraint.attach(network)
        assert set(frozen(network)) == {"0.bias", "0.parametrizations.weight.original"}


def test_more_than_there_are_and_names_that_there_are_not():
    with pytest.raises(RecipeError, match=r"freeze\.layers = 4, and Sequential has 3 layers with weights: 0, 2, 3;"):
        Freeze(layers=4).attach(small())
    with pytest.raises(RecipeError, match=r"'3\.weigth'.* did you mean '3\.weight'\? \(its layers: 0, 2, 3\)"):
        Freeze(names=("3.weigth",)).attach(small())
    with pytest.raises(RecipeError, match="no weights of that name"):
        Freeze(names=("1",)).attach(small())
    with pytest.raises(ValidationError, match="nothing is frozen"):
        Freeze()
    with pytest.raises(RecipeError, match="all its weights are frozen"):
        runner_of(gan_table(discriminator__constraints=[{"kind": "freeze", "layers": 4}]), DataSpec((1, 8, 8)))


@pytest.mark.parametrize("kind", ["dcgan", "mlp", "r3gan", "stylegan2"])
def test_the_first_layer_of_a_discriminator_is_the_first_that_is_used(kind: str):
    cls = catalogue().family("discriminators")[kind]
    network = cls.model_validate(example(cls), context={"catalogue": catalogue()}).build(SPEC)  # type: ignore[attr-defined]
    Freeze(layers=1).attach(network)
    (held, *_), all_held = frozen(network), dict(network.named_parameters())
    assert len(all_held) > len(frozen(network))
    seen: list[str] = []
    for name, module in network.named_modules():
        if name and any(True for _ in module.parameters(recurse=False)):
            module.register_forward_pre_hook(lambda module, inputs, name=name: seen.append(name))
    network(torch.randn(8, *SPEC.shape))
    assert held.startswith(f"{seen[0]}."), (held, seen[0])


def test_frozen_layers_stay_and_the_others_learn_also_after_a_resume(tmp_path: Path):
    table = gan_table(
        discriminator__network={"kind": "dcgan", "width": 4},
        discriminator__constraints=[{"kind": "freeze", "layers": 1}, {"kind": "spectral-norm"}],
    )
    runner = runner_of(table, SPEC, batch=8)
    before = {name: value.clone() for name, value in runner.game.get_submodule("discriminator").named_parameters()}
    shown = batches(runner, ToySource(SPEC), 4)
    for batch in shown[:2]:
        runner.play_round(batch)
    save_checkpoint(tmp_path, 16, Checkpoint(*runner.state()))
    resumed = runner_of(table, SPEC, batch=8, seed=8)
    found = load_checkpoint(tmp_path / "images-000000000016")
    resumed.restore(found.tensors, found.facts)
    resumed.seed = runner.seed
    for at in (runner, resumed):
        for batch in shown[2:]:
            at.play_round(batch)
        after = dict(at.game.get_submodule("discriminator").named_parameters())
        still = [name for name in after if torch.equal(after[name], before[name])]
        assert still == [name for name in after if name.startswith("layers.0.")]
    for name, value in runner.game.state_dict().items():
        assert torch.equal(value, resumed.game.state_dict()[name]), name


def test_freeze_d_fine_tunes_another_run(tmp_path: Path):
    session = session_of(tmp_path / "old")
    play_and_save(session, 2)
    table = changed(
        gan_table(),
        {
            "discriminator__start": {"run": str(tmp_path / "old")},
            "discriminator__constraints": [{"kind": "freeze", "layers": 2}],
        },
    )
    new = session_of(tmp_path / "new", table, seed=50)
    for _ in range(2):
        new.runner.play_round(new.next_batch())
    old_weights = dict(session.runner.game.get_submodule("discriminator").named_parameters())
    for name, value in new.runner.game.get_submodule("discriminator").named_parameters():
        assert torch.equal(value, old_weights[name]) == name.startswith(("layers.0.", "layers.2.")), name


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(5, 3),
        nn.Linear(3, 5),
        nn.Conv2d(2, 6, 3),
        nn.Conv2d(8, 2, 1),
        nn.ConvTranspose2d(4, 3, 4),
        nn.Embedding(7, 4),
    ],
)
def test_all_singular_values_are_the_gain(layer: nn.Module):
    torch.manual_seed(0)
    network = nn.Sequential(layer).double()
    assert isinstance(layer.weight, nn.Parameter)
    strides, bias = layer.weight.stride(), getattr(layer, "bias", None)
    before = None if bias is None else bias.detach().clone()
    OrthogonalInit(gain=0.8).attach(network)
    weight = layer.weight.detach()
    matrix = (weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight).flatten(1)
    values = torch.linalg.svdvals(matrix)
    torch.testing.assert_close(values, torch.full_like(values, 0.8))
    assert layer.weight.stride() == strides
    assert before is None or torch.equal(layer.bias, before)


def test_seeds_decide_and_our_own_networks_take_it():
    nets = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        network = DcganDiscriminator(width=4).build(SPEC)
        OrthogonalInit().attach(network)
        nets.append(network.state_dict()["layers.0.weight"])
    assert torch.equal(nets[0], nets[1])
    assert not torch.equal(nets[0], nets[2])


def test_it_comes_first_or_not_at_all():
    network = small()
    SpectralNorm().attach(network)
    with pytest.raises(RecipeError, match="put it first"):
        OrthogonalInit().attach(network)
    with pytest.raises(RecipeError, match="found no convolution"):
        OrthogonalInit().attach(nn.Sequential(nn.ReLU()))
