"""What is not needed is not imported: `--help` pays neither for torch nor for plugins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

HEAVY = ("torch", "mlflow", "accelerate", "pydantic", "numpy", "skimage", "sklearn", "torchvision", "rich")
ASK = """
import json, sys
code = 0
try:
    {statement}
except SystemExit as error:
    code = error.code
print("\\n" + json.dumps([code, sorted({{name.partition('.')[0] for name in sys.modules}})]))
"""


def loaded_by(statement: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(statement=statement)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TERM": "dumb"},
        timeout=60,
    )
    code, names = json.loads(done.stdout.splitlines()[-1])
    assert code in (0, None)
    return set(names)


@pytest.mark.parametrize(
    "statement",
    [
        "import ganforge",
        "from ganforge.cli import main; main(['--help'])",
        "from ganforge.cli import main; main(['--version'])",
        "from ganforge.cli import main; main(['run', '--help'])",
    ],
)
def test_help_loads_nothing_heavy(statement: str):
    assert not loaded_by(statement) & set(HEAVY)


def test_importing_one_name_loads_what_it_needs_and_no_tracking():
    names = loaded_by("from ganforge import Loss")
    assert "torch" in names
    assert not names & {"mlflow", "skimage", "sklearn", "torchvision", "torch_fidelity", "rich", "accelerate"}


def test_the_trainer_itself_never_loads_mlflow():
    statement = (
        "import ganforge.cli.run.train; from ganforge.plugins.loading import load_catalogue; load_catalogue(only=[])"
    )
    assert not loaded_by(statement) & {"mlflow", "skimage", "sklearn"}


def test_help_is_quick():
    """Under half a second of processor time, the interpreter's own included: the best of three."""
    spent = []
    for _ in range(3):
        before = os.times()
        subprocess.run([sys.executable, "-m", "ganforge", "--help"], check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        spent.append(after.children_user + after.children_system - before.children_user - before.children_system)
        time.sleep(0)
    assert min(spent) < 0.5


def test_every_public_name_exists():
    import ganforge
    from ganforge import api

    assert set(api.__all__) <= set(dir(ganforge))
    assert all(getattr(ganforge, name) is getattr(api, name) for name in api.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        ganforge.Nonsense  # noqa: B018
