"""Each promise of docs/security.md names tests that there are."""

from __future__ import annotations

import re

from support.paths import ROOT


def test_every_named_test_is_there() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    files = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    everything = "".join(files.values())
    named = re.findall(r"(?:(test_\w+\.py)(?:::(test_\w+))?)|`(test_\w+)`", text)
    assert len(named) > 40
    for file, inside, alone in named:
        assert not file or file in files, file
        assert f"def {inside or alone or 'test_'}" in (files[file] if file else everything), (file, inside, alone)
    for folder in re.findall(r"`(tests/[\w/.]+\.py)", text):
        assert (ROOT / folder).is_file(), folder
