"""Recipes of strangers: bounded in every direction; nothing else than a recipe is for is read, written or run."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import annotated_types
import pytest
import torch
from reliability import fuzz
from support.catalogues import CATALOGUE, TOY_RECIPE
from support.installed import catalogue
from support.toys import gan_table, recipe_of

from ganforge.api.data import DataSpec
from ganforge.cli import main
from ganforge.cli.messages import error_text
from ganforge.diagnosis import memory as ration
from ganforge.distributed.launch import search_path
from ganforge.errors import DataError, GanforgeError, MemoryShortageError, RecipeError
from ganforge.recipes.fields import FieldType, types_of_field
from ganforge.recipes.parsing import MAX_DEPTH, MAX_ENTRIES, MAX_TEXT
from ganforge.recipes.recipe import parse_recipe, read_recipe
from ganforge.storage.folders import new_run
from ganforge.training.build import build_game

PARTS = 20_000
DEEP = "[" * PARTS


def test_mutated_recipes_are_read_or_refused() -> None:
    """A few of the ten thousand that `python tests/reliability/fuzz.py` tries."""
    report = fuzz.fuzz(80, 500_000, catalogue())
    assert not report.failures, report.failures[0]
    assert report.accepted
    assert report.refused["RecipeError"] > 20


def test_the_fuzzer_would_see_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fall_over(*_: object) -> None:
        raise RecursionError("deep")

    monkeypatch.setattr("ganforge.recipes.recipe.Recipe.model_validate", fall_over)
    assert len(fuzz.fuzz(3, 4, catalogue()).failures) == 3 - fuzz.fuzz(3, 4, catalogue()).refused.total()
    monkeypatch.undo()
    monkeypatch.setattr(fuzz, "NAME", "nowhere.toml")
    monkeypatch.setattr(fuzz, "read", lambda *_: (_ for _ in ()).throw(RecipeError("it is wrong")))
    assert "no place is named" in fuzz.fuzz(1, 4, catalogue()).failures[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"x = {DEEP}", "x.toml:1:37: arrays or tables are nested too deeply; expected at most 32"),
        (f"x = {DEEP}{']' * PARTS}", "nested too deeply"),
        ("x = " + "{a = " * PARTS, "nested too deeply"),
        (".".join("a" * PARTS) + " = 1", "x.toml:1:1: a key has too many parts"),
        ("[" + " . ".join("a" * PARTS) + "]", "too many parts"),
        ("x = {" + ".".join(['"a"'] * PARTS) + " = 1}", "x.toml:1:6: a key has too many parts"),
        ("a" * 2**16 + ".", "not TOML"),
        ('"""\\' * 2**14, "not TOML"),
        ("'''" * 2**14 + "'", "not TOML"),
        ("a.\n" * 2**14, "not TOML"),
        ("\n".join(f"k{i} = 1" for i in range(9_000)), "the first 20:"),
        ("\n".join(f"[k{i}]" for i in range(9_000)), "the first 20:"),
        ("[[metrics]]\nkind = 'x'\n" * 4_000, "the first 20:"),
        (f"metrics = [{'1,' * (MAX_ENTRIES + 1)}]", f"the array has {MAX_ENTRIES + 1:,} entries; expected at most"),
        (f"metrics = [{'{},' * MAX_ENTRIES}]", "the first 20:"),
        (f"data = '{'x' * (MAX_TEXT + 1)}'", f"the text has {MAX_TEXT + 1:,} characters"),
        (f"seed = 0x{'f' * 10_000}", "x.toml:1:1: seed: the integer is too large; expected less than 2^63"),
        (f"seed = {'9' * 5_000}", "not TOML"),
        (f"seed = {2**63}", "the integer is too large"),
        ("data = {resolution = -9223372036854775808}", "x.toml:1:9: data.resolution: the integer is too large"),
        ("\n".join(f"k{i} = 0x{'f' * 99}" for i in range(900)), "the first 20:"),
        ('data = "x\\u001b[2Jy"', r"unknown kind 'x\x1b[2Jy'"),
        ('"\\u001b]0;t\\u0007" = 1', r"\x1b]0;t\x07: unknown field"),
        ("x = 1\x00", "not TOML"),
        ("\x1b[2J = 1", "not TOML"),
    ],
    ids=lambda value: value[:30],
)
def test_recipes_without_bounds_are_refused_at_once(text: str, words: str) -> None:
    began = time.process_time()
    with pytest.raises(RecipeError) as refused:
        parse_recipe(text, "x.toml", CATALOGUE)
    message = str(refused.value)
    assert words in message
    assert len(message) < 20_000
    assert message.replace("\n", "").isprintable()
    assert time.process_time() - began < 30  # hours, for some, without the bounds


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (".".join("a" * PARTS) + "=1", f"expected a key of at most {MAX_DEPTH} parts"),
        (f"data={DEEP}", "nested too deeply"),
        ("data={" + ".".join("a" * PARTS) + "=1}", "too many parts"),
        (f"metrics.{'9' * 5_000}=1", "is an array; expected an index"),
        ("metrics.99999999=1", "the next new entry is 1"),
        ("seed=0xffffffffffffffffff", "--set seed=0xffffffffffffffffff: seed: the integer is too large"),
        (f"data={'x' * 2**17}", "and a short value"),
        ("data=\x1b[2J", r"--set data=\x1b[2J: data: unknown kind '\x1b[2J'"),
    ],
    ids=lambda value: value[:30],
)
def test_overrides_without_bounds_are_refused_at_once(override: str, words: str) -> None:
    began = time.process_time()
    with pytest.raises(RecipeError) as refused:
        parse_recipe(TOY_RECIPE, "x.toml", CATALOGUE, [override])
    assert words in error_text(refused.value)
    assert error_text(refused.value).replace("\n", "").isprintable()
    assert str(refused.value).replace("\n", "").isprintable()
    assert time.process_time() - began < 30


