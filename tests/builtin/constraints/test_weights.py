from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganforge.api.data import DataSpec
from ganforge.builtin.constraints.spectral_norm import SpectralNorm
from ganforge.builtin.constraints.weight_clipping import WeightClipping
from ganforge.builtin.networks.biggan import BigganGenerator
from ganforge.builtin.networks.dcgan import DcganDiscriminator, DcganGenerator
from ganforge.builtin.networks.minibatch_stddev import MinibatchStddev
from ganforge.builtin.networks.mlp import MlpGenerator
from ganforge.builtin.networks.r3gan import R3GANDiscriminator
from ganforge.builtin.networks.sngan import SnganGenerator
from ganforge.builtin.networks.stylegan2 import StyleGAN2Discriminator, StyleGAN2Generator
from ganforge.errors import RecipeError


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Embedding(6, 12),
        nn.Unflatten(1, (3, 2, 2)),
        nn.Conv2d(3, 5, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(5, 4, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(64, 7),
    ).double()


def normalised(seed: int = 0, iterations: int = 1) -> tuple[SpectralNorm, nn.Sequential]:
    torch.manual_seed(seed)
    constraint, net = SpectralNorm(iterations=iterations), network()
    constraint.attach(net)
    return constraint, net


def largest(layer: nn.Module) -> float:
    weight = layer.weight.detach()
    if isinstance(layer, nn.ConvTranspose2d):
        weight = weight.transpose(0, 1)
    return float(np.linalg.svd(weight.flatten(1).numpy(), compute_uv=False)[0])


def layers(net: nn.Sequential) -> list[nn.Module]:
    return [net[0], net[2], net[4], net[7]]


def test_the_largest_singular_value_becomes_one():
    constraint, net = normalised(iterations=100)
    constraint.project(net)
    constraint.project(net)
    for layer in layers(net):
        assert largest(layer) == pytest.approx(1, abs=1e-6), layer


def test_the_estimate_follows_changing_weights():
    constraint, net = normalised()
    for layer in layers(net):
        with torch.no_grad():
            layer.parametrizations.weight.original.normal_(0, 3)
    for _ in range(200):
        constraint.project(net)
    for layer in layers(net):
        assert largest(layer) == pytest.approx(1, abs=1e-4)


def test_one_iteration_is_what_pytorch_does_in_a_forward():
    """PyTorch iterates in the other order, which is ours on the transposed matrix."""
    weight = torch.randn(5, 3, dtype=torch.float64)
    ours, theirs = nn.Sequential(nn.Linear(3, 5).double()), nn.Linear(5, 3).double()
    constraint = SpectralNorm()
    constraint.attach(ours)
    spectral_norm(theirs)
    start = torch.nn.functional.normalize(torch.randn(5, dtype=torch.float64), dim=0)
    with torch.no_grad():
        ours[0].parametrizations.weight.original.copy_(weight)
        theirs.parametrizations.weight.original.copy_(weight.T)
        ours[0].parametrizations.weight[0].left.copy_(start)
        theirs.parametrizations.weight[0]._v.copy_(start)
    constraint.project(ours)
    torch.testing.assert_close(theirs.weight.T, ours[0].weight)  # in training, reading it takes one power iteration
    assert largest(ours[0]) > 1 + 1e-6  # one iteration is not the exact norm, so the comparison says something


def test_gradients_are_those_of_finite_differences():
    _, net = normalised()
    norm, weight = net[4].parametrizations.weight[0], net[4].parametrizations.weight.original
    assert torch.autograd.gradcheck(norm, (weight,))
    assert torch.autograd.gradgradcheck(norm, (weight,))


def test_two_forwards_before_a_backward_and_a_double_backward():
    constraint, net = normalised()
    body = net[1:]
    inputs = torch.randn(4, 12, dtype=torch.float64, requires_grad=True)
    first, second = body(inputs), body(inputs * 2)
    (slope,) = torch.autograd.grad(first.sum() + second.sum(), inputs, create_graph=True)
    slope.square().sum().backward()
    for layer in layers(net)[1:]:
        gradient = layer.parametrizations.weight.original.grad
        assert gradient is not None
        assert torch.isfinite(gradient).all()
        assert gradient.abs().sum() > 0
    constraint.project(net)


def test_forwards_between_steps_see_one_network():
    _, net = normalised()
    labels = torch.tensor([0, 3, 5])
    first = net(labels)
    net(labels)
    assert torch.equal(net(labels), first)
    assert torch.equal(net.eval()(labels), first)


def test_copies_and_state_dicts_carry_the_estimate():
    constraint, net = normalised()
    labels = torch.tensor([1, 2])
    twin = copy.deepcopy(net)
    _, other = normalised(seed=1)
    other.load_state_dict(net.state_dict())
    for copied in (twin, other):
        assert torch.equal(copied(labels), net(labels))
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(-3)
    constraint.project(twin)
    assert torch.equal(other(labels), net(labels))
    assert {name for name, _ in net.named_parameters()} == {name for name, _ in twin.named_parameters()}


def test_bfloat16_autocast_leaves_the_norm_exact():
    _, net = normalised()
    net.float()
    exact = net[2].weight
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(net[2].weight, exact)


def test_a_discriminator_becomes_lipschitz():
    """A chain of normalised dense layers and leaky ReLUs cannot stretch a distance."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
    constraint = SpectralNorm(iterations=100)
    constraint.attach(net)
    constraint.project(net)
    first, second = torch.randn(100, 4), torch.randn(100, 4)
    stretch = (net(first) - net(second)).abs().squeeze(1) / (first - second).norm(dim=1)
    assert stretch.max() <= 1 + 1e-4


def test_it_takes_our_own_networks():
    net = DcganDiscriminator(width=4, norm="none").build(DataSpec((1, 16, 16), 3))
    constraint = SpectralNorm()
    constraint.attach(net)
    images, labels = torch.randn(2, 1, 16, 16), torch.tensor([0, 2])
    net.to(memory_format=torch.channels_last)
    net(images, labels).sum().backward()
    constraint.project(net)
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_what_cannot_be_normalised_is_refused_in_words():
    with pytest.raises(RecipeError, match="found no convolution"):
        SpectralNorm().attach(nn.Sequential(nn.ReLU()))
    dead = nn.Sequential(nn.Linear(2, 2))
    nn.init.zeros_(dead[0].weight)
    with pytest.raises(RecipeError, match=r"'0\.weight'"):
        SpectralNorm().attach(dead)


@pytest.mark.parametrize(
    ("network", "layer"),
    [
        (StyleGAN2Generator(latent=4, channel_base=32, channel_max=4, mapping_layers=1), "EqualizedLinear"),
        (StyleGAN2Discriminator(channel_base=32, channel_max=4), "EqualizedConv"),
        (R3GANDiscriminator(channel_base=32, channel_max=16), "HeConvolution"),
        (MinibatchStddev(network=StyleGAN2Discriminator(channel_base=32, channel_max=4)), "EqualizedConv"),
    ],
    ids=lambda entry: entry if isinstance(entry, str) else entry.kind,
)
def test_layers_that_scale_their_own_weights_are_refused_in_words(network, layer):
    with pytest.raises(RecipeError, match=rf"layer of its own kind \({layer}\)"):
        SpectralNorm().attach(network.build(DataSpec((1, 8, 8))))


@pytest.mark.parametrize("cls", [DcganGenerator, MlpGenerator, SnganGenerator, BigganGenerator])
def test_generators_can_be_normalised_too(cls):
    """Zhang et al. 2019 (SAGAN, arXiv:1805.08318, sec. 4.1): in both networks."""
    network = cls(latent=8, width=4).build(DataSpec((3, 32, 32), 3))
    constraint = SpectralNorm(iterations=100)
    constraint.attach(network)
    constraint.project(network)
    weighty = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    for layer in weighty:
        assert largest(layer) == pytest.approx(1, abs=1e-2)
    labels = torch.tensor([0, 2])
    (network(torch.randn(2, 8), labels) * torch.randn(2, 3, 32, 32)).sum().backward()
    originals = [p for name, p in network.named_parameters() if name.endswith("original")]
    assert len(originals) == len(weighty)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in originals)


def test_clipping_clamps_every_parameter_and_nothing_else():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    with torch.no_grad():
        net[0].weight.copy_(torch.linspace(-1, 1, 12).view(4, 3))
    before: Tensor = net[0].weight.detach().clone()
    WeightClipping(limit=0.3).project(net)
    np.testing.assert_array_equal(net[0].weight.detach().numpy(), np.clip(before.numpy(), -0.3, 0.3).astype("float32"))
    assert torch.equal(net[1].weight.detach(), torch.full((4,), 0.3))
    assert torch.equal(net[1].running_var, torch.ones(4))
