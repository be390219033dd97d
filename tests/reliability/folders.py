"""Damage the files of a run's folder, one at a time, and ask every command that reads it.

    python tests/reliability/folders.py 500

A run of the ring of Gaussians is played, measured, and given a finding. Each time one of its text files gets other
bytes, or other JSON: entries are taken out, or exchanged for what does not belong there. Then `diagnose`, `compare`,
`evaluate`, `export`, `sample`, `recipe show` and `run --resume` must do their work, or say in words why not.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.ring import ring_recipe

from ganforge.api.monitor import Finding
from ganforge.cli import main as ganforge
from ganforge.tracking import RunFolder

METRIC = """
[[metrics]]
kind = "mode-coverage"
samples = 16
every_images = 32
"""
RECIPE = ring_recipe(images=64, batch=32, log_every=32, checkpoint_every=32, watched=1, ema=100, more=METRIC)
FINDING = Finding("metric-turned", "it was better before", "0.5, 0.6", "the rate", ("run.images=32",), "warning")
JUNK = (
    b"",
    b"\x00\xff\xfe",
    b"[]\n",
    b"null\n",
    b"1e999\n",
    b'{"a": 1}\n',
    b"[" * 20_000 + b"\n",
    b'"\\ud800"\n',
    b"\xef\xbb\xbf{}\n",
    b'{"images": "x", "round": null, "values": [1]}\n',
    b'{"images": -5, "round": 1, "values": {"a": "b"}}\n',
    b'{"images": 1e30, "round": 1, "time": "now", "values": {"a": {}}}\n',
    b'{"images": 1, "values": {"a": ' + b"9" * 5_000 + b"}}\n",
    b'{"images": 1, "values": {"\\ud800": 1}}\n',
)
ODD: tuple[object, ...] = (
    *(None, "x", "", "\ud800", -1, 0.5, 2**70, 10**400, float("inf"), float("nan"), True),
    *([], {}, [1], {"a": 1}, [[]], "\x1b[2J", "../../x"),
)
CODES = (0, 1, 2, 3, 4)
STOPS_AT = ("--set", "run.images=96", "--set", "tracking.kind=none")  # where damage took these out


def make(folder: Path) -> None:
    """Play a run, measure it, and write a finding down."""
    recipe = folder.with_suffix(".toml")
    recipe.write_text(RECIPE)
    for arguments in (["run", recipe, "--out", folder, "--device", "cpu", "--quiet"], ["evaluate", folder, "--save"]):
        code, said = ask(arguments)
        assert code == 0, said
    run = RunFolder(folder)
    run.event(64, "finding", FINDING.symptom, {**asdict(FINDING), "monitor": FINDING.name, "rollbacks": 0})
    run.close()


def ask(arguments: Sequence[object]) -> tuple[int | None, str]:
    """Play a command in this process; return its exit code, None where it raised anything, and what it said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            ganforge([str(argument) for argument in arguments])
        except SystemExit as ended:
            code = ended.code or 0
            return code if isinstance(code, int) else 1, said.getvalue()
        except Exception:  # noqa: BLE001 - that is what is looked for
            return None, said.getvalue() + traceback.format_exc()
    return 0, said.getvalue()


def questions(folder: Path, whole: Path, aside: Path) -> list[list[object]]:
    """Return all that can be asked of a folder; the last one writes to it."""
    return [
        ["diagnose", folder],
        ["diagnose", folder, "--json"],
        ["compare", folder, whole],
        ["compare", whole, folder, "--json"],
        ["evaluate", folder, "--json"],
        ["export", folder, "--player", "generator", "--output", aside / "g.safetensors", "--force"],
        ["sample", folder, "-n", 2, "--output", aside / "samples"],
        ["recipe", "show", folder / "recipe.toml"],
        ["run", folder, "--resume", "--device", "cpu", "--quiet", *STOPS_AT],
    ]


def _places(value: object, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if place:
        yield place
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from _places(entry, (*place, key))


def _other_json(content: bytes, lines: bool, chance: random.Random) -> bytes:
    """Return JSON with an entry less, or another in its place."""
    parts = content.split(b"\n") if lines else [content]
    at = chance.randrange(max(1, len(parts) - 1))
    whole = json.loads(parts[at])
    *way, last = chance.choice(list(_places(whole)))
    inner = whole
    for key in way:
        inner = inner[key]
    if chance.random() < 0.2:
        del inner[last]
    else:
        inner[last] = chance.choice(ODD)
    parts[at] = json.dumps(whole).encode()
    return b"\n".join(parts)


def _other_bytes(content: bytes, chance: random.Random) -> bytes:
    """Return bytes of which some were changed, put in, or taken out."""
    damaged = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(damaged) + 1)
        match chance.randrange(4):
            case 0:
                damaged[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del damaged[at:]
            case 2:
                damaged[at:at] = chance.choice((b"null", b"{}", b"-1", b'"', b"1e400", b"[]", b"\n", b"[[", b"="))
            case _:
                del damaged[at : at + chance.randint(1, 30)]
    return bytes(damaged)


def damaged(folder: Path, chance: random.Random) -> tuple[Path, bytes]:
    """Return a file of the folder, by its path in it, and what stands there instead."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".toml", ".json", ".jsonl"))
    path = chance.choice(files)
    content = path.read_bytes()
    kind = chance.random()
    if kind < 0.15:
        content = chance.choice(JUNK)
    elif kind < 0.7 and path.suffix != ".toml":
        content = _other_json(content, path.suffix == ".jsonl", chance)
    else:
        content = _other_bytes(content, chance)
    return path.relative_to(folder), content


def play(here: Path, count: int, seed: int) -> list[str]:
    """Damage a folder so many times; return what was not answered in words."""
    whole, folder, aside = here / "whole", here / "damaged", here / "aside"
    make(whole)
    wrong = []
    for number in range(seed, seed + count):
        chance = random.Random(number)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        name, content = damaged(whole, chance)
        (folder / name).write_bytes(content)
        for question in questions(folder, whole, aside):
            code, said = ask(question)
            if code not in CODES or "Traceback" in said or "\x1b[2J" in said:
                wrong.append(f"{number}: {name} = {content[:300]!r}, {question[0]} -> {code}\n{said[-1500:]}")
        shutil.rmtree(aside, ignore_errors=True)
    return wrong


def main() -> int:
    """Read the command line, damage, and say what came of it."""
    parser = argparse.ArgumentParser(
        description="damage the files of a run's folder, and ask every command that reads it"
    )
    parser.add_argument("count", type=int, nargs="?", default=100, help="damages (default 100)")
    parser.add_argument("--first", type=int, default=0, help="number of the first one, which decides what it is")
    given = parser.parse_args()
    os.environ["GANFORGE_PLUGINS"] = ""
    with tempfile.TemporaryDirectory() as here, contextlib.chdir(here):
        os.environ["GANFORGE_CACHE"] = f"{here}/cache"
        wrong = play(Path(here), given.count, given.first)
    sys.stdout.write("\n".join([*wrong, f"{given.count} damages, {len(wrong)} answers that were no words"]) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
