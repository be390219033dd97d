from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner
from support.installed import catalogue

from ganforge.cli.list_plugins import command
from ganforge.errors import RecipeError
from ganforge.plugins import loading as plugins
from ganforge.plugins.catalogue import Catalogue, CatalogueEntry, Plugin

BROKEN = Plugin("rotten", "ganforge-rotten", "0.3", "ImportError: No module named 'gone'")
THIRD = Plugin("extra", "aaa-extra", "2.1")


@pytest.fixture(autouse=True)
def _catalogue(monkeypatch):
    entries = catalogue().entries
    taken = next(entry for entry in entries if entry.kind == "hinge")
    mine = CatalogueEntry("losses", "my-hinge", taken.cls, THIRD)
    monkeypatch.setattr(plugins, "load_catalogue", lambda leave_out=(): Catalogue([*entries, mine], [BROKEN]))


def invoke(*arguments):
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result


def test_every_component_has_its_line_below_its_plugin():
    lines = invoke().stdout.splitlines()
    assert lines[0].startswith("ganforge ")  # ours first, whatever others are called
    extra = next(index for index, line in enumerate(lines) if line.startswith("aaa-extra 2.1"))
    assert lines[extra + 1].strip() == "losses"
    assert "my-hinge" in lines[extra + 2]
    for entry in catalogue().entries:
        assert any(re.search(rf"\s{re.escape(entry.kind)}\s", line) and entry.cls.summary() in line for line in lines)
    assert all(line == line.rstrip() for line in lines)


def test_paper_year_and_fields_stand_below():
    lines = invoke("--family", "optimizers").stdout.splitlines()
    adam = next(index for index, line in enumerate(lines) if line.split()[:1] == ["adam"])
    assert lines[adam + 1].split("; ") == [lines[adam + 1].split("; ")[0], "fields: lr, betas, eps"]
    assert lines[adam + 1].split("; ")[0].split() == ["2015", "arXiv:1412.6980"]
    assert not any("generator" in line for line in lines), "only this family"


def test_an_unknown_family_is_told_the_nearest():
    with pytest.raises(RecipeError, match="did you mean 'losses'"):
        CliRunner().invoke(command, ["--family", "loses"], catch_exceptions=False)


def test_broken_plugins_come_last_with_their_reason():
    result = invoke()
    head, reason = result.stdout.rstrip().splitlines()[-2:]
    assert head == "ganforge-rotten 0.3  plugin 'rotten' is broken and was left out"
    assert reason == "  ImportError: No module named 'gone'"
    assert "--no-plugin" in result.stderr


def test_json_holds_the_same():
    found = json.loads(invoke("--json").stdout)
    assert found["broken"] == [
        {"name": "rotten", "distribution": "ganforge-rotten", "version": "0.3", "reason": BROKEN.reason}
    ]
    listed = {
        (plugin["distribution"], component["family"], component["kind"]): component
        for plugin in found["plugins"]
        for component in plugin["components"]
    }
    assert ("aaa-extra", "losses", "my-hinge") in listed
    assert len(listed) == len(catalogue().entries) + 1
    hinge = listed["ganforge", "losses", "hinge"]
    assert hinge["class"] == "ganforge.builtin.losses.hinge.Hinge"


def test_importing_the_commands_loads_neither_torch_nor_rich():
    code = (
        "import sys; from ganforge.cli import check, list_plugins, sample; from ganforge.cli.terminal import view; "
        "print([name for name in ('torch', 'rich', 'mlflow', 'pydantic') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
