from __future__ import annotations

import torch
from torch.nn.functional import batch_norm

from ganforge.api.data import DataSpec
from ganforge.builtin.constraints.spectral_norm import SpectralNorm
from ganforge.builtin.networks.layers.conditional_norm import ConditionalBatchNorm, SharedEmbedding

DATA = DataSpec((1, 8, 8), 3)


def test_each_class_has_a_gain_and_a_bias_of_its_own():
    """torch's batch_norm of the whole batch, then the gain and bias of each image's class."""
    torch.manual_seed(0)
    layer = ConditionalBatchNorm(5, 3, eps=1e-4).double()
    images, labels = 2 + 3 * torch.randn(6, 5, 4, 4, dtype=torch.float64), torch.tensor([0, 1, 2, 2, 1, 0])
    found = layer(images, DATA.encode(labels).double())
    normal = batch_norm(images, None, None, training=True, eps=1e-4)
    assert layer.gain is not None
    assert layer.bias is not None
    for image, expected, label in zip(found, normal, labels, strict=True):
        gain, bias = 1 + layer.gain.weight[:, label], layer.bias.weight[:, label]
        torch.testing.assert_close(image, expected * gain[:, None, None] + bias[:, None, None])


def test_in_evaluation_it_uses_running_statistics():
    torch.manual_seed(0)
    layer = ConditionalBatchNorm(2, 3)
    for _ in range(3):
        layer(torch.randn(4, 2, 4, 4) * 2 + 1, torch.randn(4, 3))
    mean, variance = layer.norm.running_mean.clone(), layer.norm.running_var.clone()
    images, condition = torch.randn(2, 2, 4, 4), torch.randn(2, 3)
    found = layer.eval()(images, condition)
    normal = (images - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
    expected = normal * (1 + layer.gain(condition))[..., None, None] + layer.bias(condition)[..., None, None]
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(layer(images[:1], condition[:1]), found[:1])


def test_without_a_condition_it_is_batch_norm():
    torch.manual_seed(0)
    layer, plain = ConditionalBatchNorm(4, 0), torch.nn.BatchNorm2d(4)
    images = torch.randn(3, 4, 2, 2)
    torch.testing.assert_close(layer(images, None), plain(images))
    assert sum(parameter.numel() for parameter in layer.parameters()) == 8


def test_an_embedding_is_a_row_for_each_class_or_linear_in_a_condition():
    embedding = SharedEmbedding(DATA, 7)
    torch.testing.assert_close(embedding(torch.tensor([2, 0])), embedding.weight[[2, 0]])
    continuous = SharedEmbedding(DataSpec((1, 8, 8), conditions=2), 7)
    torch.testing.assert_close(
        continuous(torch.tensor([[0.5, -1.0]]))[0], 0.5 * continuous.weight[0] - continuous.weight[1]
    )


def test_spectral_normalisation_bounds_gain_and_bias_and_leaves_the_embedding():
    torch.manual_seed(0)
    network = torch.nn.ModuleList([ConditionalBatchNorm(6, 3), SharedEmbedding(DATA, 3)])
    network[0].gain.weight.data *= 50
    before = network[1].weight.detach().clone()
    SpectralNorm().attach(network)
    torch.testing.assert_close(
        torch.linalg.matrix_norm(network[0].gain.weight, 2), torch.tensor(1.0), rtol=1e-3, atol=0
    )
    assert torch.equal(network[1].weight, before)
