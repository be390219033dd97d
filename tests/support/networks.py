"""What tests of several networks share: counts of parameters, gradients, and norms of weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ganforge.api.data import DataSpec
from ganforge.api.families import Discriminator, Generator
from ganforge.builtin.constraints.spectral_norm import SpectralNorm
from ganforge.builtin.networks.layers.self_attention import SelfAttention


def count(module: nn.Module) -> int:
    """The numbers that are learned."""
    return sum(parameter.numel() for parameter in module.parameters())


def convolution(before: int, after: int, kernel: int) -> int:
    """The numbers of a convolution with biases."""
    return before * after * kernel**2 + after


def attention(channels: int) -> int:
    """The numbers of a self-attention (Zhang et al. 2019, sec. 3)."""
    return 2 * channels * (channels // 8) + 2 * channels * (channels // 2) + 1


def some_labels(rows: int, data: DataSpec) -> Tensor | None:
    """A label for each row, where the data have such."""
    if data.classes:
        return torch.arange(rows) % data.classes
    return torch.rand(rows, data.conditions) * 2 - 1 if data.conditions else None


def assert_all_learn(makes: Generator, scores: Discriminator, data: DataSpec, rows: int) -> None:
    """Images, logits and activations have their shapes, and the loss reaches every parameter of either network."""
    generator, discriminator = makes.build(data), scores.build(data)
    for module in (*generator.modules(), *discriminator.modules()):
        if isinstance(module, SelfAttention):
            nn.init.constant_(module.strength, 0.5)  # at first it is 0, and nothing is seen through it
    labels = some_labels(rows, data)
    images = generator(torch.randn(rows, makes.latent), labels)
    logits, activations = discriminator.forward_features(images, labels)
    assert images.shape == (rows, *data.shape)
    assert images.abs().max() <= 1
    assert logits.shape == (rows,)
    assert activations[-1].shape == (rows, discriminator.width)
    assert torch.equal(discriminator(images, labels), logits)
    (logits * torch.randn(rows)).sum().backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def assert_labels_matter(makes: Generator, scores: Discriminator) -> None:
    """Three labels give three images of one latent, and three scores of one image."""
    data = DataSpec((1, 16, 16), 3)
    generator, discriminator = makes.build(data).eval(), scores.build(data)
    latents, images = torch.randn(1, makes.latent).expand(3, -1), torch.randn(1, 1, 16, 16).expand(3, 1, 16, 16)
    assert len(generator(latents, torch.arange(3)).unique(dim=0)) == 3
    assert len(discriminator(images, torch.arange(3)).unique()) == 3


def normalise(network: nn.Module, iterations: int) -> Sequence[nn.Module]:
    """Normalise the weights spectrally; their largest singular values, by torch.linalg, are 1. Return the layers."""
    constraint = SpectralNorm(iterations=iterations)
    constraint.attach(network)
    constraint.project(network)
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)}
    for name, layer in layers.items():
        norm = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
        torch.testing.assert_close(norm, torch.tensor(1.0), rtol=1e-2, atol=0, msg=name)
    return list(layers.values())