@pytest.mark.parametrize("name", ["../x.toml", "a\nb.toml", "\x1b[2J.toml", "...toml", "~.toml", "-x.toml", "x" * 240])
def test_a_recipe_of_any_name_is_read_and_its_run_stays_below_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "a" / "b"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    path = Path(name)
    path.write_text(TOY_RECIPE.replace("seed", "sede"))
    with pytest.raises(RecipeError, match="did you mean 'seed'") as refused:
        read_recipe(path, CATALOGUE)
    assert str(refused.value).replace("\n", "").isprintable()
    folder = new_run(path.stem)
    assert folder.resolve().parent == (here / "runs").resolve()
    assert {file.name for file in tmp_path.iterdir()} == {"a"}


@pytest.mark.parametrize("path", ["/etc/passwd", "/dev/zero", "/dev/stdin", "/proc/self/mem", "/", "/proc", ".."])
def test_data_at_a_strange_path_are_refused_and_not_shown(path: str, tmp_path: Path) -> None:
    recipe = recipe_of(data__kind="images", data__path=path)
    if path in ("/", "/proc", ".."):
        return  # folders are listed, which may take long; what is no image in them is ignored
    with pytest.raises(DataError) as refused:
        recipe.data.open(tmp_path)
    assert "root:" not in str(refused.value)  # nothing of what is in there


def bounded(part: FieldType) -> bool:
    """Whether every integer in what a field takes has an upper bound."""
    if part.type is int:
        return any(isinstance(limit, annotated_types.Le | annotated_types.Lt) for limit in part.limits)
    inner = [entry for index in range(len(get_args(part.type))) for entry in (*part.entries(index), *part.entries("x"))]
    return all(bounded(entry) for entry in inner if entry != part)


def tables(cls: Any, seen: set[Any]) -> Iterator[Any]:
    """A component, and the tables in it."""
    if cls not in seen:
        seen.add(cls)
        yield cls
        for field in cls.model_fields.values():
            for part in types_of_field(field):
                for inner in (part, *part.entries(0)):
                    if inner.model is not None and inner.slot is None:
                        yield from tables(inner.model, seen)


COUNTS = ("images", "every", "labelled", "limit", "layers", "fade", "stable", "truncated_layers", "checkpoint", "seed")


@pytest.mark.parametrize(
    "family", ["generators", "discriminators", "losses", "datasets", "games", "features", "metrics"]
)
def test_integers_that_size_something_have_an_upper_bound(family: str) -> None:
    """Those that only count what was shown, or choose among what is there, need none: they are below 2^63."""
    seen: set[Any] = set()
    for component in catalogue().family(family).values():
        for cls in tables(component, seen):
            for name, field in cls.model_fields.items():
                counts = name in COUNTS or name.endswith("images")
                assert counts or all(bounded(part) for part in types_of_field(field)), f"{cls.__name__}.{name}"


