"""The tests that the tutorial writes."""

import torch
from ganforge_example import PearsonChiSquare, Sine

from ganforge import DataSpec, Duel


def test_the_network_gives_samples_of_the_shape_of_the_data() -> None:
    for shape in [(2,), (1, 8, 8), (3, 16, 16)]:
        network = Sine(latent=5).build(DataSpec(shape))
        samples = network(torch.randn(4, 5))
        assert samples.shape == (4, *shape)
        assert len(shape) == 1 or samples.abs().max() <= 1


def test_the_best_discriminator_finds_the_divergence() -> None:
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.2, 0.6])  # the data and the generator, on three points
    best = 2 * (p / q - 1)
    divergence = ((p - q).square() / q).sum()

    def loss(scores: torch.Tensor) -> torch.Tensor:
        zero, term = torch.zeros(3), PearsonChiSquare().discriminator
        real, fake = Duel(lambda x, labels: x, scores, zero), Duel(lambda x, labels: x, zero, scores)
        return (p * term(real) + q * term(fake)).sum()

    torch.testing.assert_close(loss(best), -divergence)
    for step in 0.1 * torch.eye(3):
        assert loss(best + step) > -divergence
        assert loss(best - step) > -divergence
