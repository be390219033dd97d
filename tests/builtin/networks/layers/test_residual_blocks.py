from __future__ import annotations

import pytest
import torch
from torch.nn.functional import avg_pool2d, conv2d, interpolate, relu

from ganforge.builtin.networks.layers.bottleneck_blocks import DiscriminatorBottleneck, GeneratorBottleneck
from ganforge.builtin.networks.layers.residual_blocks import DiscriminatorResidualBlock, GeneratorResidualBlock
from ganforge.builtin.networks.layers.weight_init import initialise

IMAGES = torch.randn(2, 4, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def up(images: torch.Tensor) -> torch.Tensor:
    return interpolate(images, scale_factor=2, mode="nearest")


def test_a_growing_block_is_what_the_paper_draws():
    torch.manual_seed(0)
    block = GeneratorResidualBlock(4, 6, condition=3).double()
    condition = torch.randn(2, 3, dtype=torch.float64)
    hidden = block.first(up(relu(block.norm1(IMAGES, condition))))
    hidden = block.second(relu(block.norm2(hidden, condition)))
    torch.testing.assert_close(block(IMAGES, condition), hidden + block.shortcut(up(IMAGES)))
    assert block(IMAGES, condition).shape == (2, 6, 16, 16)


@pytest.mark.parametrize("first", [False, True])
def test_a_shrinking_block_is_what_the_paper_draws(first):
    torch.manual_seed(0)
    block = DiscriminatorResidualBlock(4, 6, down=True, first=first).double()
    hidden = avg_pool2d(block.second(relu(block.first(IMAGES if first else relu(IMAGES)))), 2)
    torch.testing.assert_close(block(IMAGES), hidden + avg_pool2d(block.shortcut(IMAGES), 2))
    assert block(IMAGES).shape == (2, 6, 4, 4)


def test_a_block_that_changes_no_shape_has_no_shortcut_convolution():
    block = DiscriminatorResidualBlock(4, 4, down=False).double()
    assert block.shortcut is None
    torch.testing.assert_close(block(IMAGES), IMAGES + block.second(relu(block.first(relu(IMAGES)))))
    assert DiscriminatorResidualBlock(4, 6, down=False).shortcut is not None
    assert DiscriminatorResidualBlock(4, 4, down=True).shortcut is not None


@pytest.mark.parametrize("grows", [False, True])
def test_a_growing_bottleneck_keeps_the_first_channels(grows):
    torch.manual_seed(0)
    block = GeneratorBottleneck(4, 3, 2, up=grows).double()
    condition = torch.randn(2, 2, dtype=torch.float64)
    hidden = IMAGES
    for index in range(4):
        hidden = relu(block.norms[index](hidden, condition))
        hidden = up(hidden) if grows and index == 1 else hidden
        weight, bias = block.layers[index].weight, block.layers[index].bias
        hidden = conv2d(hidden, weight, bias, padding=weight.shape[-1] // 2)
    beside = up(IMAGES[:, :3]) if grows else IMAGES[:, :3]
    torch.testing.assert_close(block(IMAGES, condition), hidden + beside)
    assert [layer.weight.shape[-1] for layer in block.layers] == [1, 3, 3, 1]


@pytest.mark.parametrize("down", [False, True])
def test_a_shrinking_bottleneck_appends_channels(down):
    torch.manual_seed(0)
    block = DiscriminatorBottleneck(4, 6, down=down).double()
    for parameter in block.last.parameters():
        torch.nn.init.zeros_(parameter)
    pooled = avg_pool2d(IMAGES, 2) if down else IMAGES
    found = block(IMAGES)
    torch.testing.assert_close(found[:, :4], pooled)
    torch.testing.assert_close(found[:, 4:], block.added(pooled))
    assert DiscriminatorBottleneck(4, 4, down=down).added is None


@pytest.mark.parametrize(("build", "message"), [(lambda: GeneratorBottleneck(2, 4, 0, up=True), "drops")])
def test_a_bottleneck_cannot_grow_channels_where_it_drops_them(build, message):
    with pytest.raises(AssertionError, match=message):
        build()
    with pytest.raises(AssertionError, match="adds"):
        DiscriminatorBottleneck(4, 2, down=True)


def test_orthogonal_weights_have_orthonormal_rows_or_columns():
    torch.manual_seed(0)
    block = DiscriminatorResidualBlock(4, 6, down=True)
    initialise(block, "orthogonal")
    for layer in (block.first, block.second, block.shortcut):
        matrix = layer.weight.flatten(1)
        matrix = matrix if len(matrix) <= matrix.shape[1] else matrix.mT
        torch.testing.assert_close(matrix @ matrix.mT, torch.eye(len(matrix)), rtol=0, atol=1e-5)
        assert not layer.bias.any()


def test_xavier_weights_have_the_variance_of_glorot_and_bengio():
    torch.manual_seed(0)
    layer = torch.nn.ModuleList([torch.nn.Linear(300, 500)])
    initialise(layer, "xavier")
    assert layer[0].weight.var().item() == pytest.approx(2 / 800, rel=0.02)
