"""ganforge: a plugin-based experiment runner for GANs.

What a plugin needs is here, under one name each: `from ganforge import Generator, hookimpl`. Importing ganforge itself
loads neither torch nor mlflow; a name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ganforge.version import __version__ as __version__

if TYPE_CHECKING:
    from ganforge.api.component import Component as Component
    from ganforge.api.component import Strict as Strict
    from ganforge.api.data import Batch as Batch
    from ganforge.api.data import DataSpec as DataSpec
    from ganforge.api.data import Source as Source
    from ganforge.api.dice import Dice as Dice
    from ganforge.api.duel import Duel as Duel
    from ganforge.api.families import Augmentation as Augmentation
    from ganforge.api.families import AugmentationNetwork as AugmentationNetwork
    from ganforge.api.families import Constraint as Constraint
    from ganforge.api.families import Dataset as Dataset
    from ganforge.api.families import Discriminator as Discriminator
    from ganforge.api.families import Features as Features
    from ganforge.api.families import Generator as Generator
    from ganforge.api.families import Loss as Loss
    from ganforge.api.families import Metric as Metric
    from ganforge.api.families import Monitor as Monitor
    from ganforge.api.families import Optimizer as Optimizer
    from ganforge.api.families import Regularizer as Regularizer
    from ganforge.api.game import Game as Game
    from ganforge.api.game import GameComponent as GameComponent
    from ganforge.api.game import PlayerRecipe as PlayerRecipe
    from ganforge.api.game import Terms as Terms
    from ganforge.api.game import Turn as Turn
    from ganforge.api.metric import Exam as Exam
    from ganforge.api.metric import FeatureNetwork as FeatureNetwork
    from ganforge.api.metric import Measurement as Measurement
    from ganforge.api.metric import UnroundedFeatureNetwork as UnroundedFeatureNetwork
    from ganforge.api.monitor import Finding as Finding
    from ganforge.api.monitor import LogLine as LogLine
    from ganforge.api.monitor import Series as Series
    from ganforge.api.monitor import Watcher as Watcher
    from ganforge.api.network import DiscriminatorNetwork as DiscriminatorNetwork
    from ganforge.api.network import FeatureDiscriminator as FeatureDiscriminator
    from ganforge.api.network import GeneratorNetwork as GeneratorNetwork
    from ganforge.api.network import StyleGenerator as StyleGenerator
    from ganforge.api.plan import Plan as Plan
    from ganforge.api.schedule import Clock as Clock
    from ganforge.api.tally import Tally as Tally
    from ganforge.errors import GanforgeError as GanforgeError
    from ganforge.plugins.hookspecs import hookimpl as hookimpl


_HOME = {
    "Clock": "api.schedule",
    "Component": "api.component",
    "Strict": "api.component",
    "Batch": "api.data",
    "DataSpec": "api.data",
    "Source": "api.data",
    "Dice": "api.dice",
    "Duel": "api.duel",
    "GanforgeError": "errors",
    "Augmentation": "api.families",
    "AugmentationNetwork": "api.families",
    "Constraint": "api.families",
    "Dataset": "api.families",
    "Discriminator": "api.families",
    "Features": "api.families",
    "Generator": "api.families",
    "Loss": "api.families",
    "Metric": "api.families",
    "Monitor": "api.families",
    "Optimizer": "api.families",
    "Regularizer": "api.families",
    "Game": "api.game",
    "GameComponent": "api.game",
    "PlayerRecipe": "api.game",
    "Terms": "api.game",
    "Turn": "api.game",
    "hookimpl": "plugins.hookspecs",
    "Exam": "api.metric",
    "FeatureNetwork": "api.metric",
    "Measurement": "api.metric",
    "UnroundedFeatureNetwork": "api.metric",
    "Finding": "api.monitor",
    "Line": "api.monitor",
    "Series": "api.monitor",
    "Watcher": "api.monitor",
    "DiscriminatorNetwork": "api.network",
    "FeatureDiscriminator": "api.network",
    "GeneratorNetwork": "api.network",
    "StyleGenerator": "api.network",
    "Plan": "api.plan",
    "Tally": "api.tally",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'ganforge' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ganforge.{_HOME[name]}"), name)
