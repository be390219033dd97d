"""Comparisons of runs as a program has them: groups, differences, values that may be compared, the best."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from support.installed import catalogue
from support.run_folders import write_run
from support.toys import gan_table

from ganforge.errors import RecipeError
from ganforge.runs.comparison import Comparison, compare, differences, mean_of
from ganforge.runs.run_groups import group_seeds
from ganforge.runs.summary import summarise_run
from ganforge.tracking.reading import flatten


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def compared(*folders: Path) -> Comparison:
    return compare([summarise_run(folder, catalogue()) for folder in folders])


def test_the_best_is_among_those_that_may_be_compared():
    one = write_run(Path("a"), [(200, 0.5)])
    two = write_run(Path("b"), [(200, 0.4)], run__batch=32)
    three = write_run(Path("c"), [(200, 0.1)], run__batch=64, receipt={"fake": 100})
    (metric,) = compared(one, two, three).metrics("final")
    assert [mean.mean for mean in metric.means if mean] == [0.5, 0.4, 0.1]
    assert metric.caveats == ((), (), ("fake 100, not 500",))
    assert (metric.name, metric.better, metric.best) == ("reverse-kl", "lower", 1)
    (metric,) = compared(one, three).metrics("final")
    assert metric.best is None, "nothing to choose from"


def test_best_values_are_told_where_one_is_not_the_newest():
    one = write_run(Path("a"), [(100, 0.5), (200, 0.7)])
    two = write_run(Path("b"), [(100, 0.4), (200, 0.3)], run__batch=32)
    (metric,) = compared(one, two).metrics("best")
    assert [[reading.images for reading in group] for group in metric.readings] == [[100], [200]]
    assert list(compared(two).metrics("best")) == []


def test_seeds_are_groups_and_a_single_recipe_has_a_summary():
    seeds = [write_run(Path(f"plain-seed{seed}"), [(200, seed / 10)], seed=seed) for seed in (1, 0)]
    both = compared(*seeds)
    assert [(group.name, [run.seed for run in group.runs], group.summary) for group in both.groups] == [
        ("plain-seed0", [0], False),
        ("plain-seed1", [1], False),
        ("mean ± std of 2", [0, 1], True),
    ]
    (metric,) = both.metrics("final")
    assert metric.best == 0, "0.0 is lower than 0.1, and the summary does not take part"
    other = write_run(Path("hinge"), [(200, 0.3)], game=gan_table(loss={"kind": "hinge"}))
    three = compared(*seeds, other)
    assert [(group.name, len(group.runs)) for group in three.groups] == [("plain", 2), ("hinge", 1)]
    assert "seed" not in three.differences
    assert three.differences["game.loss.kind"] == ["non-saturating", "hinge"]


def test_a_run_is_not_compared_with_itself():
    run = write_run(Path("a"), [(200, 0.5)])
    with pytest.raises(RecipeError, match="a is named twice"):
        compared(run, run.resolve().parent / "." / "a")


def test_what_a_roll_back_has_undone_does_not_count():
    write_run(Path("a"), [(100, 0.5), (200, 0.1), (150, 0.4), (200, 0.3)])
    assert summarise_run(Path("a"), catalogue()).best["reverse-kl"].value == 0.3
    log = [json.loads(line) for line in (Path("a") / "metrics.jsonl").read_text().splitlines()]
    del log[-1]["receipts"]
    (Path("a") / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    assert summarise_run(Path("a"), catalogue()).best["reverse-kl"].receipt is None, "that of 0.1 is undone with it"
    write_run(Path("b"), [(100, None), (200, 0.3)])
    assert summarise_run(Path("b"), catalogue()).best["reverse-kl"].images == 200, "not a number is never best"


def test_where_a_run_is_tracked_makes_no_difference():
    one = write_run(Path("a"), [(200, 0.5)])
    two = write_run(Path("b"), [(200, 0.5)], seed=1, tracking={"kind": "none", "name": "second"})
    runs = [summarise_run(folder, catalogue()) for folder in (one, two)]
    assert [len(group.runs) for group in group_seeds(runs)] == [2]
    assert differences(runs) == {"seed": [0, 1]}


def test_recipes_are_flattened():
    assert dict(flatten({"a": {"b": 1}, "c": [{"d": 2}, {"d": 3}], "e": [1, 2]})) == {
        "a.b": 1,
        "c.0.d": 2,
        "c.1.d": 3,
        "e": [1, 2],
    }


def test_keys_of_one_table_stand_together():
    one = write_run(Path("a"), [(200, 0.5)])
    other = gan_table(loss={"kind": "least-squares"}, generator__network__width=64)
    two = write_run(Path("b"), [(200, 0.5)], game=other)
    keys = list(differences([summarise_run(folder, catalogue()) for folder in (one, two)]))
    loss = [f"game.loss.{name}" for name in ("kind", "smoothing", "a", "b", "c")]
    assert keys == [*loss, "game.generator.network.width"], "those that only the second has, too"


def test_means_of_samples():
    assert mean_of([2.0]).std is None
    assert mean_of([1.0, 3.0]).std == pytest.approx(math.sqrt(2))
