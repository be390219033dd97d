"""LPIPS: torch-fidelity's own, as the squared distance of two vectors; weights are read safely."""

from __future__ import annotations

import hashlib
import pickle
import shutil
from pathlib import Path

import pytest
import torch
import torch_fidelity.sample_similarity_lpips as theirs
from support.examinations import noise
from torch import Tensor, nn

from ganforge.api.metric import UnroundedFeatureNetwork
from ganforge.builtin.features.lpips import STAGES, Lpips
from ganforge.errors import DataError, GanforgeError


class Shell(nn.Module):
    """The convolutions of torchvision's VGG16 (configuration D of arXiv:1409.1556), as it names them."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
            layers += [nn.MaxPool2d(2)] if not width else [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width or channels
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(3, 2)  # whatever else the file holds


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Random weights of the right form."""
    folder, generator = tmp_path_factory.mktemp("lpips"), torch.Generator().manual_seed(0)
    state = Shell().state_dict()
    for value in state.values():
        value.copy_(torch.randn(value.shape, generator=generator) * (2 / max(value[0].numel(), 9)) ** 0.5)
    torch.save(state, folder / "vgg.pth")
    linear = {
        f"lin{stage}.model.1.weight": torch.rand(1, widths[-1], 1, 1, generator=generator)
        for stage, widths in enumerate(STAGES)
    }
    torch.save(linear, folder / "linear.pth")
    return folder / "vgg.pth", folder / "linear.pth"


def ours(files: tuple[Path, Path]) -> Lpips:
    return Lpips(weights=files[0], linear=files[1])


def distance(told: Tensor) -> Tensor:
    return (told[0] - told[1]).double().square().sum()


@pytest.mark.parametrize("size", [16, 24, 33])
def test_the_squared_distance_is_torch_fidelitys_lpips(
    size: int, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = Shell()
    shell.load_state_dict(torch.load(files[0], weights_only=True))
    monkeypatch.setattr(theirs, "torchvision_load_pretrained_vgg16", lambda: shell)
    monkeypatch.setattr(theirs, "load_state_dict_from_url", lambda *_, **__: torch.load(files[1], weights_only=True))
    images = torch.from_numpy(noise(2, 3, size, size))
    expected = theirs.SampleSimilarityLPIPS("lpips-vgg16")(images[:1], images[1:]).item()
    network = ours(files).build()
    assert expected > 0.05
    assert distance(network(images)["perceptual"]).item() == pytest.approx(expected, rel=1e-5)
    assert distance(network(images.float())["perceptual"]).item() == pytest.approx(expected, rel=1e-5)


def test_what_it_tells_and_where_it_comes_from(files: tuple[Path, Path]) -> None:
    network = ours(files).build()
    told = network(torch.from_numpy(noise(2, 3, 16, 16)))
    assert told["features"].shape == (2, 1472)
    assert told["perceptual"].shape == (2, sum(w[-1] * (16 >> n) ** 2 for n, w in enumerate(STAGES)))
    assert isinstance(network, UnroundedFeatureNetwork)
    assert network.weights_sha256 == hashlib.sha256(files[0].read_bytes()).hexdigest()
    assert hashlib.sha256(files[1].read_bytes()).hexdigest()[:8] in network.name
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_small_images_are_refused(files: tuple[Path, Path]) -> None:
    with pytest.raises(DataError, match="16 pixels or more, and these have 8"):
        ours(files).build()(torch.from_numpy(noise(1, 3, 8, 8)))


def test_files_of_something_else_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(GanforgeError, match="does not hold the LPIPS weights"):
        Lpips(weights=files[0], linear=files[0]).build()
    with pytest.raises(GanforgeError, match="VGG16"):
        Lpips(weights=files[1], linear=files[1]).build()
    with pytest.raises(GanforgeError, match="cannot read the LPIPS weights"):
        Lpips(weights=files[0], linear=tmp_path / "none.pth").build()
    state = torch.load(files[1], weights_only=True)
    torch.save({**state, "lin0.model.1.weight": -state["lin0.model.1.weight"]}, tmp_path / "negative.pth")
    with pytest.raises(GanforgeError, match="other channels"):
        Lpips(weights=files[0], linear=tmp_path / "negative.pth").build()


def test_a_file_that_would_run_something_is_refused_unread(files: tuple[Path, Path], tmp_path: Path) -> None:
    mark, path = tmp_path / "it-ran", tmp_path / "harmful.pth"

    class Marks:
        def __reduce__(self) -> tuple[object, ...]:
            return shutil.copy, (str(files[1]), str(mark))

    path.write_bytes(pickle.dumps(Marks(), protocol=2))
    with pytest.raises(GanforgeError, match="does not hold the LPIPS weights"):
        Lpips(weights=files[0], linear=path).build()
    assert not mark.exists()
