"""Every installed network keeps the promises of its family: shapes, ranges, gradients, and who influences whom."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.examples import SMALL, example
from support.installed import catalogue

from ganforge.api.data import DataSpec
from ganforge.api.dice import Roll, roll_dice
from ganforge.api.duel import Duel
from ganforge.api.families import AugmentationNetwork
from ganforge.api.network import (
    DiscriminatorNetwork,
    FeatureDiscriminator,
    GeneratorNetwork,
    GrowingNetwork,
    StyleGenerator,
)
from ganforge.api.tally import all_tallies
from ganforge.errors import DataError

B = 8
SPECS = [
    DataSpec((channels, resolution, resolution), classes)
    for channels in (1, 3, 4)
    for resolution in (8, 16)
    for classes in (0, 3)
]
SPECS += [DataSpec((2,)), DataSpec((2,), 3), DataSpec((1, 8, 8), conditions=2)]


def name_of(spec: DataSpec) -> str:
    shape = "x".join(map(str, spec.shape))
    return f"{shape}-{spec.conditions}conditions" if spec.conditions else f"{shape}-{spec.classes}classes"


EACH_SPEC = pytest.mark.parametrize("spec", SPECS, ids=name_of)
LABELLED = pytest.mark.parametrize("spec", [DataSpec((1, 8, 8), 3), DataSpec((1, 8, 8), conditions=2)], ids=name_of)
GENERATORS = sorted(catalogue().family("generators"))
DISCRIMINATORS = sorted(catalogue().family("discriminators"))


def build(family: str, kind: str, spec: DataSpec) -> Any:
    torch.manual_seed(0)
    cls = catalogue().family(family)[kind]
    component = cls.model_validate(example(cls), context={"catalogue": catalogue()})
    try:
        network = component.build(spec)
    except DataError as error:
        pytest.skip(f"{kind} refuses {spec.shape}: {error}")
    roll(network)
    return network


def roll(network: torch.nn.Module, start: int = 0) -> None:
    roll_dice(network, Roll(seed=1, purpose="test", start=start, rows=B, total=2 * B))


def labels_of(spec: DataSpec) -> torch.Tensor | None:
    if spec.conditions:
        return torch.linspace(-1, 1, B * spec.conditions).reshape(B, spec.conditions)
    return torch.arange(B) % spec.classes if spec.classes else None


def two_labels(spec: DataSpec) -> tuple[torch.Tensor, torch.Tensor]:
    if spec.conditions:
        return torch.full((B, spec.conditions), -0.5), torch.full((B, spec.conditions), 0.7)
    return torch.full((B,), 0), torch.full((B,), 1)


@EACH_SPEC
@pytest.mark.parametrize("kind", GENERATORS)
def test_generator(kind: str, spec: DataSpec):
    network = build("generators", kind, spec)
    assert isinstance(network, GeneratorNetwork)
    latents = torch.randn(B, SMALL["latent"], requires_grad=True)
    samples = network(latents, labels_of(spec))
    assert samples.shape == (B, *spec.shape)
    assert samples.dtype == torch.float32
    assert samples.isfinite().all()
    samples.square().sum().backward()
    assert latents.grad.abs().sum() > 0, "samples depend on latents"
    for resolution in network.resolutions[1:] if isinstance(network, GrowingNetwork) else ():
        network.grow(resolution, 0.5)
        network(latents, labels_of(spec)).square().sum().backward()
    unused = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert unused == [], "parameters that no sample depends on"


@EACH_SPEC
@pytest.mark.parametrize("kind", GENERATORS)
def test_generator_truncated_and_in_evaluation(kind: str, spec: DataSpec):
    network = build("generators", kind, spec).eval()
    latents, labels = torch.randn(B, SMALL["latent"]), labels_of(spec)
    with torch.no_grad():
        plain = network(latents, labels)
        roll(network)
        whole = network.truncated(latents, labels, 1.0)
        roll(network)
        some = network.truncated(latents, labels, 0.3)
    torch.testing.assert_close(whole, plain)
    assert some.shape == plain.shape
    assert not torch.allclose(some, plain), "truncation changes samples"
    if not isinstance(network, StyleGenerator):
        return
    roll(network)
    with torch.no_grad():
        again = network.synthesize(network.styles(latents, labels))
    torch.testing.assert_close(again, plain)


@LABELLED
@pytest.mark.parametrize("kind", GENERATORS)
def test_generator_heeds_labels(kind: str, spec: DataSpec):
    network = build("generators", kind, spec).eval()
    latents = torch.randn(B, SMALL["latent"])
    samples = []
    for labels in two_labels(spec):
        roll(network)
        samples.append(network(latents, labels).detach())
    assert not torch.allclose(*samples)


@EACH_SPEC
@pytest.mark.parametrize("kind", DISCRIMINATORS)
def test_discriminator(kind: str, spec: DataSpec):
    network = build("discriminators", kind, spec)
    assert isinstance(network, DiscriminatorNetwork)
    samples = torch.rand(B, *spec.shape).mul(2).sub(1).requires_grad_()
    logits = network(samples, labels_of(spec))
    assert logits.shape[0] == B
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()
    (gradient,) = torch.autograd.grad(logits.sum(), samples, create_graph=True)
    assert (gradient.flatten(1).norm(dim=1) > 0).all(), "the score depends on every sample"
    gradient.square().sum().backward()  # penalties differentiate twice
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    if isinstance(network, FeatureDiscriminator):
        roll(network)
        again, features = network.forward_features(samples, labels_of(spec))
        torch.testing.assert_close(again, logits)
        assert all(feature.shape[0] == B for feature in features)
        assert features[-1].shape == (B, network.width)


@LABELLED
@pytest.mark.parametrize("kind", DISCRIMINATORS)
def test_discriminator_heeds_labels(kind: str, spec: DataSpec):
    network = build("discriminators", kind, spec).eval()
    samples = torch.rand(B, 1, 8, 8)
    scores = []
    for labels in two_labels(spec):
        for parameter in network.parameters():  # some embeddings begin at 0
            parameter.data += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
        roll(network)
        scores.append(network(samples, labels).detach())
    assert not torch.allclose(*scores)


@pytest.mark.parametrize("kind", DISCRIMINATORS)
def test_discriminator_batch_group_is_who_influences_whom(kind: str):
    """Changing one sample changes the scores of its own group of neighbours only."""
    network = build("discriminators", kind, DataSpec((1, 8, 8)))
    group = network.batch_group
    assert group >= 0
    if group == 0:
        return  # anyone may influence anyone
    samples = torch.randn(B, 1, 8, 8)
    before = network(samples).detach()
    changed = samples.clone()
    changed[0] += 1.0
    roll(network)
    after = network(changed).detach()
    moved = (after - before).flatten(1 if after.dim() > 1 else 0).abs()
    moved = moved if moved.dim() == 1 else moved.sum(1)
    assert moved[0] > 0
    torch.testing.assert_close(moved[group:], torch.zeros(B - group), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(catalogue().family("augmentations")))
@EACH_SPEC
def test_augmentation(kind: str, spec: DataSpec):
    network = build("augmentations", kind, spec)
    assert isinstance(network, AugmentationNetwork)
    samples = torch.rand(B, *spec.shape).mul(2).sub(1).requires_grad_()
    for images in range(0, 300, 100):  # adaptive ones begin at no strength
        network.begin_round(images)
        roll_dice(network, Roll(seed=1, purpose="test", position=images, rows=B, total=B))
        shown = network(samples)
        real, fake = samples.detach(), -samples.detach() - images
        exchanged = network.exchange(real, fake, labels_of(spec))
        network.observe(torch.ones(B))
        for tally in all_tallies(network):
            tally.settle(tally.pending)
    kept = torch.equal(exchanged[0], real) and torch.equal(exchanged[1], fake)
    assert kept != network.exchanges, "it says whether samples change places"
    assert not torch.equal(shown, samples) or network.exchanges, "it changes something"
    assert shown.shape == samples.shape
    assert shown.isfinite().all()
    shown.sum().backward()
    assert samples.grad is not None, "differentiable"
    assert all(value.dim() == 0 for value in network.readings().values())


@pytest.mark.parametrize("kind", sorted(catalogue().family("losses")))
@pytest.mark.parametrize("shape", [(B,), (B, 1, 3, 3)], ids=["logit", "patches"])
def test_loss_pulls_the_right_way(kind: str, shape: tuple[int, ...]):
    """Following it, the discriminator raises real and lowers generated scores, and the generator raises its own."""
    cls = catalogue().family("losses")[kind]
    loss = cls.model_validate(example(cls), context={"catalogue": catalogue()})
    real, fake = torch.full(shape, 0.5, requires_grad=True), torch.full(shape, 0.5, requires_grad=True)

    def critic(samples: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        return samples

    terms = loss.discriminator(Duel(critic, real, fake))
    assert terms.shape[0] == B
    by_real, by_fake = torch.autograd.grad(terms.mean(), (real, fake))
    assert (by_real < 0).all()
    assert (by_fake > 0).all()
    terms = loss.generator(Duel(critic, real, fake))
    assert terms.shape[0] == B
    (by_fake,) = torch.autograd.grad(terms.mean(), fake)
    assert (by_fake < 0).all()
