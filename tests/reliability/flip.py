"""Damage a checkpoint in every way that a disk can, one at a time, and see that each is found.

    python tests/reliability/flip.py --positions 20000

The checkpoint is that of a small StyleGAN2 with ADA, averages and Adam, saved by a session as it plays. One byte is
changed at a time: at every position of a file that has no more than were asked for, else at as many random ones and
the first and last hundreds. Then files are cut short, lengthened, exchanged with those of another checkpoint, left out.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from reliability.resume import play, table_of
from support.examples import game_example

from ganforge.errors import CheckpointError
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.recipe import Recipe
from ganforge.storage.checkpoint import list_checkpoints, load_checkpoint, load_newest
from ganforge.storage.manifest import FACTS, MANIFEST, TENSORS

FILES = (TENSORS, FACTS, MANIFEST)
Damage = tuple[str, str, bytes | None]  # kind, file, what is there then; None = nothing


def make(folder: Path) -> list[Path]:
    """Play a little in `folder`; return its checkpoints."""
    table = table_of(game_example("gan", "stylegan2", "ada"))
    play(Recipe.model_validate(table, context={"catalogue": load_catalogue(only=[])}), folder)
    return list_checkpoints(folder / "checkpoints")


def flips(path: Path, positions: int, chance: random.Random) -> Iterator[Damage]:
    """Change one byte of each file, at many positions."""
    for name in FILES:
        whole = (path / name).read_bytes()
        every = range(len(whole))
        ends = {*every[: min(300, positions)], *every[-min(300, positions) :]}
        chosen = every if len(whole) <= positions else sorted({*ends, *chance.sample(every, positions)})
        for position in chosen:
            damaged = bytearray(whole)
            damaged[position] ^= chance.choice((1 << chance.randrange(8), chance.randrange(1, 256)))
            yield "one byte changed", name, bytes(damaged)


def others(path: Path, other: Path, chance: random.Random) -> Iterator[Damage]:
    """Whatever else may become of a file."""
    for name in FILES:
        whole = (path / name).read_bytes()
        for length in sorted({0, 1, 8, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(50))}):
            yield "cut short", name, whole[:length]
        for more in (b"\0", b"\n", b" ", whole):
            yield "lengthened", name, whole + more
        yield "zeros", name, bytes(len(whole))
        yield "another checkpoint's", name, (other / name).read_bytes()
        yield "missing", name, None


def found(path: Path, damage: Damage) -> bool:
    """Damage a checkpoint, and return whether that is found, in words, and the one before is read instead."""
    _, name, content = damage
    file = path / name
    whole = file.read_bytes()
    try:
        file.unlink() if content is None else file.write_bytes(content)
        try:
            load_checkpoint(path)
        except CheckpointError as error:
            return str(path) in str(error)
        return False
    finally:
        file.write_bytes(whole)


def main() -> None:
    """Damage, and say what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--positions", type=int, default=20_000, help="bytes changed in each file, at most")
    chosen, chance, began = parser.parse_args(), random.Random(0), time.monotonic()
    counts: dict[tuple[str, str], list[int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        *_, before, path = make(Path(folder) / "run")
        for damage in (*others(path, before, chance), *flips(path, chosen.positions, chance)):
            entry = counts.setdefault(damage[:2], [0, 0, (path / damage[1]).stat().st_size])
            entry[0] += 1
            entry[1] += found(path, damage)
        load_checkpoint(path)  # it is whole again
        (path / MANIFEST).write_bytes(b"")
        _, place, passed_over = load_newest(path.parent)
        falls_back = place == before and len(passed_over) == 1
        shutil.rmtree(path)
    for (kind, name), (tried, seen, size) in counts.items():
        sys.stdout.write(f"{kind:22s} {name:20s} of {size:9,d} bytes: {seen:,} of {tried:,} found\n")
    missed = sum(tried - seen for tried, seen, _ in counts.values())
    total = sum(tried for tried, _, _ in counts.values())
    seconds = time.monotonic() - began
    back = "the one before is read instead" if falls_back else "the one before is NOT read"
    sys.stdout.write(f"{total:,} damages, {missed} not found; {back}; {seconds:.0f} s\n")
    sys.exit(bool(missed) or not falls_back)


if __name__ == "__main__":
    main()