@pytest.mark.parametrize(
    "network",
    [
        {"kind": "mlp", "width": 65_536, "depth": 64},
        {"kind": "mlp", "latent": 65_536, "width": 65_536},
    ],
)
def test_networks_larger_than_memory_are_refused_before_they_are_made(
    network: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ration, "available_memory", lambda: 2**30)
    recipe = recipe_of(gan_table(generator__network=network))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = r"^game.generator.network: building the networks \(a tensor of 65536 x .* and 1 GiB are free"
    with pytest.raises(GanforgeError, match=said):
        build_game(recipe.game, DataSpec((3, 64, 64)), 0, torch.device("cpu"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**19  # KiB


def test_many_small_layers_are_refused_together(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(ration, "available_memory", lambda: asked.append(1) or (2**30 if len(asked) < 3 else 0))
    recipe = recipe_of(gan_table(generator__network={"kind": "mlp", "width": 2048, "depth": 64}))  # 16 MiB each
    with pytest.raises(GanforgeError, match="a tensor of 2048 x 2048"):
        build_game(recipe.game, DataSpec((3, 64, 64)), 0, torch.device("cpu"))
    assert len(asked) == 3  # looked at whenever 64 MiB were asked for


def test_a_ration_changes_no_number() -> None:
    with ration.MemoryGuard("x", "y"):
        torch.manual_seed(1)
        rationed = torch.nn.Linear(7, 5).weight
    torch.manual_seed(1)
    assert torch.equal(rationed, torch.nn.Linear(7, 5).weight)


def test_what_is_free_is_known() -> None:
    assert 2**26 < ration.available_memory() <= 2**46


def test_batches_larger_than_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANFORGE_PLUGINS", "")
    monkeypatch.setattr(ration, "available_memory", lambda: 2**20)
    Path("x.toml").write_text(
        "data = 'digits'\nrun = {images = 9, batch = 16_777_216}\n"
        "game = {kind = 'gan', loss = 'hinge', generator = {network = 'mlp', optimizer = {lr = 1}}, "
        "discriminator = {network = 'mlp', optimizer = {lr = 1}}}\ntracking = {kind = 'none'}\n"
    )
    with pytest.raises(SystemExit) as ended:
        main(["run", "x.toml", "--dry-run", "--device", "cpu"])
    said = capsys.readouterr().err
    assert "a batch of 16,777,216 samples of 1 x 8 x 8 would take 5.12 GiB, and 1 MiB are free; make run.batch" in said
    assert ended.value.code == MemoryShortageError.exit_code
    assert not Path("runs").exists()


def test_nothing_that_a_recipe_names_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as an optimizer, nor as a kind: `evil.Evil` beside the recipe, as `python -m ganforge` would find it."""
    (tmp_path / "evil.py").write_text("raise SystemExit('it ran')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    raw = gan_table()
    texts = [
        f"{key}={value}"
        for key in ("data", "game.loss", "game.generator.network", "game.generator.optimizer", "metrics.0")
        for value in ("evil", "evil.Evil", "evil:Evil", "{kind='torch',name='evil.Evil',lr=1}", "{kind='evil.Evil'}")
    ]
    text = f"data = 'ring'\nrun = {{images = 9, batch = 3}}\ngame = {fuzz_inline(raw)}\n"
    for override in texts:
        with pytest.raises(GanforgeError):
            parse_recipe(text, "x.toml", catalogue(), [override])
    assert "evil" not in sys.modules
    parse_recipe(text, "x.toml", catalogue())  # it is in order without


def fuzz_inline(value: object) -> str:
    from ganforge.api.toml import toml_value

    return toml_value(value)


@pytest.mark.parametrize(("first", "option"), [("/usr/bin", ["-P"]), ("", []), ("here", [])])
def test_processes_import_nothing_from_the_working_folder(
    first: str, option: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `torch.py` beside a recipe is not torch, unless this very process would take it for that too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path) if first == "here" else first, *sys.path])
    assert search_path() == option
    (tmp_path / "torch.py").write_text("raise SystemExit('it ran')")
    found = subprocess.run(
        [sys.executable, *search_path(), "-c", "import sys; print(sys.path[0])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (found.stdout.strip() == "") == (option == [])
