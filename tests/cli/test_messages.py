"""A terminal reads flags where a program reads arguments, and lines that can be pasted."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import click
import pytest
from support.paths import ROOT

from ganforge.cli import COMMANDS
from ganforge.cli.messages import error_text, flag
from ganforge.errors import GanforgeError, MemoryShortageError, Remedy, argument

MEMORY = MemoryShortageError(
    "memory ran out",
    remedies=[Remedy("run.batch=8", "fewer samples"), Remedy("data={ kind = 'x' }")],
    checkpoint=Path("runs/my run/checkpoints/checkpoint-000000000032"),
)


def options() -> set[str]:
    """Return every flag of every command."""
    commands = [importlib.import_module(f"ganforge.cli.{module}").command for module, _ in COMMANDS.values()]
    parameters = [parameter for command in commands for parameter in command.params]
    return {flag for one in parameters if isinstance(one, click.Option) for flag in one.opts}


def mentions() -> list[tuple[str, str]]:
    """Return every argument that an error of the core speaks of, and where."""
    found = []
    for path in sorted((ROOT / "ganforge").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "argument":
                name = node.args[0]
                assert isinstance(name, ast.Constant), f"{path}:{node.lineno}: a name that can be read here"
                found.append((str(name.value), f"{path.name}:{node.lineno}"))
    return found


def test_whatever_errors_speak_of_has_a_flag():
    known = options()
    assert len(mentions()) > 20
    missing = {where: flag(name) for name, where in mentions() if flag(name) not in known}
    assert missing == {}


def test_arguments_become_flags():
    text = f"{argument('device', 'cuda')}: use {argument('override', 'a=1')}, or {argument('leave_out', 'x')}"
    assert error_text(GanforgeError(text)) == "--device cuda: use --set a=1, or --no-plugin x"


def test_what_helps_where_memory_ran_out_can_be_pasted():
    assert error_text(MEMORY).splitlines() == [
        "memory ran out",
        "  try --set run.batch=8   # fewer samples",
        """  try --set 'data={ kind = '"'"'x'"'"' }'""",
        "to go on from checkpoint-000000000032: ganforge run 'runs/my run' --resume --set run.batch=8",
    ]


def test_notes_come_last():
    error = GanforgeError("it broke", remedies=[Remedy("a=1")])
    error.add_note("the whole traceback is in x")
    assert error_text(error) == "it broke\n  try --set a=1\nthe whole traceback is in x"


@pytest.mark.parametrize("name", ["device", "resume", "out"])
def test_a_flag_without_a_value(name: str):
    assert flag(name) == f"--{name}"
