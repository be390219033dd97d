"""What can be read off a handful of samples without any network: numbers that tell grey, alike or noisy ones."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

SMALL = 8  # pixels across, of the pictures whose distances are taken
TWIN = 0.02  # rms distance of two pictures in [-1, 1] that an eye does not tell apart: 2.5 of 255 levels
TWIN_SHARE = 0.002  # of points: the same, as a share of their mean distance


@torch.no_grad()
def appearance(samples: Tensor, classes: Tensor | None = None) -> dict[str, Tensor]:
    """Read off samples what they look like.

    Args:
        samples: [N, *shape], N >= 2: images in [-1, 1], or beyond where that is what is wrong; or points [N, D].
        classes: [N] integers, where there are any.

    Returns:
        By name, each []:

        - `mean`, `min`, `max`: of all numbers;
        - `variance`: over samples, the mean over pixels: 0 where all samples are one;
        - `distance`: root mean square distance of two samples, the mean over pairs; images are shrunk to 8 x 8 before;
        - `nearest`: of a sample to its nearest, the median;
        - `duplicates`: the share of samples with a twin that an eye does not tell apart;
        - `least_class_distance`: the least over classes of the distance within;
        - of images, `contrast`: the standard deviation over an image's pixels, by channel, the mean over samples;
        - of images, `roughness`: how much neighbours differ, their mean square over twice the variance: 1 = noise.
    """
    samples = samples.detach().float()
    found = {"mean": samples.mean(), "min": samples.amin(), "max": samples.amax()}
    found["variance"] = samples.var(0, unbiased=False).mean()
    if samples.dim() == 4:
        found["contrast"] = samples.flatten(2).std(2, unbiased=False).mean()
        down, across = roughness(samples)
        found["roughness"] = (down + across) / 2
    far = distances(samples)
    found |= {"distance": mean_distance(far)}
    nearest = (far + torch.diag(far.new_full((len(far),), torch.inf))).amin(1)
    limit = TWIN if samples.dim() == 4 else TWIN_SHARE * found["distance"]
    found |= {"nearest": nearest.median(), "duplicates": (nearest < limit).float().mean()}
    if classes is not None:
        within = [far[classes == label][:, classes == label] for label in set(classes.tolist())]
        known = [mean_distance(part) for part in within if len(part) > 1]
        found |= {"least_class_distance": torch.stack(known).amin()} if known else {}
    return found


def distances(samples: Tensor) -> Tensor:  # [N, N]
    """Return the root mean square distance of each two samples [N, *shape]; images are shrunk to 8 x 8 before."""
    if samples.dim() == 4 and min(samples.shape[2:]) > SMALL:
        samples = adaptive_avg_pool2d(samples, SMALL)
    flat = samples.flatten(1)
    far: Tensor = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist") / flat.shape[1] ** 0.5
    return far


def mean_distance(far: Tensor) -> Tensor:
    """Return the mean over pairs of different samples of their distances [N, N]."""
    return far.sum() / max(len(far) * (len(far) - 1), 1)


def roughness(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return how much neighbours differ down and across images [N, C, H, W]: 1 = noise, near 0 = smooth, 0 = flat."""
    spread = 2 * images.var((2, 3), unbiased=False).mean()
    down, across = images.diff(dim=2).square().mean(), images.diff(dim=3).square().mean()
    flat = spread < 1e-12
    return torch.where(flat, 0.0, down / spread), torch.where(flat, 0.0, across / spread)
