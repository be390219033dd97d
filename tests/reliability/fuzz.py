"""Mutated recipes: each is read as `ganforge check` does, and is in order or refused in a sentence with a place.

    python tests/reliability/fuzz.py 10000              # so many recipes, mutated as bytes, as structure, by --set
    python tests/reliability/fuzz.py --coverage 600     # a fuzzer guided by coverage (atheris), for so many seconds
    python tests/reliability/fuzz.py 300 --build        # those that are in order are built as well, with little memory

Everything is a function of the number of the case: `python tests/reliability/fuzz.py 1 --first 4711` plays one again.
"""

from __future__ import annotations

import argparse
import copy
import random
import sys
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.paths import ROOT

from ganforge.recipes.toml_writer import recipe_to_toml

NAME = "fuzz.toml"
READERS = ["recipe", "recipe_file", "recipe_bounds", "recipe_overrides", "recipe_errors", "recipe_show", "toml_places",
           "fields", "spots", "slots", "schedule", "component", "diagnosis", "labels"]  # fmt: skip
TOKENS = ["[", "]", "[[", "]]", "{", "}", "=", '"', "'", '"""', "'''", "#", "\n", "\r", ",", ".", "-", "+", "_", "\\",
          "nan", "inf", "-inf", "1e999", "0x", "0o7", "true", "1979-05-27", "07:32:00", "\x00", "\x1b[2J", "\u202e",
          "\ufeff", "é", "[[a]]", "a.b.c=1", "kind", "kind=1", "{kind='adam'}", "= [", "9" * 30, "\\u0000",
          "1_0", "''"]  # fmt: skip
EXTREMES = [0, 1, -1, 2, 3, 5, 2**31, 2**53 + 1, 2**62, 2**63, -(2**63), 10**12, 10**30, 0.0, -0.0, 0.5, 1.0, -1.0,
            1e-300, 1e300, float("inf"), float("-inf"), float("nan"), True, False, "", " ", "x", "../../etc/passwd",
            "/dev/zero", "a\nb", "\x1b[31m", "x" * 5000, [], {}, [[]], [{}], {"": 1}, {"kind": ""}, [1, 2], ["a"],
            [1] * 5000]  # fmt: skip


@dataclass
class Report:
    """What became of the recipes."""

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, 0)

    def __str__(self) -> str:
        tried = self.accepted + self.refused.total() + len(self.failures)
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in self.refused.most_common())
        return (
            f"{tried:,} recipes: {self.accepted:,} in order, {self.refused.total():,} refused in words ({kinds}), "
            f"{len(self.failures)} tracebacks; the slowest took {self.slowest[0]:.2f} s (case {self.slowest[1]})"
        )


class Pool:
    """The shipped recipes, and all kinds and names of fields that there are, to mutate with."""

    def __init__(self, catalogue: Any) -> None:
        self.texts = [path.read_text() for path in sorted((ROOT / "recipes").glob("*.toml"))]
        self.tables = [tomllib.loads(text) for text in self.texts]
        self.kinds = sorted({entry.kind for entry in catalogue.entries})
        self.names = sorted({name for entry in catalogue.entries for name in entry.cls.model_fields})
        self.values = [value for table in self.tables for _, value in walked(table)]


