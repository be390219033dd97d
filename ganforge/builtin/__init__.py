"""The components that come with ganforge, registered through the same hooks as everybody's.

Each sub-package holds one family, one small file per paper; a class in such a file is found without being listed.
"""

from __future__ import annotations

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
from ganforge.builtin import (
    augmentations,
    constraints,
    data,
    features,
    games,
    losses,
    metrics,
    monitors,
    networks,
    optimizers,
    regularizers,
)
from ganforge.plugins.hookspecs import hookimpl
from ganforge.plugins.loading import offered


@hookimpl
def ganforge_games() -> list[type[GameComponent]]:
    return offered(games, GameComponent)


@hookimpl
def ganforge_generators() -> list[type[Generator]]:
    return offered(networks, Generator)


@hookimpl
def ganforge_discriminators() -> list[type[Discriminator]]:
    return offered(networks, Discriminator)


@hookimpl
def ganforge_losses() -> list[type[Loss]]:
    return offered(losses, Loss)


@hookimpl
def ganforge_regularizers() -> list[type[Regularizer]]:
    return offered(regularizers, Regularizer)


@hookimpl
def ganforge_constraints() -> list[type[Constraint]]:
    return offered(constraints, Constraint)


@hookimpl
def ganforge_optimizers() -> list[type[Optimizer]]:
    return offered(optimizers, Optimizer)


@hookimpl
def ganforge_augmentations() -> list[type[Augmentation]]:
    return offered(augmentations, Augmentation)


@hookimpl
def ganforge_datasets() -> list[type[Dataset]]:
    return offered(data, Dataset)


@hookimpl
def ganforge_features() -> list[type[Features]]:
    return offered(features, Features)


@hookimpl
def ganforge_metrics() -> list[type[Metric]]:
    return offered(metrics, Metric)


@hookimpl
def ganforge_monitors() -> list[type[Monitor]]:
    return offered(monitors, Monitor)
