"""Standing statistics: what a truncated generator normalises by, and what it leaves alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from ganforge.api.data import DataSpec
from ganforge.builtin.networks.layers.standing_statistics import StandingStatisticsGenerator


class Toy(StandingStatisticsGenerator):
    """Latents [B, 3] as images of one pixel, scaled; BatchNorm; a weight to change."""

    def __init__(self, data: DataSpec, batches: int = 50) -> None:
        super().__init__(data, 3, batches)
        self.norm = nn.BatchNorm2d(3, affine=False)
        self.gain = nn.Parameter(torch.ones(1))
        self.seen: list[Tensor | None] = []

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        self.seen.append(labels)
        return self.norm((self.gain * latents)[..., None, None])


def variance_of_truncated(truncation: float) -> float:
    """Variance of the standard normal distribution cut off at +-c: 1 - 2 c phi(c) / (2 Phi(c) - 1)."""
    normal, cut = torch.distributions.Normal(0.0, 1.0), torch.tensor(2 * truncation)
    return float(1 - 2 * cut * normal.log_prob(cut).exp() / (2 * normal.cdf(cut) - 1))


@pytest.mark.parametrize("truncation", [0.2, 0.5, 0.9])
def test_statistics_are_the_moments_of_what_truncated_latents_give(truncation):
    ((mean, variance),) = Toy(DataSpec((3, 1, 1)), batches=100).statistics(truncation)
    torch.testing.assert_close(mean, torch.zeros(3), rtol=0, atol=0.03)
    torch.testing.assert_close(variance, torch.full((3,), variance_of_truncated(truncation)), rtol=0.04, atol=0)


def test_truncated_samples_are_normalised_by_them():
    network = Toy(DataSpec((3, 1, 1))).eval()
    latents = torch.randn(1000, 3)
    cut = torch.erfinv(torch.erf(latents / 2**0.5) * torch.erf(torch.tensor(0.6 / 2**0.5))) * 2**0.5
    ((mean, variance),) = network.statistics(0.3)
    expected = (cut - mean) / (variance + 1e-5).sqrt()
    torch.testing.assert_close(network.truncated(latents, None, 0.3).flatten(1), expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(network.truncated(latents, None, 1.0), network(latents))


def test_all_that_was_there_stays_as_it_was():
    network = Toy(DataSpec((3, 1, 1)))
    network(torch.randn(8, 3) + 5)
    before, norm = copy.deepcopy(network.state_dict()), network.norm
    kept = (norm.running_mean, norm.running_var, norm.num_batches_tracked)
    for training in (True, False):
        network.train(training)
        state = torch.random.get_rng_state()
        network.truncated(torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), None, 0.5)
        assert torch.equal(torch.random.get_rng_state(), state), "global randomness"
        assert norm.training == training
        assert norm.momentum == 0.1
        assert (norm.running_mean, norm.running_var, norm.num_batches_tracked) == kept, "the same tensors"
        assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert set(before) == {"gain", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"}


def test_state_is_put_back_after_an_error():
    network = Toy(DataSpec((3, 1, 1))).eval()
    mean = network.norm.running_mean
    with pytest.raises(RuntimeError):
        network.truncated(torch.randn(8, 2), None, 0.5)
    assert network.norm.running_mean is mean
    assert not network.norm.training


def test_a_sample_depends_on_nothing_that_shares_its_batch():
    network = Toy(DataSpec((3, 1, 1))).eval()
    latents = torch.randn(6, 3)
    whole = network.truncated(latents, None, 0.4)
    parts = [network.truncated(latents[rows], None, 0.4) for rows in (slice(0, 1), slice(1, 4), slice(4, 6))]
    assert torch.equal(torch.cat(parts), whole)
    assert torch.equal(Toy(DataSpec((3, 1, 1))).eval().truncated(latents, None, 0.4), whole)


def test_they_are_measured_once_for_each_truncation_and_again_for_new_weights():
    network = Toy(DataSpec((3, 1, 1)), batches=4).eval()
    latents = torch.randn(2, 3)
    network.truncated(latents, None, 0.5)
    assert len(network.seen) == 4 + 1
    network.truncated(latents, None, 0.5)
    assert len(network.seen) == 4 + 2
    network.truncated(latents, None, 0.25)
    assert len(network.seen) == 8 + 3
    before = network.truncated(latents, None, 0.5)
    with torch.no_grad():
        network.gain.mul_(3)
    after = network.truncated(latents, None, 0.5)
    assert len(network.seen) == 12 + 5
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)  # the statistics follow the weights


def test_labels_are_drawn_as_the_data_have_them():
    network = Toy(DataSpec((3, 1, 1), 4))
    network.statistics(0.5)
    labels = torch.cat(network.seen)
    assert labels.dtype == torch.int64
    assert labels.bincount(minlength=4).min() > 0.8 * len(labels) / 4
    network = Toy(DataSpec((3, 1, 1), conditions=2))
    network.statistics(0.5)
    conditions = torch.cat(network.seen)
    assert conditions.shape[1] == 2
    assert -1 <= conditions.min() < -0.95
    assert 0.95 < conditions.max() <= 1
