"""The facade: every name that a component may use, listed once; `X as X` says that a name is for others.

The package knows what a component is and what it is given: torch and pydantic. It must not know a process, a file of a
run, a recipe's file, or any GAN by name.
"""

import types
import typing

from ganforge.api.collective import Collective as Collective
from ganforge.api.component import Component as Component
from ganforge.api.component import Paper as Paper
from ganforge.api.component import Strict as Strict
from ganforge.api.data import Batch as Batch
from ganforge.api.data import DataSpec as DataSpec
from ganforge.api.data import KnownConditions as KnownConditions
from ganforge.api.data import KnownModes as KnownModes
from ganforge.api.data import Source as Source
from ganforge.api.data import to_device as to_device
from ganforge.api.data import to_float as to_float
from ganforge.api.data import to_uint8 as to_uint8
from ganforge.api.dice import Dice as Dice
from ganforge.api.dice import Roll as Roll
from ganforge.api.dice import all_dice as all_dice
from ganforge.api.dice import derive_seed as derive_seed
from ganforge.api.dice import roll_dice as roll_dice
from ganforge.api.duel import Duel as Duel
from ganforge.api.duel import Role as Role
from ganforge.api.duel import ScoreFunction as ScoreFunction
from ganforge.api.families import Augmentation as Augmentation
from ganforge.api.families import AugmentationNetwork as AugmentationNetwork
from ganforge.api.families import Better as Better
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
from ganforge.api.families import RemedyFor as RemedyFor
from ganforge.api.game import EmaRecipe as EmaRecipe
from ganforge.api.game import Game as Game
from ganforge.api.game import GameComponent as GameComponent
from ganforge.api.game import PlayerRecipe as PlayerRecipe
from ganforge.api.game import StartRecipe as StartRecipe
from ganforge.api.game import Terms as Terms
from ganforge.api.game import Turn as Turn
from ganforge.api.hookspecs import components_in as components_in
from ganforge.api.hookspecs import hookimpl as hookimpl
from ganforge.api.metric import Exam as Exam
from ganforge.api.metric import ExaminedBatch as ExaminedBatch
from ganforge.api.metric import FeatureBuilder as FeatureBuilder
from ganforge.api.metric import FeatureNetwork as FeatureNetwork
from ganforge.api.metric import FeatureOutput as FeatureOutput
from ganforge.api.metric import Labels as Labels
from ganforge.api.metric import Measurement as Measurement
from ganforge.api.metric import Moments as Moments
from ganforge.api.metric import Receipt as Receipt
from ganforge.api.metric import SampleRequest as SampleRequest
from ganforge.api.metric import Samples as Samples
from ganforge.api.metric import Side as Side
from ganforge.api.metric import UnroundedFeatureNetwork as UnroundedFeatureNetwork
from ganforge.api.metric import View as View
from ganforge.api.monitor import Action as Action
from ganforge.api.monitor import Finding as Finding
from ganforge.api.monitor import LogLine as LogLine
from ganforge.api.monitor import Series as Series
from ganforge.api.monitor import Severity as Severity
from ganforge.api.monitor import Watcher as Watcher
from ganforge.api.network import DiscriminatorNetwork as DiscriminatorNetwork
from ganforge.api.network import Draw as Draw
from ganforge.api.network import EquivariantGenerator as EquivariantGenerator
from ganforge.api.network import FeatureDiscriminator as FeatureDiscriminator
from ganforge.api.network import GeneratorNetwork as GeneratorNetwork
from ganforge.api.network import GrowingNetwork as GrowingNetwork
from ganforge.api.network import StyleGenerator as StyleGenerator
from ganforge.api.network import truncate_normal as truncate_normal
from ganforge.api.pictures import WIDTH as WIDTH
from ganforge.api.pictures import picture_grid as picture_grid
from ganforge.api.pictures import to_picture as to_picture
from ganforge.api.pictures import to_pixels as to_pixels
from ganforge.api.plan import Plan as Plan
from ganforge.api.remedy import has_unbounded_critic as has_unbounded_critic
from ganforge.api.remedy import lower_learning_rate as lower_learning_rate
from ganforge.api.remedy import offered_remedies as offered_remedies
from ganforge.api.remedy import remedies as remedies
from ganforge.api.remedy import usual_learning_rate as usual_learning_rate
from ganforge.api.sampler import Sampler as Sampler
from ganforge.api.schedule import Clock as Clock
from ganforge.api.schedule import DecayRate as DecayRate
from ganforge.api.schedule import NonNegativeNumber as NonNegativeNumber
from ganforge.api.schedule import Number as Number
from ganforge.api.schedule import PositiveNumber as PositiveNumber
from ganforge.api.schedule import Ramp as Ramp
from ganforge.api.schedule import set_clocks as set_clocks
from ganforge.api.schedule import value_at as value_at
from ganforge.api.slots import AnyAugmentation as AnyAugmentation
from ganforge.api.slots import AnyConstraint as AnyConstraint
from ganforge.api.slots import AnyDataset as AnyDataset
from ganforge.api.slots import AnyDiscriminator as AnyDiscriminator
from ganforge.api.slots import AnyDiscriminatorRegularizer as AnyDiscriminatorRegularizer
from ganforge.api.slots import AnyFeatures as AnyFeatures
from ganforge.api.slots import AnyGenerator as AnyGenerator
from ganforge.api.slots import AnyGeneratorRegularizer as AnyGeneratorRegularizer
from ganforge.api.slots import AnyLoss as AnyLoss
from ganforge.api.slots import AnyMetric as AnyMetric
from ganforge.api.slots import AnyMonitor as AnyMonitor
from ganforge.api.slots import AnyOptimizer as AnyOptimizer
from ganforge.api.slots import AnyRegularizer as AnyRegularizer
from ganforge.api.slots import Slot as Slot
from ganforge.api.tally import Tally as Tally
from ganforge.decoding.decoders import DecoderPool as DecoderPool
from ganforge.decoding.image import DECODING_VERSION as DECODING_VERSION
from ganforge.decoding.image import BadImageError as BadImageError
from ganforge.decoding.image import Channels as Channels
from ganforge.errors import DataError as DataError
from ganforge.errors import GanforgeError as GanforgeError
from ganforge.errors import RecipeError as RecipeError
from ganforge.errors import at_key as at_key
from ganforge.errors import did_you_mean as did_you_mean
from ganforge.errors import printable as printable

if not typing.TYPE_CHECKING:  # type checkers take every `X as X` themselves
    __all__ = sorted(k for k, v in vars().items() if not (k.startswith("_") or isinstance(v, types.ModuleType)))
