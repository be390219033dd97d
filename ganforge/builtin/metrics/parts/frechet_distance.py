"""The Fréchet distance between two Gaussians."""

from __future__ import annotations

from ganforge.api import Moments


def frechet_distance(one: Moments, two: Moments) -> float:
    """Return the squared Fréchet distance of two Gaussians, by torch-fidelity: the formula of Heusel et al. 2017."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    pair = [{"mu": moments.mean, "sigma": moments.covariance} for moments in (one, two)]
    return float(fid_statistics_to_metric(*pair, verbose=False)[KEY_METRIC_FID])
