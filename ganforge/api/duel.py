"""One discriminator facing one real and one generated batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn

from ganforge.api.network import DiscriminatorNetwork, GeneratorNetwork

Role = Literal["generator", "discriminator"]  # whose turn it is
ScoreFunction = Callable[[Tensor, Tensor | None], Tensor]  # samples [B, *shape], labels [B] or None -> logits [B]
FeatureFunction = Callable[[Tensor, Tensor | None], Sequence[Tensor]]


class Duel:
    """What every loss and penalty looks at.

    Generated samples and logits are computed when first read, so that a term pays only for what it uses.

    Args:
        discriminator: scores (samples, labels) with logits [B], or any shape with leading B.
        real: real samples [B, *shape]; a leaf that requires gradients where a term of this turn asked for it.
        fake: generated samples [B, *shape], or what makes them when they are first wanted.
        labels: [B], or None where the data have none; those of the real and of the generated samples.
        latents: [B, L] that the generated samples come from, where there are any.
        generator: the network they come from, where there is one.
        network: the discriminator's network, where there is one, for terms about its weights.
        features: (samples, labels) -> its inner activations, where it is a `FeatureDiscriminator`.
        role: whose turn it is.
        images: shown before this round, for what is scheduled: `value_at(self.weight, duel.images)`.
        joint: both batches may share one forward (see `DiscriminatorNetwork.batch_group`).
    """

    def __init__(
        self,
        discriminator: ScoreFunction,
        real: Tensor,
        fake: Tensor | Callable[[], Tensor],
        labels: Tensor | None = None,
        *,
        latents: Tensor | None = None,
        generator: GeneratorNetwork | None = None,
        network: DiscriminatorNetwork | None = None,
        features: FeatureFunction | None = None,
        role: Role = "discriminator",
        images: int = 0,
        joint: bool = False,
    ) -> None:
        self.discriminator, self.real, self.labels = discriminator, real, labels
        self.latents, self.generator, self.joint = latents, generator, joint
        self.network, self.role, self.images = network, role, images
        self._fake, self._features = fake, features

    @cached_property
    def fake(self) -> Tensor:  # [B, *shape]
        """The generated samples."""
        return self._fake if isinstance(self._fake, Tensor) else self._fake()

    @cached_property
    def real_logits(self) -> Tensor:  # [B] or [B, ...]
        """The discriminator's scores of the real samples."""
        return self._both[0] if self.joint else self.discriminator(self.real, self.labels)

    @cached_property
    def fake_logits(self) -> Tensor:  # [B] or [B, ...]
        """The discriminator's scores of the generated samples."""
        return self._both[1] if self.joint else self.discriminator(self.fake, self.labels)

    @cached_property
    def real_gradient(self) -> Tensor:  # [B, *shape]
        """The gradient of the real samples' logits by these samples, which must require it; part of the graph."""
        return self._slopes[0] if self._at_once else _slope(self.real_logits, self.real)

    @cached_property
    def fake_gradient(self) -> Tensor:  # [B, *shape]
        """The gradient of the generated samples' logits by these samples, which must require it; part of the graph."""
        return self._slopes[1] if self._at_once else _slope(self.fake_logits, self.fake)

    @property
    def player(self) -> nn.Module:
        """The network of the player whose turn it is."""
        network = self.network if self.role == "discriminator" else self.generator
        assert network is not None, "this duel was made without networks"
        return network

    def features(self, samples: Tensor) -> Sequence[Tensor]:
        """Return the discriminator's inner activations of samples as it is shown them, with this duel's labels."""
        assert self._features is not None, "this duel is with a discriminator that shows no features"
        return self._features(samples, self.labels)

    @cached_property
    def _both(self) -> tuple[Tensor, Tensor]:
        labels = None if self.labels is None else torch.cat([self.labels, self.labels])
        real, fake = self.discriminator(torch.cat([self.real, self.fake]), labels).chunk(2)
        return real, fake

    @property
    def _at_once(self) -> bool:
        return self.joint and self.real.requires_grad and self.fake.requires_grad

    @cached_property
    def _slopes(self) -> tuple[Tensor, Tensor]:
        """Both gradients: where samples shared a forward, one backward costs no more than that of one of them."""
        outputs = self.real_logits.sum() + self.fake_logits.sum()
        real, fake = torch.autograd.grad(outputs, (self.real, self.fake), create_graph=True)
        return real, fake


def _slope(logits: Tensor, samples: Tensor) -> Tensor:
    (slope,) = torch.autograd.grad(logits.sum(), samples, create_graph=True)
    return slope
