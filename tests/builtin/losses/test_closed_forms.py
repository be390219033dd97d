from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.special import expit, log_expit
from torch import Tensor

from ganforge.api.duel import Duel
from ganforge.builtin.losses.hinge import Hinge
from ganforge.builtin.losses.least_squares import LeastSquares
from ganforge.builtin.losses.minimax import Minimax
from ganforge.builtin.losses.non_saturating import NonSaturating
from ganforge.builtin.losses.relativistic import Relativistic
from ganforge.builtin.losses.wasserstein import Wasserstein

REAL = np.array([-3.0, -0.4, 0.2, 1.7, 5.0])
FAKE = np.array([2.5, 0.3, -1.1, -4.0, 0.9])


def lsig(x: np.ndarray) -> np.ndarray:
    return np.asarray(log_expit(x))


def duel(real: Tensor, fake: Tensor) -> Duel:
    return Duel(lambda samples, labels: samples, real, fake)


MEAN_R, MEAN_F = REAL.mean(), FAKE.mean()
FORMS = [
    (Minimax(), -lsig(REAL) - lsig(-FAKE), lsig(-FAKE)),
    (Minimax(smoothing=0.1), -0.9 * lsig(REAL) - 0.1 * lsig(-REAL) - lsig(-FAKE), lsig(-FAKE)),
    (NonSaturating(), -lsig(REAL) - lsig(-FAKE), -lsig(FAKE)),
    (NonSaturating(smoothing=0.1), -0.9 * lsig(REAL) - 0.1 * lsig(-REAL) - lsig(-FAKE), -lsig(FAKE)),
    (LeastSquares(), (REAL - 1) ** 2 / 2 + FAKE**2 / 2, (FAKE - 1) ** 2 / 2),
    (LeastSquares(a=-1, b=1, c=0), (REAL - 1) ** 2 / 2 + (FAKE + 1) ** 2 / 2, FAKE**2 / 2),
    (Hinge(), np.maximum(0, 1 - REAL) + np.maximum(0, 1 + FAKE), -FAKE),
    (Wasserstein(), FAKE - REAL, -FAKE),
    (Relativistic(), -np.log(expit(REAL - FAKE)), -np.log(expit(FAKE - REAL))),
    (
        Relativistic(average=True),
        -lsig(REAL - MEAN_F) - np.log(1 - expit(FAKE - MEAN_R)),
        -lsig(FAKE - MEAN_R) - np.log(1 - expit(REAL - MEAN_F)),
    ),
]


@pytest.mark.parametrize(("loss", "discriminator", "generator"), FORMS, ids=lambda value: getattr(value, "kind", ""))
def test_losses_equal_their_papers(loss, discriminator, generator):
    batch = duel(torch.from_numpy(REAL), torch.from_numpy(FAKE))
    np.testing.assert_allclose(loss.discriminator(batch).numpy(), discriminator, rtol=1e-12)
    np.testing.assert_allclose(loss.generator(batch).numpy(), generator, rtol=1e-12)


@pytest.mark.parametrize("loss", [form[0] for form in FORMS], ids=lambda loss: loss.kind)
@pytest.mark.parametrize("side", ["discriminator", "generator"])
def test_gradients_are_those_of_finite_differences(loss, side):
    real = torch.from_numpy(REAL).requires_grad_()
    fake = torch.from_numpy(FAKE).requires_grad_()

    def term(real: Tensor, fake: Tensor) -> Tensor:
        return getattr(loss, side)(duel(real, fake))

    assert torch.autograd.gradcheck(term, (real, fake))


@pytest.mark.parametrize("loss", [form[0] for form in FORMS], ids=lambda loss: loss.kind)
def test_extreme_logits_stay_finite_with_finite_gradients(loss):
    logits = torch.tensor([-1e4, 1e4, 0.0], requires_grad=True)
    batch = duel(logits, logits.flip(0))
    for value in (loss.discriminator(batch), loss.generator(batch)):
        (gradient,) = torch.autograd.grad(value.sum(), logits, retain_graph=True)
        assert torch.isfinite(value).all()
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("loss", [form[0] for form in FORMS], ids=lambda loss: loss.kind)
def test_patch_logits_keep_their_shape(loss):
    batch = duel(torch.randn(2, 1, 3, 3), torch.randn(2, 1, 3, 3))
    assert loss.discriminator(batch).shape == loss.generator(batch).shape == (2, 1, 3, 3)


@pytest.mark.parametrize("loss", [form[0] for form in FORMS if form[0].kind != "relativistic"], ids=lambda x: x.kind)
def test_generators_do_not_pay_for_real_logits(loss):
    seen: list[Tensor] = []

    def critic(samples: Tensor, labels: Tensor | None) -> Tensor:
        seen.append(samples)
        return samples

    fake = torch.ones(3)
    loss.generator(Duel(critic, torch.zeros(3), fake))
    assert len(seen) == 1
    assert seen[0] is fake


def test_smoothed_discriminator_is_best_where_its_probability_is_the_target():
    logit = torch.tensor([np.log(0.8 / 0.2)], dtype=torch.float64, requires_grad=True)
    NonSaturating(smoothing=0.2).discriminator(duel(logit, torch.zeros(1))).sum().backward()
    assert logit.grad is not None
    torch.testing.assert_close(logit.grad, torch.zeros_like(logit), atol=1e-12, rtol=0)


def test_relativistic_losses_ignore_a_shift_of_all_logits():
    real, fake = torch.from_numpy(REAL), torch.from_numpy(FAKE)
    for loss in (Relativistic(), Relativistic(average=True)):
        shifted = loss.discriminator(duel(real + 7, fake + 7))
        torch.testing.assert_close(shifted, loss.discriminator(duel(real, fake)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("smoothing", [-0.1, 0.5, float("nan")])
def test_smoothing_has_bounds(smoothing):
    with pytest.raises(ValidationError, match="smoothing"):
        NonSaturating(smoothing=smoothing)


def test_least_squares_targets_must_pull_apart():
    with pytest.raises(ValidationError, match="expected b > a"):
        LeastSquares(a=1.0, b=0.0)
