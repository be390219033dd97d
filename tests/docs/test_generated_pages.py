"""What the documentation says of components and recipes is what they are."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from support.paths import RECIPE_FILES, ROOT

_SPEC = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
assert _SPEC is not None
assert _SPEC.loader is not None
generate = importlib.util.module_from_spec(_SPEC)
sys.modules["docs_generate"] = generate
_SPEC.loader.exec_module(generate)

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


@pytest.mark.parametrize("path", RECIPE_FILES, ids=lambda path: path.stem)
def test_every_head_says_what_was_measured(path: Path):
    head = generate.read_head(path)
    assert head.measured or not head.grid, "a grid shows what was measured"


def test_a_head_is_read(tmp_path: Path):
    path = tmp_path / "a.toml"
    path.write_text(GOOD)
    head = generate.read_head(path)
    assert (head.system, head.result, head.command) == ("A GAN", "12.3 after 4 minutes", "ganforge run recipes/a.toml")
    assert head.paper.link == "https://arxiv.org/abs/2001.00001"
    (row,) = list(generate.recipe_table([head]))[2:]
    assert row.split(" | ")[0] == "| A GAN"
    assert row.split(" | ")[1:3] == ["[Someone et al. 2020](https://arxiv.org/abs/2001.00001)", "[`a`](recipes/a.toml)"]
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
        generate.read_head(path)