def walked(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield every place below a table, and what stands there."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inner:
        yield (*path, key), entry
        yield from walked(entry, (*path, key))


def case(number: int, pool: Pool) -> tuple[bytes, list[str]]:
    """Return a mutated recipe and overrides; the same for the same number."""
    dice = random.Random(number)
    which = dice.random()
    if which < 0.35:
        return mutated_bytes(dice.choice(pool.texts).encode(), dice), []
    if which < 0.75:
        return mutated_table(dice, pool).encode(errors="surrogatepass"), []
    text = dice.choice(pool.texts).encode() if which < 0.95 else mutated_table(dice, pool).encode(errors="replace")
    return text, [override(dice, pool) for _ in range(dice.randint(1, 4))]


def mutated_bytes(data: bytes, dice: random.Random) -> bytes:
    """Flip, cut, double and insert."""
    for _ in range(dice.choice([1, 1, 2, 4, 16])):
        start = dice.randint(0, len(data))
        end = min(start + dice.choice([0, 1, 1, 3, 12, 80]), len(data))
        new = dice.choice(
            [b"", data[start:end] * 2, bytes([dice.randrange(256)]), dice.choice(TOKENS).encode(), data[end:start:-1]]
        )
        data = data[:start] + new + data[end:]
    return data


def some_value(dice: random.Random, pool: Pool) -> Any:
    """Return a value from another recipe, a kind, an extreme or a deep nest."""
    return copy.deepcopy(
        dice.choice(
            [
                dice.choice(pool.values),
                dice.choice(pool.kinds),
                {"kind": dice.choice(pool.kinds)},
                dice.choice(EXTREMES),
                dice.choice(EXTREMES),
                {"start": dice.choice(EXTREMES), "end": dice.choice(EXTREMES), "images": dice.choice(EXTREMES)},
                nest(dice.randint(2, 60), dice),
            ]
        )
    )


def nest(depth: int, dice: random.Random) -> Any:
    """Return tables and arrays in one another."""
    value: Any = 1
    for _ in range(depth):
        value = dice.choice([[value], {"kind": value}, {"a": value, "b": [value] if depth < 9 else 0}])
    return value


def mutated_table(dice: random.Random, pool: Pool) -> str:
    """Return a recipe whose entries were dropped, renamed, exchanged with others or set to something else."""
    from ganforge.api.toml import toml_value

    table = copy.deepcopy(dice.choice(pool.tables))
    for _ in range(dice.choice([1, 1, 2, 3, 6])):
        places = [path for path, _ in walked(table)]
        if not places:
            break
        *way, last = dice.choice(places)
        inside: Any = table
        for step in way:
            inside = inside[step]
        match dice.choice(["drop", "set", "set", "add", "rename", "double"]):
            case "drop":
                del inside[last]
            case "set":
                inside[last] = some_value(dice, pool)
            case "add" if isinstance(inside, dict):
                inside[dice.choice(pool.names)] = some_value(dice, pool)
            case "rename" if isinstance(inside, dict):
                inside[dice.choice([last[:-1], last.upper(), dice.choice(pool.names), f"{last}\n"])] = inside.pop(last)
            case "double" if isinstance(inside, list):
                inside.append(copy.deepcopy(inside[last]))
    return "\n".join(f"{toml_value({key: value})[2:-2]}" for key, value in table.items())


def override(dice: random.Random, pool: Pool) -> str:
    """Return a `--set`, more or less as people write them."""
    from ganforge.api.toml import toml_value

    path = [
        str(step) for (step,) in ((step,) for step in dice.choice([p for p, _ in walked(dice.choice(pool.tables))]))
    ]
    if dice.random() < 0.3:
        path.insert(dice.randint(0, len(path)), dice.choice([*pool.names, "0", "-1", "99999999999", "", "a b", "é"]))
    value = some_value(dice, pool)
    text = dice.choice([toml_value(value), toml_value(value), str(value), dice.choice(TOKENS)])
    return dice.choice(["=", "=", "=", "=", " = ", "", "=="]).join([".".join(path), text])


def read(content: bytes, overrides: Sequence[str], catalogue: Any) -> Any:
    """Read a recipe as `ganforge check` and `run` do, up to building; a `GanforgeError` where it is wrong."""
    from ganforge.recipes.parsing import decode_text
    from ganforge.recipes.recipe import monitors_of, parse_recipe, plan_of, recipe_digest
    from ganforge.tracking import Store

    recipe = parse_recipe(decode_text(content, NAME), NAME, catalogue, overrides, lambda notice: None)
    assert len(recipe_digest(recipe)) == 64
    assert parse_recipe(recipe_to_toml(recipe), "shown.toml", catalogue) == recipe, (
        "what is shown reads back to something else"
    )
    monitors_of(recipe, catalogue)
    plan_of(recipe)
    Store.of(recipe.tracking.uri, recipe.tracking.experiment, recipe.tracking.name).viewing_command()
    return recipe


def attempt(content: bytes, overrides: Sequence[str], catalogue: Any) -> tuple[Any, str]:
    """Return the recipe, or None and the kind of refusal; whatever else is raised is a failure.

    Raises:
        AssertionError: the refusal does not say where, or says it in words that are not ours.
    """
    from ganforge.errors import GanforgeError

    try:
        return read(content, overrides, catalogue), ""
    except GanforgeError as error:
        text = str(error)
        assert NAME in text or "override " in text or text.startswith("diagnosis."), f"no place is named: {text}"
        assert text.strip(), "it says nothing"
        assert text.replace("\n", "").isprintable(), f"it holds control characters: {text!r}"
        for word in ("Traceback", "validation error", "pydantic"):
            assert word not in text, f"it says {word}: {text}"
        return None, type(error).__name__


def built(recipe: Any) -> None:
    """Build the networks of a recipe, for data as it describes them, in a quarter of a gigabyte; or a sentence."""
    import torch

    from ganforge.api.data import DataSpec
    from ganforge.builtin.data.sources.pixels import ImageDataset
    from ganforge.diagnosis import memory as ration
    from ganforge.errors import GanforgeError
    from ganforge.training.build import build_game

    data = recipe.data.model_dump()
    classes = 10 if data.get("labels") in (True, "classes") else 0
    if isinstance(recipe.data, ImageDataset) or data["kind"] == "shapes":
        channels = data.get("channels", 1)
        size = (3 if channels == "auto" else channels, data["resolution"], data["resolution"])
        spec = DataSpec(size, classes, conditions=3 if data.get("labels") == "conditions" else 0)
    else:
        spec = DataSpec((2,), classes)
    end = ration.available_memory() - 2**28  # so that large networks are refused and not made
    inner, ration.available_memory = ration.available_memory, lambda: max(inner() - end, 0)
    try:
        build_game(recipe.game, spec, recipe.seed, torch.device("cpu"))
    except GanforgeError:
        pass  # in words: networks do not fit the data, each other or the memory
    finally:
        ration.available_memory = inner


def fuzz(count: int, first: int, catalogue: Any, *, build: bool = False) -> Report:
    """Try so many cases."""
    report, pool = Report(), Pool(catalogue)
    for number in range(first, first + count):
        content, overrides = case(number, pool)
        began = time.perf_counter()
        try:
            recipe, kind = attempt(content, overrides, catalogue)
            if recipe is None:
                report.refused[kind] += 1
            else:
                report.accepted += 1
                if build:
                    built(recipe)
        except Exception:  # noqa: BLE001 - this is what is looked for
            report.failures.append(f"case {number}, overrides {overrides}\n{traceback.format_exc()}")
        report.slowest = max(report.slowest, (time.perf_counter() - began, number))
    return report


def guided(seconds: int, corpus: Path) -> None:
    """Let atheris look for what no case has reached yet; it ends the process, with a crash file where one is found."""
    import atheris

    with atheris.instrument_imports(include=[f"ganforge.{name}" for name in READERS] + ["tomllib"]):
        from ganforge.plugins.loading import load_catalogue
        from ganforge.recipes.recipe import parse_recipe  # noqa: F401
    catalogue = load_catalogue()
    pool = Pool(catalogue)
    corpus.mkdir(parents=True, exist_ok=True)
    for index, text in enumerate(pool.texts):
        (corpus / f"shipped-{index}").write_bytes(b"\xff" + text.encode())
    (corpus.parent / "words").write_text(
        "".join('"' + "".join(f"\\x{byte:02x}" for byte in word.encode()) + '"\n' for word in TOKENS + pool.names)
    )

    def one(data: bytes) -> None:
        if data[:1] >= b"\x80":  # the bytes are a recipe; what follows a NUL are overrides
            text, *overrides = data[1:].split(b"\0")
            attempt(text, [override.decode("utf-8", "replace") for override in overrides], catalogue)
        else:  # the bytes choose a case, and are spliced into it
            number = int.from_bytes(data[:3], "big")
            text, overrides = case(number, pool)
            at = number % (len(text) + 1)
            attempt(text[:at] + data[3:] + text[at:], overrides, catalogue)

    arguments = [sys.argv[0], f"-max_total_time={seconds}", "-max_len=8192", "-rss_limit_mb=4096", "-timeout=20"]
    arguments += [f"-dict={corpus.parent / 'words'}", f"-artifact_prefix={corpus.parent}/", str(corpus)]
    atheris.Setup(arguments, one)
    atheris.Fuzz()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--build", action="store_true", help="build those that are in order")
    parser.add_argument("--coverage", type=int, metavar="SECONDS", help="be guided by coverage")
    parser.add_argument("--corpus", type=Path, default=Path("fuzz-corpus/inputs"), help="what has been reached so far")
    wanted = parser.parse_args()
    if wanted.coverage:
        guided(wanted.coverage, wanted.corpus)
        return
    from ganforge.plugins.loading import load_catalogue

    catalogue = load_catalogue()
    began = time.perf_counter()
    report = fuzz(wanted.count, wanted.first, catalogue, build=wanted.build)
    print("\n\n".join(report.failures[:10]))  # noqa: T201
    print(f"{report}; {time.perf_counter() - began:.0f} s")  # noqa: T201
    sys.exit(bool(report.failures))


if __name__ == "__main__":
    main()
