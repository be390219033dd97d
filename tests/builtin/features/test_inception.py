"""Inception's features: torch-fidelity's own, from a file that is read safely; a sentence when it cannot be had."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import pytest
import torch
from support.examinations import noise
from support.inception import make_weights
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from ganforge.builtin.features.inception import Inception
from ganforge.builtin.features.parts.published_weights import Publication
from ganforge.errors import GanforgeError


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_weights(tmp_path_factory.mktemp("weights") / "inception.pth")


def test_the_features_are_torch_fidelitys(weights: Path) -> None:
    images = torch.from_numpy(noise(2, 3, 32, 32))
    network = Inception(weights=weights).build()
    expected = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(weights))(images)[0]
    found = network(images)["features"]
    assert found.shape == (2, 2048)
    assert (found[0] - found[1]).abs().max() > 1e-3
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert len(network.weights_sha256) == 64
    assert "299" in network.resizer


def test_a_file_that_would_run_something_is_refused_unread(tmp_path: Path) -> None:
    mark, path = tmp_path / "it-ran", tmp_path / "harmful.pth"

    class Marks:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (mark,)

    torch.save({"fc.weight": Marks()}, path)
    with pytest.raises(GanforgeError, match="does not hold the weights"):
        Inception(weights=path).build()
    assert not mark.exists()
    with path.open("rb") as file, pytest.raises(pickle.UnpicklingError):
        torch.load(file, weights_only=True)


@pytest.mark.parametrize("content", [b"", b"no weights at all", None])
def test_what_is_no_weights_file_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GanforgeError) as caught:
        Inception(weights=path).build()
    assert str(path) in str(caught.value)
    assert "weights = PATH" in str(caught.value)


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    torch.save({"layer.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(GanforgeError, match="does not hold the weights"):
        Inception(weights=tmp_path / "other.pth").build()


def test_without_a_network_the_offline_choices_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(GanforgeError) as caught:
        Inception().build()
    message = str(caught.value)
    assert "no route to host" in message
    assert "weights = PATH" in message
    assert 'features = "efficientnet-lite0"' in message
    assert "pip install ganforge-efficientnet" in message


def test_the_download_goes_where_torch_fidelity_looks_and_is_checked(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []
    content = weights.read_bytes()

    def download(url: str, target: str, hash_prefix: str, progress: bool) -> None:
        asked.append((url, hash_prefix))
        Path(target).write_bytes(content)

    digits = hashlib.sha256(content).hexdigest()[:8]
    published = Publication("Inception", f"https://example.org/inception-{digits}.pth", f"inception-{digits}.pth")
    assert Inception().publication.sha256 == "6726825d"
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    monkeypatch.setattr(Inception, "publication", published)
    Inception().build()
    Inception().build()
    assert asked == [(published.url, digits)]
    assert (tmp_path / "checkpoints" / published.file).exists()


def test_a_file_that_is_not_what_its_name_promises_is_refused(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    there = tmp_path / "checkpoints" / Inception().publication.file
    there.parent.mkdir()
    there.write_bytes(weights.read_bytes())
    for features in (Inception(), Inception(weights=there)):
        with pytest.raises(GanforgeError, match=r"damaged or was replaced.*6726825d"):
            features.build()
