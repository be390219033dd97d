"""Which paper a docstring names: the first, of which year, and where it is to be found."""

from __future__ import annotations

import re
from typing import NamedTuple

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
