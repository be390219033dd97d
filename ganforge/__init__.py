"""ganforge: a plugin-based experiment runner for GANs.

What a plugin needs is here, under one name each: `from ganforge import Generator, hookimpl`. Importing ganforge itself
loads neither torch nor mlflow; a name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganforge.clock import Clock as Clock
    from ganforge.component import Component as Component
    from ganforge.component import Strict as Strict
    from ganforge.data import Batch as Batch
    from ganforge.data import DataSpec as DataSpec
    from ganforge.data import Source as Source
    from ganforge.dice import Dice as Dice
    from ganforge.duel import Duel as Duel
    from ganforge.errors import GanforgeError as GanforgeError
    from ganforge.families import Augmentation as Augmentation
    from ganforge.families import AugmentationNetwork as AugmentationNetwork
    from ganforge.families import Constraint as Constraint
    from ganforge.families import Dataset as Dataset
    from ganforge.families import Discriminator as Discriminator
    from ganforge.families import Features as Features
    from ganforge.families import Generator as Generator
    from ganforge.families import Loss as Loss
    from ganforge.families import Metric as Metric
    from ganforge.families import Monitor as Monitor
    from ganforge.families import Optimizer as Optimizer
    from ganforge.families import Regularizer as Regularizer
    from ganforge.game import Game as Game
    from ganforge.game import GameComponent as GameComponent
    from ganforge.game import PlayerRecipe as PlayerRecipe
    from ganforge.game import Terms as Terms
    from ganforge.game import Turn as Turn
    from ganforge.hookspecs import hookimpl as hookimpl
    from ganforge.metric import Exam as Exam
    from ganforge.metric import FeatureNetwork as FeatureNetwork
    from ganforge.metric import Measurement as Measurement
    from ganforge.metric import UnroundedFeatureNetwork as UnroundedFeatureNetwork
    from ganforge.monitor import Finding as Finding
    from ganforge.monitor import Line as Line
    from ganforge.monitor import Series as Series
    from ganforge.monitor import Watcher as Watcher
    from ganforge.network import DiscriminatorNetwork as DiscriminatorNetwork
    from ganforge.network import FeatureDiscriminator as FeatureDiscriminator
    from ganforge.network import GeneratorNetwork as GeneratorNetwork
    from ganforge.network import StyleGenerator as StyleGenerator
    from ganforge.plan import Plan as Plan
    from ganforge.tally import Tally as Tally

__version__ = "0.1.0"

_HOME = {
    "Clock": "clock",
    "Component": "component",
    "Strict": "component",
    "Batch": "data",
    "DataSpec": "data",
    "Source": "data",
    "Dice": "dice",
    "Duel": "duel",
    "GanforgeError": "errors",
    "Augmentation": "families",
    "AugmentationNetwork": "families",
    "Constraint": "families",
    "Dataset": "families",
    "Discriminator": "families",
    "Features": "families",
    "Generator": "families",
    "Loss": "families",
    "Metric": "families",
    "Monitor": "families",
    "Optimizer": "families",
    "Regularizer": "families",
    "Game": "game",
    "GameComponent": "game",
    "PlayerRecipe": "game",
    "Terms": "game",
    "Turn": "game",
    "hookimpl": "hookspecs",
    "Exam": "metric",
    "FeatureNetwork": "metric",
    "Measurement": "metric",
    "UnroundedFeatureNetwork": "metric",
    "Finding": "monitor",
    "Line": "monitor",
    "Series": "monitor",
    "Watcher": "monitor",
    "DiscriminatorNetwork": "network",
    "FeatureDiscriminator": "network",
    "GeneratorNetwork": "network",
    "StyleGenerator": "network",
    "Plan": "plan",
    "Tally": "tally",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'ganforge' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ganforge.{_HOME[name]}"), name)
