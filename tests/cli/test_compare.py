"""`ganforge compare`: recipes, metrics, findings and grids of runs, and several seeds as one."""

from __future__ import annotations

import json
import math
import re
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.images import png_of
from support.installed import catalogue
from support.toys import gan_table, recipe_of

from ganforge.cli import main
from ganforge.cli.terminal.tables import Row, broken, plus_minus, table
from ganforge.plugins import loading as plugins
from ganforge.recipes.toml_writer import recipe_to_toml
from ganforge.runs.comparison import differences, group_seeds, mean_of, merge_orders
from ganforge.runs.run import read_run
from ganforge.tracking.reading import flatten

RECEIPT = {"metric": "mode-coverage", "reference": "a" * 32, "reference-data": "ring", "fake": 500, "truncation": 1.0}
FINDING = {
    "name": "mode-collapse",
    "symptom": "samples are alike",
    "evidence": "variance 0.001",
    "cause": "a weak discriminator",
    "remedies": [],
    "severity": "failure",
}


def write_run(
    folder: Path,
    values: list[tuple[int, float | None]],
    *,
    seed: int = 0,
    status: str = "finished",
    receipt: dict[str, Any] | None = None,
    finding: int | None = None,
    **changes: Any,
) -> Path:
    """Write a run's folder by hand: one metric at so many images shown, and what is drawn and said beside it."""
    folder.mkdir(parents=True)
    metrics = [{"kind": "mode-coverage", "samples": 500, "every_images": 100}]
    recipe = recipe_of(data={"kind": "ring"}, metrics=metrics, seed=seed, **changes)
    (folder / "recipe.toml").write_text(recipe_to_toml(recipe))
    record = {"id": f"{seed:032x}", "status": status, "start": 1000.0, "end": 1060.0, "device": "cpu"}
    (folder / "run.json").write_text(json.dumps(record))
    how = {**RECEIPT, "seed": seed, **(receipt or {})}
    log = [
        {
            "images": images,
            "round": images // 16,
            "time": 1000.0,
            "values": {"reverse-kl": value},
            "receipts": {"reverse-kl": {"images_shown": images, **how}},
        }
        for images, value in values
    ]
    log.insert(0, {"images": 100, "round": 6, "time": 1.0, "values": {"speed/images_per_second": 640.0 + seed}})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    event = {"images": finding, "time": 1.0, "kind": "finding", "text": "", "details": FINDING}
    (folder / "events.jsonl").write_text("" if finding is None else json.dumps(event) + "\n")
    (folder / "grids").mkdir()
    Image.fromarray(np.full((20, 30), 40 * seed, np.uint8)).save(folder / "grids" / f"images-{values[-1][0]:012d}.png")
    return folder


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(plugins, "load_catalogue", lambda *_: catalogue())


