"""Mean and covariance of features, as Fréchet distances compare them; those of the reference are kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

import ganforge
from ganforge.errors import DataError
from ganforge.metric import Exam, FeatureNetwork

VERSION = 1  # of how statistics are computed; raise it when that changes
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Statistics:
    """Mean [D] and covariance [D, D] of the features of some samples."""

    mean: np.ndarray
    covariance: np.ndarray


def extract(images: Iterable[Tensor], network: FeatureNetwork, device: torch.device) -> Tensor:
    """Return the features [N, D] float32, on the CPU, of batches of images uint8 [B, 1 or 3, H, W].

    Raises:
        DataError: the samples are not images of one or three channels.
    """
    network.to(device).eval()
    found: list[Tensor] = []
    with torch.no_grad():
        for batch in images:
            if batch.dim() != 4 or batch.shape[1] not in (1, 3):
                raise DataError(
                    f"features compare images of 1 or 3 channels, and these are of shape {list(batch.shape[1:])}; "
                    "choose a metric that takes any shape (such as pixel-variance)"
                )
            found.append(network(batch.to(device).expand(-1, 3, -1, -1)).float().cpu())
    return torch.cat(found)


def statistics(features: Tensor) -> Statistics:
    """Return the statistics of features [N, D], by torch-fidelity."""
    from torch_fidelity.metric_fid import fid_features_to_statistics

    found = fid_features_to_statistics(features)
    return Statistics(found["mu"], found["sigma"])


def frechet_distance(one: Statistics, two: Statistics) -> float:
    """Return the squared Fréchet distance of two Gaussians, by torch-fidelity: the formula of Heusel et al. 2017."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    pair = [{"mu": stat.mean, "sigma": stat.covariance} for stat in (one, two)]
    return float(fid_statistics_to_metric(*pair, verbose=False)[KEY_METRIC_FID])


def reference_statistics(exam: Exam, network: FeatureNetwork, count: int) -> Statistics:
    """Return the statistics of `count` real samples, from `exam.cache` where they were computed before.

    torch-fidelity's own cache is not used: it knows statistics by a name that the caller gives, whatever the images,
    the weights and the counts, and it reads them with the full unpickler.
    """
    key = json.dumps(
        {
            "version": VERSION,
            "ganforge": ganforge.__version__,
            "torch": str(torch.__version__),
            "reference": exam.source.fingerprint,
            "real": min(count, len(exam.source)),
            "features": network.name,
            "weights": network.weights_sha256,
            "resizer": network.resizer,
        },
        sort_keys=True,
    )
    path = exam.cache / f"features-{hashlib.sha256(key.encode()).hexdigest()[:32]}.safetensors"
    kept = _read(path, key)
    if kept is None:
        kept = statistics(extract(exam.reals(count), network, exam.device))
        _write(path, key, kept)
    return kept


def _read(path: Path, key: str) -> Statistics | None:
    if not path.exists():
        return None
    try:
        with safe_open(path, "np") as file:
            if file.metadata() == {"key": key}:
                return Statistics(file.get_tensor("mean"), file.get_tensor("covariance"))
    except SafetensorError as error:
        _log.warning("the reference statistics %s are damaged (%s) and are computed again", path, error)
    return None


def _write(path: Path, key: str, kept: Statistics) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    try:
        save_file({"mean": kept.mean, "covariance": kept.covariance}, name, metadata={"key": key})
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
