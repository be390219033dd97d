"""VGG16, CLIP and DINOv2: torch-fidelity's features, of files that are vetted; a sentence when they cannot be had."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest
import torch
import torchvision
from support.examinations import noise
from torch import Tensor, nn
from torch_fidelity.feature_extractor_clip import CLIPVisual, FeatureExtractorCLIP
from torch_fidelity.feature_extractor_dinov2 import FeatureExtractorDinoV2
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x
from torchvision.transforms.functional import normalize

from ganforge.builtin.features import dinov2
from ganforge.builtin.features.clip import Clip
from ganforge.builtin.features.dinov2 import DinoV2
from ganforge.builtin.features.parts.preprocessing import IMAGENET_NORMALISATION
from ganforge.builtin.features.parts.published_weights import Publication, PublishedFeatures
from ganforge.builtin.features.parts.vision_transformer import SwiGLU, TransformerBlock, VisionTransformer
from ganforge.builtin.features.vgg16 import Vgg16
from ganforge.errors import GanforgeError

IMAGES = torch.from_numpy(noise(2, 3, 32, 32)) // torch.tensor([[[[1]]], [[[3]]]], dtype=torch.uint8)  # one is darker
KINDS = (Vgg16, Clip, partial(DinoV2, model="vit-s-14"))
Kind = Callable[..., PublishedFeatures]


def made(shapes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Seeded weights, one number for each row of a matrix: large networks make small files."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: (torch.randn(like.shape[:1], generator=generator) * (2 / like[0].numel() if like.dim() > 1 else 0.01))
        .reshape(-1, *[1] * (like.dim() - 1))
        .expand(like.shape)
        for name, like in shapes.items()
    }


def drawn(shapes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Seeded weights, each a number of its own."""
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(like.shape, generator=generator) * 0.2 for name, like in shapes.items()}


def saved(state: object, path: Path) -> Path:
    torch.save(state, path)
    return path


def checked(features: PublishedFeatures, width: int, size: str) -> Tensor:
    """The features of two images, after what holds for all."""
    network = features.build()
    found = network(IMAGES)["features"]
    assert found.shape == (2, width)
    assert found.dtype == torch.float32
    assert (found[0] - found[1]).abs().max() > 1e-4 * found.abs().max(), "they do not look at the images"
    assert features.weights is not None
    assert network.weights_sha256 == hashlib.sha256(features.weights.read_bytes()).hexdigest()
    assert size in network.resizer
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    return found


def test_vgg16_is_torchvisions_up_to_its_second_layer_of_4096(tmp_path: Path) -> None:
    with torch.device("meta"):
        model = torchvision.models.vgg16()
    state = made(model.state_dict())
    found = checked(Vgg16(weights=saved(state, tmp_path / "vgg.pth")), 4096, "224")
    model.load_state_dict(state, assign=True)
    model.eval()
    images = interpolate_bilinear_2d_like_tensorflow1x(IMAGES.float(), size=(224, 224), align_corners=False) / 255
    with torch.no_grad():
        hidden = model.avgpool(model.features(normalize(images, *IMAGENET_NORMALISATION)))
        expected = model.classifier[:5](hidden.flatten(1))
    assert expected.min() == 0 < expected.max()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * float(expected.max()))


@pytest.fixture(scope="module")
def clip_state() -> dict[str, Tensor]:
    """A narrow tower with as many features and positions as ViT-B/32 has."""
    with torch.device("meta"):
        shapes = CLIPVisual(512, 224, 2, 64, 32).state_dict()
    return {**drawn(shapes), "text_projection": torch.zeros(64, 512), "logit_scale": torch.ones(())}


