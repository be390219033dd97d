"""Pixels as features: averages of pixels, in [-1, 1]."""

from __future__ import annotations

import numpy as np
import torch
from support.examinations import noise

from ganforge.builtin.features.pixels import Pixels


def test_large_images_are_averaged_and_small_ones_stay_as_they_are() -> None:
    images = noise(3, 3, 8, 8)
    scaled = images / 127.5 - 1
    averaged = scaled.reshape(3, 3, 4, 2, 4, 2).mean((3, 5)).reshape(3, -1)
    network = Pixels(size=4).build()
    np.testing.assert_allclose(network(torch.from_numpy(images))["features"], averaged, atol=1e-6)
    same = Pixels().build()(torch.from_numpy(images))["features"]
    np.testing.assert_allclose(same, scaled.reshape(3, -1), atol=1e-6)
    assert (network.name, network.resizer) == ("pixels-4", "torch adaptive average, 4")
