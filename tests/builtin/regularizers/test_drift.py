"""The drift term."""

from __future__ import annotations

import pytest
import torch

from ganforge.api.duel import Duel
from ganforge.builtin.regularizers.drift import Drift


def test_it_is_the_square_of_the_scores_of_real_samples():
    real, fake = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    weight = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64, requires_grad=True)
    duel = Duel(lambda samples, labels: samples @ weight, real, fake)
    penalty = Drift(weight=0.5).penalty(duel)
    torch.testing.assert_close(penalty, 0.5 * (real @ weight) ** 2)
    (gradient,) = torch.autograd.grad(penalty.mean(), weight)
    torch.testing.assert_close(gradient, real.t() @ (real @ weight.detach()) / 4)
    assert Drift().weight == 0.001, "the paper's"


def test_it_can_be_scheduled():
    drift = Drift(weight={"start": 1.0, "end": 0.0, "images": 100})
    logits = torch.tensor([2.0])
    at = [Duel(lambda samples, labels: logits, logits, logits, images=images) for images in (0, 50, 100)]
    assert [drift.penalty(duel).item() for duel in at] == pytest.approx([4.0, 2.0, 0.0])
