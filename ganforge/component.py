"""What a plugin offers: components, one class for each recipe entry."""

from __future__ import annotations

import inspect

from pydantic import BaseModel, ConfigDict

from ganforge.papers import Paper, first_paper


class Strict(BaseModel):
    """A part of a recipe: frozen, and a field it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class Component(Strict):
    """A recipe entry: `kind` names it, its fields are its hyper-parameters, its docstring names the paper.

    A subclass writes `kind: Literal["my-kind"] = "my-kind"`, in kebab-case, and gives each further field bounds and a
    `description`.
    """

    kind: str

    @classmethod
    def kind_name(cls) -> str:
        """Return the kind that recipes write."""
        return str(cls.model_fields["kind"].default)

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the docstring."""
        return (inspect.getdoc(cls) or "").partition("\n")[0]

    @classmethod
    def paper(cls) -> Paper | None:
        """Return the first paper that the docstring names."""
        return first_paper(inspect.getdoc(cls) or "")