class Holder(nn.Module):
    """Holds tensors under dotted names, as a TorchScript archive of them does."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        inner: dict[str, dict[str, Tensor]] = {}
        for name, value in state.items():
            first, _, rest = name.partition(".")
            if rest:
                inner.setdefault(first, {})[rest] = value
            else:
                self.register_parameter(name, nn.Parameter(value, requires_grad=False))
        for name, some in inner.items():
            self.add_module(name, Holder(some))


def test_clip_is_torch_fidelitys(
    clip_state: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = checked(Clip(weights=saved(clip_state, tmp_path / "clip.pth")), 512, "224")
    archive = tmp_path / "clip.pt"
    torch.jit.script(Holder(clip_state)).save(str(archive))
    expected = FeatureExtractorCLIP("clip-vit-b-32", ["clip"], str(archive))(IMAGES)[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=0)

    with pytest.raises(GanforgeError, match="does not hold the weights of CLIP vit-b-32"):
        Clip(weights=archive).build()  # TorchScript that is not the published one is not opened
    digits = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(Clip, "publication", Publication("CLIP", "https://example.org", f"clip-vit-b-32-{digits}.pt"))
    assert torch.equal(checked(Clip(weights=archive), 512, "224"), found)


def test_clip_of_another_tower_is_refused(clip_state: dict[str, Tensor], tmp_path: Path) -> None:
    path = saved(clip_state, tmp_path / "clip.pth")
    for model in ("vit-b-16", "rn101"):
        with pytest.raises(GanforgeError, match=f"does not hold the weights of CLIP {model}"):
            Clip(model=model, weights=path).build()


def test_dinov2_sees_images_as_torch_fidelity_shows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dinov2._SHAPES, "vit-s-14", (64, 2, 2, False))
    network = VisionTransformer(64, 2, 2)
    network.load_state_dict(drawn(network.state_dict()))
    monkeypatch.setattr(torch.hub, "load", lambda repository, name: network)
    expected = FeatureExtractorDinoV2("dinov2-vit-s-14", ["dinov2"])(IMAGES)[0]
    found = checked(DinoV2(model="vit-s-14", weights=saved(network.state_dict(), tmp_path / "dino.pth")), 64, "224")
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_the_vision_transformer_is_torchvisions_with_scales_folded_in() -> None:
    ours = VisionTransformer(32, 2, 4, positions=2).eval()
    ours.load_state_dict(drawn(ours.state_dict()))
    theirs = torchvision.models.VisionTransformer(
        image_size=28, patch_size=14, num_layers=2, num_heads=4, hidden_dim=32, mlp_dim=128, num_classes=1
    ).eval()
    theirs.heads = nn.Identity()
    state = ours.state_dict()
    mapped = {
        "class_token": state["cls_token"],
        "encoder.pos_embedding": state["pos_embed"],
        "encoder.ln.weight": state["norm.weight"],
        "encoder.ln.bias": state["norm.bias"],
        "conv_proj.weight": state["patch_embed.proj.weight"],
        "conv_proj.bias": state["patch_embed.proj.bias"],
    }
    for i in range(2):
        block, layer = f"blocks.{i}.", f"encoder.layers.encoder_layer_{i}."
        for kind in ("weight", "bias"):
            scales = [state[f"{block}ls{n}.gamma"] for n in (1, 2)]
            one, two = (scale[:, None] if kind == "weight" else scale for scale in scales)
            mapped |= {
                f"{layer}ln_1.{kind}": state[f"{block}norm1.{kind}"],
                f"{layer}ln_2.{kind}": state[f"{block}norm2.{kind}"],
                f"{layer}self_attention.in_proj_{kind}": state[f"{block}attn.qkv.{kind}"],
                f"{layer}self_attention.out_proj.{kind}": one * state[f"{block}attn.proj.{kind}"],
                f"{layer}mlp.0.{kind}": state[f"{block}mlp.fc1.{kind}"],
                f"{layer}mlp.3.{kind}": two * state[f"{block}mlp.fc2.{kind}"],
            }
    theirs.load_state_dict(mapped)
    images = torch.randn(3, 3, 28, 28, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-5)


def test_the_transformers_are_as_large_as_the_published_ones() -> None:
    # https://github.com/facebookresearch/dinov2: 21 M, 86 M, 300 M and 1,100 M parameters
    with torch.device("meta"):
        sizes = {model: VisionTransformer(*shape) for model, shape in dinov2._SHAPES.items()}
    found = {model: sum(value.numel() for value in network.parameters()) for model, network in sizes.items()}
    assert found == {"vit-s-14": 22_056_576, "vit-b-14": 86_580_480, "vit-l-14": 304_368_640, "vit-g-14": 1_136_480_768}
    giant = sizes["vit-g-14"].blocks[0]
    assert isinstance(giant, TransformerBlock)
    assert isinstance(giant.mlp, SwiGLU)
    assert giant.mlp.w3.in_features == 4096


def test_places_between_known_ones_are_interpolated() -> None:
    network = VisionTransformer(4, 1, 1)
    ramp = torch.arange(37.0).reshape(1, 37, 1, 1).expand(1, 37, 37, 4).reshape(1, -1, 4)
    network.pos_embed.data[:, 1:] = ramp
    assert torch.equal(network.position_embeddings(37, 37), network.pos_embed)
    places = network.position_embeddings(16, 16)[0, 1:].reshape(16, 16, 4)
    inner = places[2:-2, :, 0]
    expected = (torch.arange(16.0) + 0.5) * 37 / 16.1 - 0.5  # centres of 16 cells on 37, with the published offset
    torch.testing.assert_close(
        inner, expected[2:-2, None].expand_as(inner).detach(), rtol=0, atol=0.06
    )  # bicubic, not linear


@pytest.mark.parametrize("features", KINDS)
def test_a_file_that_would_run_something_is_refused_unread(features: Kind, tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"

    class Marks:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (mark,)

    with pytest.raises(GanforgeError, match="does not hold the weights"):
        features(weights=saved({"visual.proj": Marks()}, tmp_path / "harmful.pth")).build()
    assert not mark.exists()


@pytest.mark.parametrize("features", KINDS)
@pytest.mark.parametrize("content", [b"no weights", [torch.zeros(2)], {"layer": 3}, None])
def test_what_are_no_weights_is_named(features: Kind, content: object, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        saved(content, path)
    with pytest.raises(GanforgeError) as caught:
        features(weights=path).build()
    assert str(path) in str(caught.value)
    assert "weights = PATH" in str(caught.value)


@pytest.mark.parametrize("features", KINDS[1:])
def test_weights_of_another_network_are_named(features: Kind, tmp_path: Path) -> None:
    with pytest.raises(GanforgeError, match="does not hold the weights"):
        features(weights=saved({"layer": torch.zeros(2)}, tmp_path / "other.pth")).build()


@pytest.mark.parametrize("features", KINDS)
def test_without_a_network_the_offline_choices_are_told(
    features: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str | None]] = []

    def no_network(url: str, target: str, hash_prefix: str | None, progress: bool) -> None:
        asked.append((url, hash_prefix))
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(GanforgeError) as caught:
        features().build()
    message = str(caught.value)
    assert "no route to host" in message
    assert "weights = PATH" in message
    assert 'features = "efficientnet-lite0"' in message
    ((url, prefix),) = asked
    assert url.startswith("https://")
    assert url in message
    assert prefix == (features().publication.sha256 or None)


def test_published_checksums_are_known_where_there_are_any() -> None:
    assert Vgg16().publication.sha256 == "397923af"
    assert len(Clip().publication.sha256) == 64
    assert Clip().publication.sha256 in Clip().publication.url
    assert DinoV2().publication.sha256 == ""
