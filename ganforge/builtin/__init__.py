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
from ganforge.plugins.loading import components_in


@hookimpl
def ganforge_games() -> list[type[GameComponent]]:
    return components_in(games, GameComponent)


@hookimpl
def ganforge_generators() -> list[type[Generator]]:
    return components_in(networks, Generator)


@hookimpl
def ganforge_discriminators() -> list[type[Discriminator]]:
    return components_in(networks, Discriminator)


@hookimpl
def ganforge_losses() -> list[type[Loss]]:
    return components_in(losses, Loss)


@hookimpl
def ganforge_regularizers() -> list[type[Regularizer]]:
    return components_in(regularizers, Regularizer)


@hookimpl
def ganforge_constraints() -> list[type[Constraint]]:
    return components_in(constraints, Constraint)


@hookimpl
def ganforge_optimizers() -> list[type[Optimizer]]:
    return components_in(optimizers, Optimizer)


@hookimpl
def ganforge_augmentations() -> list[type[Augmentation]]:
    return components_in(augmentations, Augmentation)


@hookimpl
def ganforge_datasets() -> list[type[Dataset]]:
    return components_in(data, Dataset)


@hookimpl
def ganforge_features() -> list[type[Features]]:
    return components_in(features, Features)


@hookimpl
def ganforge_metrics() -> list[type[Metric]]:
    return components_in(metrics, Metric)


@hookimpl
def ganforge_monitors() -> list[type[Monitor]]:
    return components_in(monitors, Monitor)
