"""Relative links in the pages of the repository lead somewhere: to a file that is there, and to a heading in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from support.paths import DOCS, ROOT

import ganforge

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
SKIPPED = {".venv", "node_modules", "build", "dist", "runs", "mlruns"}


def pages(root: Path = ROOT) -> list[Path]:
    found = (path.relative_to(root) for path in root.rglob("*.md"))
    return sorted(path for path in found if not SKIPPED & set(path.parts))


@cache
def prose(path: Path) -> str:
    """The text of a page without blocks of code, whose links are none."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


@cache
def anchors(path: Path) -> frozenset[str]:
    """The anchors of a page's headings, as GitHub makes them: letters, digits, hyphens; a second one gets "-1"."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", prose(path), re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return frozenset(found)


def broken(path: Path) -> Iterator[str]:
    text = re.sub(r"`[^`\n]*`", lambda code: "`" * len(code[0]), prose(path))
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if not there.exists():
            yield f"{target}: no such file"
        elif anchor and (there.suffix != ".md" or anchor not in anchors(there)):
            yield f"{target}: no such heading"


@pytest.mark.parametrize("page", pages(), ids=str)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert list(broken(ROOT / page)) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `page`, and [more](other.md)\n## Twice\n## Twice\n[a](#a-page-and-more) [b](#twice-1) [c](https://x.org/y)\n"
        "[d](nowhere.md) [e](#thrice) `[f](code.md)`\n```\n[g](code.md)\n# no heading\n```\n[h](#no-heading)\n"
    )
    assert list(broken(page)) == [
        "other.md: no such file",
        "nowhere.md: no such file",
        "#thrice: no such heading",
        "#no-heading: no such heading",
    ]


def test_the_front_page_has_every_page() -> None:
    linked = {(DOCS / target.partition("#")[0]).resolve() for target in LINK.findall(prose(DOCS / "index.md"))}
    assert {path for path in DOCS.glob("*.md") if path.name != "index.md"} <= linked
    records = {DOCS / "adr" / target for target in LINK.findall(prose(DOCS / "adr" / "README.md"))}
    assert records == {path for path in (DOCS / "adr").glob("*.md") if path.name != "README.md"}


def test_modules_that_pages_name_are_there() -> None:
    """`ganforge/training/runner.py` and `ganforge.api.dice` in a page are files, and names in them, of today."""
    for page in pages():
        text = (ROOT / page).read_text(encoding="utf-8")
        for name in re.findall(r"(?<![\w./-])ganforge/[\w/]+\.py\b", text):
            assert (ROOT / name).is_file(), f"{page} names {name}"
        for name in re.findall(r"(?<![\w.-])ganforge(?:\.[a-z_]+)+", text):
            assert _is_there(name), f"{page} names {name}"
        for name in re.findall(r"(?<![\w./-])(?:tests|benchmarks)/[\w/.-]+\.(?:py|toml)\b", text):
            assert (ROOT / name).is_file(), f"{page} names {name}"


def _is_there(name: str) -> bool:
    *package, last = name.split(".")
    folder = ROOT.joinpath(*package)
    if folder.joinpath(last).is_dir() or folder.joinpath(f"{last}.py").is_file():
        return True
    if package == ["ganforge"]:
        return last in dir(ganforge)
    module = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    return module.is_file() and re.search(rf"\b{last}\b", module.read_text(encoding="utf-8")) is not None