def compare(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["compare", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert (ended.value.code or 0) == code, err
    return err if code else out


def row(table_told: str, name: str, at: int = 0) -> list[str]:
    """The entries of a line, apart where there are two spaces."""
    lines = [line.strip() for line in table_told.splitlines() if line.strip().startswith(name)]
    return re.split(r"\s{2,}", lines[at])[1:]


def test_two_recipes_are_lined_up_where_they_differ(capsys):
    write_run(Path("a"), [(100, 0.5), (200, 0.7)])
    write_run(Path("b"), [(100, 0.4), (200, 0.3)], run__batch=32, game=gan_table(loss={"kind": "hinge"}), finding=120)
    told = compare(capsys, "a", "b")
    assert row(told, "run.batch") == ["16", "32"]
    assert row(told, "game.loss.kind") == ["non-saturating", "hinge"]
    assert row(told, "game.loss.smoothing") == ["0.0", "-"], "a field that one of them has not"
    assert "run.images" not in told, "what is the same is not told"
    assert row(told, "reverse-kl ↓") == ["0.7000", "0.3000"]
    assert row(told, "reverse-kl ↓", 1) == ["0.5000", "0.3000"], "the best values"
    assert row(told, "after images") == ["100", "200"]
    assert row(told, "status") == ["finished", "finished"]
    assert row(told, "images/s") == ["640", "640"]
    assert row(told, "time") == ["1:00", "1:00"]
    assert row(told, "mode-collapse") == ["-", "120"]
    assert "a/grids/images-000000000200.png" in told
    assert "values with a letter" not in told
    assert max(map(len, told.splitlines())) <= 80


def test_seeds_of_one_recipe_are_mean_and_spread(capsys):
    numbers = [0.5, 0.8, 0.2]
    for seed, value in enumerate(numbers):
        write_run(Path(f"ring-seed{seed}"), [(200, value)], seed=seed)
    told = compare(capsys, *(f"ring-seed{seed}" for seed in range(3)))
    assert "mean ± std of 3" in told
    assert row(told, "reverse-kl ↓") == ["0.5000", "0.8000", "0.2000", "0.50 ± 0.30"]
    assert statistics.stdev(numbers) == pytest.approx(0.3), "of a sample, n - 1"
    assert row(told, "seed ") == ["0", "1", "2"]


def test_several_recipes_of_several_seeds_have_a_column_each(capsys):
    for seed in range(2):
        write_run(Path(f"plain-seed{seed}"), [(200, 0.5 + seed / 10)], seed=seed)
        write_run(Path(f"wide-seed{seed}"), [(200, 0.3 + seed / 10)], seed=seed, run__batch=32)
    told = compare(capsys, "plain-seed0", "plain-seed1", "wide-seed0", "wide-seed1")
    assert told.splitlines()[0].split() == ["plain", "wide"]
    assert row(told, "seeds") == ["0,1", "0,1"]
    assert row(told, "status") == ["2 finished", "2 finished"]
    assert row(told, "reverse-kl ↓") == ["0.550 ± 0.071", "0.350 ± 0.071"]
    assert row(told, "run.batch") == ["16", "32"]


def test_a_run_that_did_not_finish_is_not_in_the_mean(capsys):
    write_run(Path("x-seed0"), [(200, 0.5)])
    write_run(Path("x-seed1"), [(200, 0.7)], seed=1)
    write_run(Path("x-seed2"), [(100, 9.0)], seed=2, status="failed")
    told = compare(capsys, "x-seed0", "x-seed1", "x-seed2")
    assert "mean ± std of 2" in told
    assert row(told, "reverse-kl ↓")[-1] == "0.60 ± 0.14"
    assert "means are of finished runs; not among them: x-seed2" in told
    assert row(told, "after images") == ["200", "200", "100"], "the last values are not of the same time"


def test_values_of_other_receipts_are_marked(capsys):
    write_run(Path("a"), [(200, 0.5)])
    write_run(Path("b"), [(200, 0.1)], receipt={"fake": 100, "reference": "b" * 32, "reference-data": "images x.zip"})
    told = compare(capsys, "a", "b")
    assert row(told, "reverse-kl ↓") == ["0.5000", "0.1000 a"]
    assert "a  fake 100, not 500; reference images x.zip (bbbbbbbbbbbb...), not ring" in told
    found = json.loads(compare(capsys, "a", "b", "--json"))
    assert found["receipts_differ"] == {"reverse-kl": [{"run": "b", "in": ["fake", "reference"]}]}


def test_a_value_without_a_receipt_is_marked(capsys):
    write_run(Path("a"), [(200, 0.5)])
    other = write_run(Path("b"), [(200, 0.1)])
    lines = [json.loads(line) for line in (other / "metrics.jsonl").read_text().splitlines()]
    (other / "metrics.jsonl").write_text(
        "".join(json.dumps({key: entry for key, entry in line.items() if key != "receipts"}) + "\n" for line in lines)
    )
    told = compare(capsys, "a", "b")
    assert row(told, "reverse-kl ↓") == ["0.5000", "0.1000 a"]
    assert "a  it has no receipt that says how it came about" in told


def test_what_a_roll_back_has_undone_does_not_count(capsys):
    write_run(Path("a"), [(100, 0.5), (200, 0.1), (150, 0.4), (200, 0.3)])
    assert read_run(Path("a"), catalogue()).best["reverse-kl"].value == 0.3
    log = [json.loads(line) for line in (Path("a") / "metrics.jsonl").read_text().splitlines()]
    del log[-1]["receipts"]
    (Path("a") / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    assert read_run(Path("a"), catalogue()).best["reverse-kl"].receipt is None, "that of 0.1 is undone with it"
    write_run(Path("b"), [(100, None), (200, 0.3)])
    assert read_run(Path("b"), catalogue()).best["reverse-kl"].images == 200, "not a number is never best"


def save_evaluation(folder: Path, name: str, values: list[float], images: int, **receipt: Any) -> None:
    """Append what `ganforge evaluate --save` would."""
    with (folder / "evaluations.jsonl").open("a") as file:
        for seed, value in enumerate(values):
            how = {**RECEIPT, "metric": name, "seed": seed, "images_shown": images, **receipt}
            line = {"images": images, "time": 1.0, "seed": seed, "values": {name: value}, "better": {name: "lower"}}
            file.write(json.dumps({**line, "receipts": {name: how}}) + "\n")


def test_what_was_evaluated_afterwards_is_lined_up_too(capsys):
    """The newest evaluation, as the mean over its seeds; the log alone is compared where nothing was evaluated."""
    write_run(Path("a"), [(200, 0.5)])
    write_run(Path("b"), [(200, 0.4)], game=gan_table(loss={"kind": "hinge"}))
    assert "evaluated" not in compare(capsys, "a", "b")
    save_evaluation(Path("a"), "fid", [90.0], 100)  # an older one, of another checkpoint
    save_evaluation(Path("a"), "fid", [10.0, 14.0], 200, fake=10_000)
    save_evaluation(Path("b"), "fid", [7.0, 9.0, 20.0], 200, fake=10_000)
    said = compare(capsys, "a", "b")
    part = said[said.index("evaluated afterwards") :]
    assert row(part, "fid ↓") == ["12.00", "12.00"]
    save_evaluation(Path("b"), "fid", [5.0], 200, fake=500)  # another way: not averaged with the others, and marked
    part = compare(capsys, "a", "b")
    assert row(part, "fid ↓") == ["12.00", "5.000 a"]
    assert "a  fake 500, not 10,000" in part
    told = json.loads(compare(capsys, "a", "b", "--json"))["runs"][1]["evaluated"]["fid"]
    assert (told["value"], told["better"], told["images"], told["receipt"]["fake"]) == (5.0, "lower", 200, 500)


def test_json_has_it_all(capsys):
    for seed, value in ((0, 0.5), (1, 0.7)):
        write_run(Path(f"r{seed}"), [(100, 0.9), (200, value)], seed=seed, finding=100 if seed else None)
    found = json.loads(compare(capsys, "r0", "r1", "--json"))
    first, second = found["runs"]
    assert (first["status"], first["images"], first["seed"], first["images_per_second"]) == ("finished", 200, 0, 640.0)
    final = second["metrics"]["reverse-kl"]["final"]
    assert (final["value"], final["images"], final["receipt"]["fake"]) == (0.7, 200, 500)
    assert [(entry["name"], entry["images"]) for entry in second["findings"]] == [("mode-collapse", 100)]
    assert found["recipe"] == {"seed": {"r0": 0, "r1": 1}}
    (group,) = found["groups"]
    assert group["metrics"]["reverse-kl"]["final"] == {
        "mean": pytest.approx(0.6),
        "std": pytest.approx(math.sqrt(0.02)),
        "count": 2,
    }


def test_the_contact_sheet_has_every_grid_below_its_name(capsys):
    for seed in range(3):
        write_run(Path(f"r{seed}"), [(200, 0.5)], seed=seed)
    compare(capsys, "r0", "r1", "r2", "--out", "sheet.png")
    sheet = np.asarray(Image.open("sheet.png"))
    assert sheet.shape[1] == 12 + 3 * (512 + 12)
    middle = [sheet[12 + 36 + 100, 12 + column * 524 + 100] for column in range(3)]
    assert [tuple(pixel) for pixel in middle] == [(40 * seed,) * 3 for seed in range(3)]
    assert (sheet[12:48, 12:524] < 128).any(), "a title"


@pytest.mark.parametrize("harm", ["empty", "no image", "cut", "huge"])
def test_a_damaged_grid_is_named(capsys, harm: str):
    write_run(Path("r0"), [(200, 0.5)])
    (grid,) = Path("r0/grids").glob("images-*.png")
    whole = grid.read_bytes()
    damaged = {"empty": b"", "no image": b"no image", "cut": whole[:-60], "huge": png_of(60_000, 60_000, 1)}
    grid.write_bytes(damaged[harm])
    said = compare(capsys, "r0", "--out", "sheet.png", code=1)
    assert said.startswith(f"error: {grid} cannot be read: ")
    assert not Path("sheet.png").exists()


def test_more_runs_than_fit_are_told_in_pages(capsys):
    names = [f"run-with-a-rather-long-name-{number}" for number in range(7)]
    for number, name in enumerate(names):
        write_run(Path(name), [(200, 0.5)], run__images=1000 + 16 * number)
    told = compare(capsys, *names)
    assert max(map(len, told.splitlines())) <= 80
    assert len([line for line in told.splitlines() if line == "runs"]) > 1
    assert [name for name in ("1000", "1016", "1096") if name not in told] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "nothing does not exist"),
        (["a", "a/"], "a is named twice; name each run once"),
        (["a", "--out", "x.jpg"], "--out x.jpg: the grids are written as a PNG; expected a name that ends in .png"),
        (["bare", "--out", "x.png"], "--out x.png: none of these runs has drawn a grid yet"),
        ([], "Missing argument 'RUN...'"),
    ],
)
def test_errors_say_what_is_wrong(capsys, arguments, said):
    write_run(Path("a"), [(200, 0.5)])
    bare = write_run(Path("bare"), [(200, 0.5)])
    next((bare / "grids").iterdir()).unlink()
    with pytest.raises(SystemExit) as ended:
        main(["compare", *arguments])
    assert ended.value.code in (1, 2)
    assert said in capsys.readouterr().err


