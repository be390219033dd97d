from __future__ import annotations

import torch

from ganforge.api.data import DataSpec
from ganforge.builtin.networks.layers.projection_head import ProjectionHead


def test_a_class_adds_the_product_with_its_own_vector():
    torch.manual_seed(0)
    head = ProjectionHead(6, DataSpec((1, 8, 8), 3))
    features, labels = torch.randn(4, 6), torch.tensor([2, 0, 1, 2])
    expected = head.score(features)[:, 0] + torch.stack(
        [head.embedding.weight[:, label] @ feature for label, feature in zip(labels, features, strict=True)]
    )
    torch.testing.assert_close(head(features, labels), expected)


def test_a_continuous_condition_is_a_bilinear_form():
    torch.manual_seed(0)
    head = ProjectionHead(6, DataSpec((1, 8, 8), conditions=2))
    features, condition = torch.randn(4, 6), torch.rand(4, 2) * 2 - 1
    zero, one, two = (head(features, scale * condition) for scale in (0.0, 1.0, 2.0))
    torch.testing.assert_close(zero, head.score(features)[:, 0])
    torch.testing.assert_close(two - zero, 2 * (one - zero))


def test_without_labels_it_is_linear():
    head = ProjectionHead(6, DataSpec((1, 8, 8)))
    features = torch.randn(4, 6)
    torch.testing.assert_close(head(features, None), head.score(features)[:, 0])
    assert sum(parameter.numel() for parameter in head.parameters()) == 7
