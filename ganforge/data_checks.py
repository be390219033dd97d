"""What real samples look like before training begins: what is wrong with them shows in a few numbers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganforge.appearance import roughness
from ganforge.data import Source, to_float
from ganforge.sampler import Sampler

MOST, BYTES = 4_096, 2**26  # samples that are looked at, and how much memory these may take
CLEARLY = 0.04  # of the range from -1 to 1: by how much one colour outweighs another so that one sees it
ORDER = 0  # the seed of the shuffle: the same samples for every run


def look_at(source: Source, count: int) -> tuple[Tensor, Tensor | None]:
    """Return the first `count` samples of a fixed shuffle, images in [-1, 1], and their labels."""
    batch = source.batch(_first(source, count))
    return to_float(batch["image"]).float(), batch.get("label")


def checks(source: Source) -> dict[str, float]:
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
    samples, labels = look_at(source, count)
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
    upper, lower = (
        half.mean((1, 2)) for half in (blueness[:, : blueness.shape[1] // 2], blueness[:, -(blueness.shape[1] // 2) :])
    )
    whole = blueness.mean((1, 2))
    return {
        "warm": float((whole < -CLEARLY).float().mean()),
        "cool": float((whole > CLEARLY).float().mean()),
        "sky": float((upper - lower).mean()),
    }


def _first(source: Source, count: int) -> np.ndarray:
    return np.sort(Sampler(ORDER, len(source)).permutation(0)[:count])
