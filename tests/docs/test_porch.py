"""What stands at the door is in order: decisions, citation, what GitHub reads, and the commands of a working day."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from support.paths import DOCS, ROOT

from ganforge.plugins.catalogue import FAMILIES
from ganforge.version import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ADDRESS = "https://github.com/ganforge/ganforge"
RECORDS = sorted(path for path in (DOCS / "adr").glob("*.md") if path.name != "README.md")
FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_decisions_have_the_form_of_decisions(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    number = int(path.name[:4])
    assert number == RECORDS.index(path) + 1, "numbers have no gaps"
    title = re.match(rf"# {number}\. (.+)\n\nStatus: \w+", text)
    assert title
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert 10 <= len(text.splitlines()) <= 25
    assert f"{number}. [{title[1]}]({path.name})" in (DOCS / "adr" / "README.md").read_text(encoding="utf-8")


def test_the_citation_agrees_with_the_project() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= cited.keys(), "what the format asks for"
    assert (cited["cff-version"], cited["type"]) == ("1.2.0", "software")
    assert cited["version"] == __version__
    assert cited["license"] == PROJECT["project"]["license"]
    assert cited["repository-code"] == PROJECT["project"]["urls"]["Homepage"] == ADDRESS


def test_addresses_of_files_here_name_files_that_are_here() -> None:
    for path in [*FORMS, ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml", ROOT / "pyproject.toml"]:
        for name in re.findall(rf"{ADDRESS}/blob/main/([\w./-]+)", path.read_text(encoding="utf-8")):
            assert (ROOT / name).is_file(), f"{path.name} names {name}"


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_forms_are_what_github_takes(path: Path) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert form["name"]
    assert form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert {field["type"] for field in fields} <= {"input", "textarea", "dropdown", "checkboxes"}
    assert all(field["attributes"]["label"] for field in fields)
    assert len({field["id"] for field in fields}) == len(fields)


def test_the_component_form_has_every_family() -> None:
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "component.yml").read_text(encoding="utf-8"))
    (families,) = (field["attributes"]["options"] for field in form["body"] if field["id"] == "family")
    assert families == list(FAMILIES)


def test_the_workflow_runs_what_anybody_can_run() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]


def test_hooks_use_the_tools_of_the_environment() -> None:
    (repository,) = HOOKS
    assert repository["repo"] == "local"
    assert [hook["id"] for hook in repository["hooks"]] == ["ruff", "ruff-format", "mypy"]
    assert all(hook["language"] == "system" for hook in repository["hooks"])
    named = {entry.partition(">")[0] for entry in PROJECT["project"]["optional-dependencies"]["dev"]}
    assert {"pre-commit", *(Path(hook["entry"].split()[0]).name for hook in repository["hooks"])} <= named


def test_every_make_command_is_listed_and_contributing_names_the_main_ones() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert targets == set(re.findall(r"^([a-z]+):.* ## ", makefile, re.MULTILINE)), "each says what it does"
    named = set(re.findall(r"\bmake ([a-z]+)\b", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    assert {"setup", "test", "lint", "types", "docs", "ci"} <= named <= targets
