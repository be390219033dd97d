"""Recipe fields that take any installed component of a family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ganforge.api import families
from ganforge.api.component import Component, KindLookup, default_kind
from ganforge.errors import did_you_mean


@dataclass(frozen=True)
class Slot:
    """Validates a table (or a bare kind) into the component class that its `kind` names."""

    base: type[Component]  # of the family whose components fit
    player: str | None = None  # whose regularizers fit, where that matters

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self.choose)

    def choose(self, entry: Any, info: ValidationInfo) -> Component:
        """Return the component that `entry` describes."""
        if isinstance(entry, Component):
            return self._fitting(entry)
        if not isinstance(entry, str | dict):
            raise PydanticCustomError(
                "component_type",
                "expected a kind of {family}, alone or in a table with its fields",
                {"family": self.noun},
            )
        if info.context is None:
            raise RuntimeError("validate with context={'catalogue': ...}, or pass components")
        catalogue: KindLookup = info.context["catalogue"]
        known = catalogue.family(self.family)
        kind = entry if isinstance(entry, str) else entry.get("kind", default_kind(catalogue, self.family))
        names = ", ".join(sorted(known)) or "none"
        if kind is None:
            raise PydanticCustomError(
                "missing_kind",
                "the kind of {family} is missing; installed: {known}",
                {"family": self.noun, "known": names},
            )
        if not isinstance(kind, str) or kind not in known:
            hint = did_you_mean(str(kind), known)
            raise PydanticCustomError(
                "unknown_kind",
                "unknown kind '{kind}' of {family}{hint} (installed: {known})",
                {"kind": str(kind), "family": self.noun, "hint": hint, "known": names},
            )
        fields = {} if isinstance(entry, str) else {**entry, "kind": kind}
        return self._fitting(known[kind].model_validate(fields, context=info.context))

    def _fitting(self, component: Component) -> Component:
        player = component.player if isinstance(component, families.Regularizer) else "either"
        if self.player is not None and player not in (self.player, "either"):
            raise PydanticCustomError(
                "wrong_player",
                "'{kind}' regularizes the {right}, not the {wrong}: move it to the {right}'s regularizers",
                {"kind": component.kind, "right": player, "wrong": self.player},
            )
        return component

    @property
    def family(self) -> str:
        """The name of the family, such as "losses"."""
        return self.base.family

    @property
    def noun(self) -> str:
        """The family in the singular, for error messages."""
        return self.base.noun


# A component of a family as a field of another: in a recipe its kind, or a table of its kind and fields.
AnyGenerator = Annotated[families.Generator, Slot(families.Generator)]
AnyDiscriminator = Annotated[families.Discriminator, Slot(families.Discriminator)]
AnyLoss = Annotated[families.Loss, Slot(families.Loss)]
AnyRegularizer = Annotated[families.Regularizer, Slot(families.Regularizer)]
AnyGeneratorRegularizer = Annotated[families.Regularizer, Slot(families.Regularizer, player="generator")]
AnyDiscriminatorRegularizer = Annotated[families.Regularizer, Slot(families.Regularizer, player="discriminator")]
AnyConstraint = Annotated[families.Constraint, Slot(families.Constraint)]
AnyAugmentation = Annotated[families.Augmentation, Slot(families.Augmentation)]
AnyDataset = Annotated[families.Dataset, Slot(families.Dataset)]
AnyFeatures = Annotated[families.Features, Slot(families.Features)]
AnyMetric = Annotated[families.Metric, Slot(families.Metric)]
AnyMonitor = Annotated[families.Monitor, Slot(families.Monitor)]
AnyOptimizer = Annotated[families.Optimizer, Slot(families.Optimizer)]
