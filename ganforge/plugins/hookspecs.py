"""The hooks a plugin may implement: all of them, on one screen.

Each returns component classes and has no side effects. All are called once, when the catalogue is read; the order
of plugins does not matter. A plugin implements as many as it likes, each marked with `ganforge.hookimpl`.
"""

from __future__ import annotations

import pluggy

from ganforge.api.families import (
    Augmentation,
    Constraint,
    Dataset,
    Discriminator,
    Features,
    Generator,
    Loss,
    Metric,
    Monitor,
    Optimizer,
    Regularizer,
)
from ganforge.api.game import GameComponent

hookspec = pluggy.HookspecMarker("ganforge")
hookimpl = pluggy.HookimplMarker("ganforge")


@hookspec
def ganforge_games() -> list[type[GameComponent]]:  # type: ignore[empty-body]
    """GAN families: who plays, what each player minimises, and when."""


@hookspec
def ganforge_generators() -> list[type[Generator]]:  # type: ignore[empty-body]
    """Networks that turn latents into samples."""


@hookspec
def ganforge_discriminators() -> list[type[Discriminator]]:  # type: ignore[empty-body]
    """Networks that score samples."""


@hookspec
def ganforge_losses() -> list[type[Loss]]:  # type: ignore[empty-body]
    """Adversarial losses: what each side of a duel minimises."""


@hookspec
def ganforge_regularizers() -> list[type[Regularizer]]:  # type: ignore[empty-body]
    """Penalties added to a player's loss."""


@hookspec
def ganforge_constraints() -> list[type[Constraint]]:  # type: ignore[empty-body]
    """What happens to weights rather than to the loss."""


@hookspec
def ganforge_optimizers() -> list[type[Optimizer]]:  # type: ignore[empty-body]
    """How weights follow gradients."""


@hookspec
def ganforge_augmentations() -> list[type[Augmentation]]:  # type: ignore[empty-body]
    """Changes to what the discriminator sees."""


@hookspec
def ganforge_datasets() -> list[type[Dataset]]:  # type: ignore[empty-body]
    """Where real samples come from."""


@hookspec
def ganforge_features() -> list[type[Features]]:  # type: ignore[empty-body]
    """Pretrained networks whose features metrics compare."""


@hookspec
def ganforge_metrics() -> list[type[Metric]]:  # type: ignore[empty-body]
    """Numbers about generated samples."""


@hookspec
def ganforge_monitors() -> list[type[Monitor]]:  # type: ignore[empty-body]
    """Watchers for signs that training fails."""
