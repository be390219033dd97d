"""Features of data sets that an examination does not look at."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganforge.api import DataError, Exam, Features, Source

BATCH = 64


def dataset_features(exam: Exam, features: Features, source: Source, key: str, most: int | None = None) -> Tensor:
    """Return features [N, D] of a data set, in its own order, on the CPU.

    Args:
        exam: whose network and device are used.
        features: the component.
        source: the data.
        key: what named them, for messages.
        most: samples; None = all.

    Raises:
        DataError: its samples are of another shape than those under examination.
    """
    if source.spec.shape != exam.source.spec.shape:
        raise DataError(
            f"{key}: its samples are of shape {list(source.spec.shape)}, and those to compare them with of "
            f"{list(exam.source.spec.shape)}; give both the same resolution and channels"
        )
    network, count, found = exam.network(features), min(len(source), most or len(source)), []
    with torch.no_grad():
        for start in range(0, count, BATCH):
            images = source.batch(np.arange(start, min(start + BATCH, count)))["image"].to(exam.device)
            found.append(network(images.expand(-1, 3, -1, -1))["features"].float().cpu())
    return torch.cat(found)
