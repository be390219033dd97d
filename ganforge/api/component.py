"""Components: what a plugin offers, one class for each recipe entry."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

_NAME = r"[A-Z][\w'\u00c0-\u024f-]+"
_CITATION = re.compile(rf"\b({_NAME},? (?:et al\.,? |(?:and|&) {_NAME},? )?\(?((?:19|20)\d\d)\b)")
_ARXIV = re.compile(r"arXiv:\s?(\d{2})(\d{2})\.(\d{4,5})\b")
_DOI = re.compile(r"\b(10\.\d{4,9}/[^\s,;)]+)")


class Paper(NamedTuple):
    """A paper as a docstring names it."""

    citation: str  # "Karras et al. 2020"; empty where only a number is given
    year: int
    number: str  # "arXiv:1912.04958", a DOI, or empty

    @property
    def link(self) -> str:
        """Where it is to be found; empty where only the citation is known."""
        if self.number.startswith("arXiv:"):
            return f"https://arxiv.org/abs/{self.number.removeprefix('arXiv:')}"
        return f"https://doi.org/{self.number}" if self.number else ""


def first_paper(text: str) -> Paper | None:
    """Return the first paper that a text cites, None where it cites none."""
    text = " ".join(text.split())
    citations = list(_CITATION.finditer(text))
    cited = citations[0] if citations else None
    text = text[: citations[1].start()] if len(citations) > 1 else text  # a number further on is of another paper
    arxiv, doi = _ARXIV.search(text), _DOI.search(text)
    if arxiv is None and doi is None and cited is None:
        return None
    number = f"arXiv:{arxiv[1]}{arxiv[2]}.{arxiv[3]}" if arxiv else doi[1].rstrip(".") if doi else ""
    if cited is not None:
        return Paper(cited[1].replace("(", "").replace(",", ""), int(cited[2]), number)
    return Paper("", 2000 + int(arxiv[1]), number) if arxiv else Paper("", 0, number)


class Strict(BaseModel):
    """A part of a recipe: frozen, and a field it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class Component(Strict):
    """A recipe entry: `kind` names it, its fields are its hyper-parameters, its docstring names the paper.

    A subclass writes `kind: Literal["my-kind"] = "my-kind"`, in kebab-case, and gives each further field bounds and a
    `description`.
    """

    family: ClassVar[str] = ""  # whose it is, such as "losses"; a base class of each family says it
    noun: ClassVar[str] = ""  # the family in the singular, for messages
    is_default: ClassVar[bool] = False  # it is meant where a table names no kind: one of a family at most

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


C = TypeVar("C", bound=Component)


class KindLookup(Protocol):
    """The classes of components by family and kind: what recipes and watchers need of the catalogue."""

    def family(self, name: str) -> Mapping[str, type[Component]]:
        """Return the installed classes of a family by kind."""

    def provider(self, family: str, kind: str) -> str:
        """Return the distribution and version that offers a component."""


def classes_of(kinds: KindLookup, base: type[C]) -> dict[str, type[C]]:
    """Return the installed classes of the family of `base` by kind."""
    return {kind: cls for kind, cls in kinds.family(base.family).items() if issubclass(cls, base)}


def is_meant_by_default(cls: type[Component]) -> bool:
    """Whether a class, and not only one that it extends, says that it is meant where a table names no kind."""
    return bool(vars(cls).get("is_default", False))


def default_kind(kinds: KindLookup, family: str) -> str | None:
    """Return the kind that is meant where a table of a family names none; None where it must."""
    return next((kind for kind, cls in kinds.family(family).items() if is_meant_by_default(cls)), None)
