"""What the documentation says of components and recipes is what they are."""

from __future__ import annotations

from pathlib import Path

import generate
import pytest
import recipe_table
import reference_page
from support.paths import RECIPE_FILES, ROOT

import ganforge

GOOD = """# A GAN (Someone et al. 2020, arXiv:2001.00001) on digits.
#
# system: A GAN
# result: 12.3 after
#   4 minutes
# command: ganforge run recipes/a.toml
# operations per round: 3
seed = 0
"""


def installed() -> set[str]:
    return {entry.plugin.distribution for entry in generate.load_catalogue().entries}


PLUGINS = {"ganforge-efficientnet", "ganforge-projected"}


@pytest.mark.skipif(not installed() >= PLUGINS, reason=f"not all of {sorted(PLUGINS)} are installed")
def test_the_pages_are_up_to_date():
    stale = [path.name for path, text in generate.pages().items() if not path.is_file() or path.read_text() != text]
    assert stale == [], "run: python docs/generate.py"


def test_what_is_out_of_date_fails_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    page = ROOT / "docs" / "reference.md"
    monkeypatch.setattr(generate, "pages", lambda: {page: page.read_text(encoding="utf-8") + "more"})
    monkeypatch.setattr("sys.argv", ["generate.py", "--check"])
    assert generate.main() == 1
    assert "docs/reference.md is out of date" in capsys.readouterr().out


def test_the_reference_has_every_public_name_and_nothing_else():
    named = [line.removeprefix("### ") for line in reference_page.reference_page() if line.startswith("### ")]
    assert sorted(named) == sorted(set(named))
    assert set(named) == set(dir(ganforge)) - set(vars(ganforge))


def test_a_public_name_of_which_nothing_is_said_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "facade.py").write_text('from module import Said, Unsaid\n\n__all__ = ["Said", "Unsaid"]\n')
    (tmp_path / "module.py").write_text("Said = int  # a number\n\nUnsaid = int\n")
    monkeypatch.setattr(reference_page, "ROOT", tmp_path)
    monkeypatch.setattr(reference_page, "FACADES", {"facade": "For a test"})
    with pytest.raises(ValueError, match=r"module\.Unsaid is public, and nothing is said about it"):
        list(reference_page.reference_page())


SOURCE = """'''The module.

It must not know.
'''
from dataclasses import dataclass

# One of two numbers.
First = int
Second = float

Third = str
'''What stands below,

on two lines.
'''


@dataclass(frozen=True)
class Point(Base):
    '''A point.'''

    x: int  # to the right
    y: int = Field(default=3, ge=0, description="upward")

    @property
    def length(self) -> float:
        '''Its distance from 0.'''

    @abstractmethod
    def moved(self, by: int, *, far: bool = False) -> Point:
        '''Return a point
        elsewhere.

        More.
        '''


def long(
    first_argument: Mapping[str, int],
    second_argument: Sequence[str] = (),
    *,
    third_argument: float | None = None,
) -> int:
    '''Return a number.

    Args:
        first_argument: what is
            counted.
    '''
"""
PAGE = """## module

The module.

### Second

```python
Second = float
```

One of two numbers.

### Third

```python
Third = str
```

What stands below,

on two lines.

### Point

```python
@dataclass(frozen=True)
class Point(Base):
    x: int  # to the right
    y: int = 3  # upward
```

A point.

- `length -> float`: Its distance from 0.
- `moved(by: int, *, far: bool = False) -> Point` (to be defined): Return a point elsewhere.

### long

```python
def long(
    first_argument: Mapping[str, int],
    second_argument: Sequence[str] = (),
    *,
    third_argument: float | None = None,
) -> int: ...
```

Return a number.

**Args**

- `first_argument`: what is
  counted.
"""


def test_the_reference_is_read_from_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "facade.py").write_text(
        'from module import Point, Second, Third, long\n\n__all__ = ["Second", "Third", "Point", "long"]\n'
    )
    (tmp_path / "module.py").write_text(SOURCE)
    monkeypatch.setattr(reference_page, "ROOT", tmp_path)
    monkeypatch.setattr(reference_page, "FACADES", {"facade": "For a test"})
    text = "\n".join(reference_page.reference_page()) + "\n"
    assert text.endswith(PAGE)


@pytest.mark.parametrize("path", RECIPE_FILES, ids=lambda path: path.stem)
def test_every_head_says_what_was_measured(path: Path):
    head = recipe_table.read_head(path)
    assert head.measured or not head.grid, "a grid shows what was measured"


def test_a_head_is_read(tmp_path: Path):
    path = tmp_path / "a.toml"
    path.write_text(GOOD)
    head = recipe_table.read_head(path)
    assert (head.system, head.result, head.command) == ("A GAN", "12.3 after 4 minutes", "ganforge run recipes/a.toml")
    assert head.paper.link == "https://arxiv.org/abs/2001.00001"
    (row,) = list(recipe_table.recipe_table([head]))[2:]
    assert row.split(" | ")[0] == "| A GAN"
    assert row.split(" | ")[1:3] == ["[Someone et al. 2020](https://arxiv.org/abs/2001.00001)", "[`a`](a.toml)"]
    assert row.endswith("| 12.3 after 4 minutes |")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("# system: A GAN\n", "", "no line '# system"),
        ("(Someone et al. 2020, arXiv:2001.00001)", "", "names no paper"),
        ("# command: ganforge run recipes/a.toml\n", "", "no line '# command"),
        ("# command", "# grid: docs/images/nowhere.png\n# command", "does not exist"),
    ],
)
def test_a_head_that_lacks_something_is_refused(tmp_path: Path, old: str, new: str, said: str):
    path = tmp_path / "a.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ValueError, match=said):
        recipe_table.read_head(path)
