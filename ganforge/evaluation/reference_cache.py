"""Cache of what was found out about real samples, kept on disk under all that it depends on."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path

import torch
from pydantic import BaseModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ganforge.api.data import Source
from ganforge.api.metric import FeatureNetwork, Moments, SampleRequest, View
from ganforge.version import __version__

VERSION = 2  # of how rows and moments are computed; raise it when that changes
MOST = 2**30  # bytes of rows that are kept

Statistics = Tensor | Moments
_log = logging.getLogger(__name__)


def load_statistics(cache: Path, key: str, want: SampleRequest) -> Statistics | None:
    """Return what was kept of real samples; None where there is nothing that is whole."""
    path = _path(cache, key)
    if not path.exists():
        return None
    try:
        with safe_open(path, "np") as file:  # as "pt", safetensors 0.8.0 leaks 64 bytes for each tensor
            metadata = file.metadata() or {}
            if metadata.get("key") != key:
                raise ValueError("they are of something else")
            names = ["rows"] if want.keep == "rows" else ["mean", "covariance"]
            tensors: dict[str, Tensor] = {name: torch.from_numpy(file.get_tensor(name)) for name in names}
    except (SafetensorError, OSError, ValueError) as error:
        _log.warning("the reference statistics %s are damaged (%s) and are computed again", path, error)
        return None
    if metadata.get("checksum") != _checksum(tensors) or not _fits(tensors, want.count):
        _log.warning("the reference statistics %s are damaged (a checksum is wrong) and are computed again", path)
        return None
    if want.keep == "rows":
        return tensors["rows"]
    return Moments(tensors["mean"].numpy(), tensors["covariance"].numpy(), want.count)


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of names, types, shapes and bytes: safetensors itself would read a flipped bit as a number."""
    whole = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        whole.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return whole.hexdigest()


def _fits(tensors: Mapping[str, Tensor], count: int) -> bool:
    """Whether these are so many rows, or a mean [D] and a covariance [D, D]."""
    if "rows" in tensors:
        return tensors["rows"].dim() > 0 and len(tensors["rows"]) == count
    mean, covariance = tensors["mean"], tensors["covariance"]
    doubles = mean.dtype == covariance.dtype == torch.float64
    return doubles and mean.dim() == 1 and covariance.shape == (len(mean), len(mean))


def store_statistics(cache: Path, key: str, kept: Statistics) -> None:
    """Keep what was found out about real samples, unless it is very large."""
    if isinstance(kept, Moments):
        tensors = {"mean": torch.from_numpy(kept.mean), "covariance": torch.from_numpy(kept.covariance)}
    else:
        tensors = {"rows": kept.contiguous()}
    if sum(tensor.nbytes for tensor in tensors.values()) > MOST:
        return
    path = _path(cache, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    try:
        save_file(tensors, name, metadata={"key": key, "checksum": _checksum(tensors)})
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def statistics_key(source: Source, want: SampleRequest, network: FeatureNetwork | None) -> str:
    """Return all that statistics depend on: the real samples, what is wanted of them, and the network that looks."""
    return json.dumps(
        {
            "version": VERSION,
            "ganforge": __version__,
            "torch": str(torch.__version__),
            "reference": source.fingerprint,
            "count": want.count,
            "keep": want.keep,
            "view": _identity(want.view),
            "features": None if network is None else [network.name, network.weights_sha256, network.resizer],
        },
        sort_keys=True,
    )


def _identity(view: View) -> str:
    assert is_dataclass(view)
    parts = []
    for field in fields(view):
        value: object = view.__dict__[field.name]
        parts.append(f"{field.name}={value.model_dump_json() if isinstance(value, BaseModel) else repr(value)}")
    return f"{type(view).__module__}.{type(view).__qualname__}({', '.join(parts)})"


def _path(cache: Path, key: str) -> Path:
    return cache / f"features-{hashlib.sha256(key.encode()).hexdigest()[:32]}.safetensors"
