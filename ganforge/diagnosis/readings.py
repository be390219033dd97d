"""Readings of a handful of samples, without any network: numbers that tell grey, alike or noisy ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ganforge.api.data import Source, to_float
from ganforge.api.sampler import Sampler

SMALL = 8  # pixels across, of the pictures whose distances are taken
TWIN = 0.02  # rms distance of two pictures in [-1, 1] that an eye does not tell apart: 2.5 of 255 levels
TWIN_SHARE = 0.002  # of points: the same, as a share of their mean distance


@torch.no_grad()
def sample_readings(samples: Tensor, classes: Tensor | None = None) -> dict[str, Tensor]:
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


MOST, BYTES = 4_096, 2**26  # samples that are looked at, and how much memory these may take
CLEARLY = 0.04  # of the range from -1 to 1: by how much one colour outweighs another so that one sees it
ORDER = 0  # the seed of the shuffle: the same samples for every run


def first_samples(source: Source, count: int) -> tuple[Tensor, Tensor | None]:
    """Return the first `count` samples of a fixed shuffle, images in [-1, 1], and their labels."""
    batch = source.batch(np.sort(Sampler(ORDER, len(source)).permutation(0)[:count]))
    return to_float(batch["image"]).float(), batch.get("label")


def data_readings(source: Source) -> dict[str, float]:
    """Look at some real samples.

    Returns:
        By name:

        - `count`: samples in the data set;
        - `duplicates`: the share of those looked at that are copies of others of them;
        - `constant`: the share whose numbers are all the same;
        - `min`, `max`: of all numbers, images as networks see them: from -1 to 1;
        - of labelled data, `labelled`, the share with a label, and of classes `classes_seen`, how many there are, and
          `largest_class`, the share of the most frequent one;
        - of images, `roughness_down` and `roughness_across` (see `roughness`: 1 = noise), which are much alike in
          photographs; of colour images `grey`, the share without any colour, and `channel_distance`, the root mean
          square difference of neighbouring channels over the standard deviation: small where channels show one scene;
        - of images with red, green and blue, `warm` and `cool`, the shares with clearly more red than blue, and more
          blue than red, and `sky`, by how much the upper half is bluer than the lower one, on the average.
    """
    count = min(MOST, max(BYTES // (source.spec.size * 4), 16))
    samples, labels = first_samples(source, count)
    rows = samples.flatten(1)
    copies = len(rows) - len({row.tobytes() for row in rows.numpy()})
    found = {"count": float(len(source)), "duplicates": copies / len(rows)}
    found["constant"] = float((rows.amax(1) == rows.amin(1)).float().mean())
    found |= {"min": float(rows.amin()), "max": float(rows.amax())}
    if labels is not None and source.spec.classes:
        sizes = torch.bincount(labels[labels >= 0].long(), minlength=source.spec.classes)
        found["labelled"] = float((labels >= 0).float().mean())
        found["classes_seen"] = float((sizes > 0).sum())
        found["largest_class"] = float(sizes.max() / sizes.sum().clamp(min=1))
    if samples.dim() == 4:
        found |= dict(zip(("roughness_down", "roughness_across"), map(float, roughness(samples)), strict=True))
        if samples.shape[1] > 1:
            differences = samples.diff(dim=1)
            found["grey"] = float((differences.flatten(1).abs().amax(1) == 0).float().mean())
            spread = samples.std(unbiased=False).clamp(min=1e-12)
            found["channel_distance"] = float(differences.square().mean().sqrt() / spread)
        if samples.shape[1] in (3, 4):
            found |= _colours(samples)
    return found


def _colours(images: Tensor) -> dict[str, float]:
    """Look at images [B, 3 or 4, H, W] in [-1, 1] whose first channel is taken for red and whose third for blue."""
    blueness = images[:, 2] - images[:, 0]
    half = blueness.shape[1] // 2
    upper, lower = blueness[:, :half].mean((1, 2)), blueness[:, -half:].mean((1, 2))
    whole = blueness.mean((1, 2))
    return {
        "warm": float((whole < -CLEARLY).float().mean()),
        "cool": float((whole > CLEARLY).float().mean()),
        "sky": float((upper - lower).mean()),
    }