def test_where_a_run_is_tracked_makes_no_difference():
    one = write_run(Path("a"), [(200, 0.5)])
    two = write_run(Path("b"), [(200, 0.5)], seed=1, tracking={"kind": "none", "name": "second"})
    runs = [read_run(folder, catalogue()) for folder in (one, two)]
    assert [len(group) for group in group_seeds(runs)] == [2]
    assert differences(runs) == {"seed": [0, 1]}


def test_a_seed_that_was_played_twice_is_not_averaged(capsys):
    for name in ("a", "b"):
        write_run(Path(name), [(200, 0.5)])
    told = compare(capsys, "a", "b")
    assert row(told, "reverse-kl ↓") == ["0.5000", "0.5000"]
    assert "±" not in told


def test_recipes_are_flattened_and_their_keys_merged():
    assert dict(flatten({"a": {"b": 1}, "c": [{"d": 2}, {"d": 3}], "e": [1, 2]})) == {
        "a.b": 1,
        "c.0.d": 2,
        "c.1.d": 3,
        "e": [1, 2],
    }
    assert merge_orders([["g.x.a", "g.x.c", "m.0.a"], ["g.x.a", "g.x.b", "g.x.c", "m.0.z", "g.x.y"]]) == [
        "g.x.a", "g.x.b", "g.x.c", "g.x.y", "m.0.z", "m.0.a",
    ]  # fmt: skip


def test_numbers_and_their_spread():
    assert plus_minus(94.3494, 0.4123) == "94.35 ± 0.41"
    assert plus_minus(1234.5, 120.0) == "1,234 ± 120"
    assert plus_minus(0.5, None) == "0.5000"
    assert plus_minus(8.0, 0.0) == "8.000 ± 0"
    assert plus_minus(float("nan"), 1.0) == "nan"
    assert mean_of([2.0]).std is None
    assert mean_of([1.0, 3.0]).std == pytest.approx(math.sqrt(2))


def test_long_entries_go_on_in_the_next_line():
    assert broken("/a/long/path.zip", 8) == ["/a/long/", "path.zip"]
    told = list(table(["one", "two"], [Row("name", ("x" * 100, "short"))], 60))
    assert max(map(len, told)) <= 60
    assert "".join(told).count("x") == 100
