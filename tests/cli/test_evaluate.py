"""`ganforge evaluate`: of checkpoints, of files, with receipts that tell what may be compared."""

from __future__ import annotations

import io
import json
import re
import statistics
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.installed import catalogue

from ganforge.cli import main
from ganforge.cli.evaluate.report import evaluation_lines
from ganforge.evaluation.evaluate import MetricValue
from ganforge.evaluation.receipts import differing
from ganforge.plugins import loading as plugins
from ganforge.recipes.fragments import adjusted, read_metric, usual_metrics
from ganforge.runs.evaluation import EvaluatedSamples, Evaluation

RECIPE = """
seed = 3
data = {{ kind = "images", path = "{data}", resolution = 8 }}
metrics = [
    {{ kind = "pixel-variance", samples = 96, every_images = 64 }},
    {{ kind = "fid", features = "pixels", samples = 96 }},
]
tracking = {{ kind = "none" }}
grid = {{ samples = 4 }}
checkpoints = {{ every_images = 64, best = "frechet-pixels" }}
{more}
[run]
images = 128
batch = 16
log_every_images = 64
[game]
kind = "gan"
loss = "non-saturating"
[game.generator]
network = {{ kind = "mlp", latent = 8, width = 16 }}
optimizer = {{ lr = 2e-3 }}
ema = {{ half_life_images = 100 }}
[game.discriminator]
network = {{ kind = "mlp", width = 16 }}
optimizer = {{ lr = 2e-3 }}
"""


def images(place: Path, count: int, seed: int, size: tuple[int, int] = (8, 8), mode: str = "L") -> np.ndarray:
    """Write a ZIP of noise; return its pixels [N, H, W] or [N, H, W, 3]."""
    shape = (count, size[1], size[0]) + ((3,) if mode == "RGB" else ())
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    with zipfile.ZipFile(place, "w") as archive:
        for index, image in enumerate(pixels):
            file = io.BytesIO()
            Image.fromarray(image).save(file, "PNG")
            archive.writestr(f"{index:04d}.png", file.getvalue())
    return pixels


def ganforge(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, other data, and a run that measured two metrics."""
    folder = tmp_path_factory.mktemp("evaluate")
    images(folder / "data.zip", 120, 0)
    images(folder / "other.zip", 60, 1)
    (folder / "tiny.toml").write_text(RECIPE.format(data=folder / "data.zip", more=""))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("GANFORGE_CACHE", str(folder / "cache"))
        patch.setattr(plugins, "load_catalogue", lambda *_: catalogue())
        assert ganforge("run", "tiny.toml", "--device", "cpu", "--quiet") == 0
    return folder


@pytest.fixture(autouse=True)
def _here(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    monkeypatch.setenv("GANFORGE_CACHE", str(trained / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(plugins, "load_catalogue", lambda *_: catalogue())


RUN = "runs/tiny"


def evaluate(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    assert ganforge("evaluate", *arguments, "--json", "--device", "cpu") == 0
    return json.loads(capsys.readouterr().out)


def error(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert ganforge("evaluate", *arguments, "--device", "cpu") in (1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_a_run_evaluated_again_gives_what_it_logged_receipts_included(capsys):
    found = evaluate(capsys, RUN)
    log = [json.loads(line) for line in Path(RUN, "metrics.jsonl").read_text().splitlines()]
    values = {name: value for line in log for name, value in line["values"].items() if "/" not in name}
    receipts = {name: how for line in log for name, how in line.get("receipts", {}).items()}
    assert {entry["name"]: entry["mean"] for entry in found["results"]} == values
    assert {entry["name"]: entry["receipt"] for entry in found["results"]} == receipts
    assert found["reference"].startswith("training data: images ")
    assert found["results"][0]["receipt"]["reference-data"] == found["reference"]
    assert found["seeds"] == [3], "the recipe's"


def test_each_checkpoint_has_a_column_and_the_best_one_says_so(capsys):
    found = evaluate(capsys, RUN, "--checkpoint", 64, "--checkpoint", "best", "--metric", "pixel-variance")
    assert {entry["images"] for entry in found["results"]} == {64, 128}
    assert ganforge("evaluate", RUN, "--checkpoint", "all", "--metric", "pixel-variance", "--samples", 64) == 0
    table = capsys.readouterr().out
    assert re.search(r"after so many images +64 +128\n", table)
    assert re.search(r"pixel-variance ↑ +[\d.e-]+ +[\d.e-]+\n", table)
    assert "values with a letter" not in table, "checkpoints may be compared"


def test_repeats_are_seeds_and_their_spread_is_told(capsys):
    metric = '{kind = "pixel-variance", samples = 48}'
    single = [evaluate(capsys, RUN, "--metric", metric, "--seed", seed)["results"][0]["mean"] for seed in (5, 6, 7)]
    entry = evaluate(capsys, RUN, "--metric", metric, "--seed", 5, "--repeat", 3)["results"][0]
    assert entry["values"] == single
    assert len(set(single)) == 3
    assert entry["mean"] == pytest.approx(statistics.fmean(single))
    assert entry["std"] == pytest.approx(statistics.stdev(single))
    assert ganforge("evaluate", RUN, "--metric", metric, "--seed", 5, "--repeat", 3) == 0
    assert re.search(r"pixel-variance ↑ +0\.\d+ ± 0\.\d+", capsys.readouterr().out)


def test_truncation_and_live_weights_are_in_the_receipt(capsys):
    plain, other = (
        evaluate(capsys, RUN, "--metric", "pixel-variance", "--samples", 48, *more)["results"][0]
        for more in ((), ("--truncation", 0.5, "--live"))
    )
    assert differing(plain["receipt"], other["receipt"]) == ("ema", "truncation")
    assert plain["mean"] != other["mean"]


def test_settings_reach_all_metrics_that_have_them(capsys):
    entries = evaluate(capsys, RUN, "--samples", 40, "--real", 30)["results"]
    assert {entry["receipt"]["fake"] for entry in entries} == {40}
    assert next(entry["receipt"]["real"] for entry in entries if entry["name"] == "frechet-pixels") == 30
    metrics = adjusted(
        [read_metric("fid", catalogue()), read_metric("pixel-variance", catalogue())], catalogue(), real=7
    )
    assert [dict(metric).get("real") for metric in metrics] == [7, None]


def test_other_real_samples_are_named_in_the_receipt_and_resized_to_the_run(capsys):
    images(Path("large.zip"), 20, 4, (16, 16))
    found = evaluate(
        capsys, RUN, "--against", "large.zip", "--metric", '{kind = "fid", features = "pixels"}', "--samples", 40
    )
    receipt = found["results"][0]["receipt"]
    assert (receipt["reference-data"], receipt["reference-samples"]) == ("images large.zip", 20)


def test_the_recipes_reference_is_compared_with_and_told(capsys, trained: Path):
    more = f'reference = {{ kind = "images", path = "{trained / "other.zip"}", resolution = 8 }}'
    Path("referred.toml").write_text(RECIPE.format(data=trained / "data.zip", more=more))
    assert ganforge("run", "referred.toml", "--device", "cpu", "--quiet", "--set", "run.images=16") == 0
    capsys.readouterr()
    found = evaluate(capsys, "runs/referred")
    log = Path("runs/referred/metrics.jsonl").read_text()
    receipt = next(entry["receipt"] for entry in found["results"] if entry["name"] == "frechet-pixels")
    assert receipt["reference-samples"] == receipt["real"] == 60
    assert receipt["reference-data"] == f"images {trained / 'other.zip'}"
    assert json.dumps(receipt["reference"]) in log, "the run itself compared with it, too"
    assert ganforge("run", "referred.toml", "--device", "cpu", "--set", "reference.resolution=16") == 2
    assert (
        "reference: its samples are of shape [1, 16, 16], and the game makes [1, 8, 8]; give it the same resolution "
        "and channels as data"
    ) in capsys.readouterr().err


def test_a_run_whose_data_are_gone_needs_others(capsys, trained: Path):
    images(Path("moved.zip"), 40, 0)
    Path("gone.toml").write_text(RECIPE.format(data="moved.zip", more=""))
    assert ganforge("run", "gone.toml", "--device", "cpu", "--quiet", "--set", "run.images=16") == 0
    Path("moved.zip").unlink()
    capsys.readouterr()
    said = error(capsys, "runs/gone")
    assert (
        "runs/gone: the real samples that it is compared with cannot be opened: data: there is no 'moved.zip'" in said
    )
    assert f"go to the folder where it was trained ({trained}), or name others with --against" in said
    assert evaluate(capsys, "runs/gone", "--against", "data.zip")["reference"] == "images data.zip"


def test_what_was_measured_is_saved_beside_the_log(capsys):
    log = Path(RUN, "metrics.jsonl").read_bytes()
    arguments = ("evaluate", RUN, "--metric", "pixel-variance", "--samples", 32, "--repeat", 2, "--save")
    assert ganforge(*arguments) == 0
    assert "appended to runs/tiny/evaluations.jsonl" in capsys.readouterr().err
    saved = [json.loads(line) for line in Path(RUN, "evaluations.jsonl").read_text().splitlines()]
    assert [(line["images"], line["seed"]) for line in saved] == [(128, 3), (128, 4)]
    assert [line["receipts"]["pixel-variance"]["seed"] for line in saved] == [3, 4]
    assert Path(RUN, "metrics.jsonl").read_bytes() == log


def test_files_against_files(capsys):
    ours, theirs = images(Path("a.zip"), 30, 2), images(Path("b.zip"), 50, 3)
    found = evaluate(capsys, "a.zip", "--against", "b.zip", "--metric", '{kind = "fid", features = "pixels"}')
    entry = found["results"][0]
    from scipy.linalg import sqrtm

    flat = [
        np.tile(pixels.reshape(len(pixels), -1) / 127.5 - 1, 3) for pixels in (ours, theirs)
    ]  # grey as three channels
    means, covariances = [f.mean(0) for f in flat], [np.cov(f, rowvar=False) for f in flat]
    root = np.trace(sqrtm(covariances[0] @ covariances[1]).real)
    distance = ((means[0] - means[1]) ** 2).sum() + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * root
    assert entry["mean"] == pytest.approx(distance, rel=1e-3)
    assert (entry["receipt"]["fake"], entry["receipt"]["real"]) == (30, 50)
    assert entry["receipt"]["samples-data"] == "images a.zip"


def test_a_folder_against_itself_is_as_good_as_it_gets_and_said(capsys):
    pixels = images(Path("c.zip"), 20, 6)
    Path("c").mkdir(exist_ok=True)
    for index, image in enumerate(pixels):
        Image.fromarray(image).save(Path("c", f"{index:04d}.png"))
    assert ganforge("evaluate", "c", "--against", "c", "--metric", '{kind = "fid", features = "pixels"}', "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["results"][0]["mean"] == pytest.approx(0, abs=1e-4)
    assert "both sides hold the very same images" in err


def test_repeats_of_files_take_other_files(capsys):
    images(Path("d.zip"), 60, 7)
    entry = evaluate(
        capsys, "d.zip", "--against", "data.zip", "--metric", "pixel-variance", "--samples", 20, "--repeat", 2
    )
    values = entry["results"][0]["values"]
    assert values[0] != values[1]
    assert ganforge("evaluate", "d.zip", "--against", "data.zip", "--metric", "pixel-variance", "--repeat", 2) == 0
    assert "all 60 images are looked at with every seed" in capsys.readouterr().err


def test_grey_and_colour_are_both_seen_in_colour(capsys):
    images(Path("grey.zip"), 12, 8)
    images(Path("colour.zip"), 12, 9, mode="RGB")
    entry = evaluate(capsys, "grey.zip", "--against", "colour.zip", "--metric", "pixel-variance")["results"]
    assert entry[0]["mean"] > 0


def test_sizes_come_from_the_files(capsys):
    images(Path("small.zip"), 12, 10)
    images(Path("big.zip"), 12, 11, (16, 16))
    images(Path("wide.zip"), 12, 12, (12, 8))
    mixed = Path("mixed")
    mixed.mkdir(exist_ok=True)
    for size in (8, 9):
        Image.new("L", (size, size)).save(mixed / f"{size}.png")
    metric = ("--metric", "pixel-variance")
    assert "the samples are 8x8 and those they are compared with 16x16" in error(
        capsys, "small.zip", "--against", "big.zip", *metric
    )
    assert "resize both with --resolution 8" in error(capsys, "small.zip", "--against", "big.zip", *metric)
    assert (
        "'wide.zip' holds images of 12x8, and squares are compared; cut their middle out with --resolution 8"
        in error(capsys, "wide.zip", "--against", "small.zip", *metric)
    )
    assert "'mixed' holds images of 2 sizes (1 of 8x8, 1 of 9x9)" in error(
        capsys, "mixed", "--against", "small.zip", *metric
    )
    assert evaluate(capsys, "small.zip", "--against", "big.zip", "--resolution", 8, *metric)["results"]
    assert evaluate(capsys, "small.zip", "--against", "digits", *metric)["reference"] == "digits", (
        "drawn at the same size"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing",), "nothing does not exist; the newest runs here: runs/"),
        (("data.zip",), "data.zip is not the folder of a run; images are compared with others: name these with"),
        (("data.zip", "--against", "nowhere"), "there is no folder or ZIP 'nowhere', and no data set of that kind"),
        (("data.zip", "--against", "nowhere.zip"), "there is no 'nowhere.zip'"),
        (("data.zip", "--against", RUN), "runs/tiny is the folder of a run, and samples are compared with real ones"),
        (("data.zip", "--against", "other.zip", "--live"), "not the folder of a run, and only runs have --live; leave"),
        ((RUN, "--metric", "fidd"), "unknown kind 'fidd' of metric; did you mean 'fid'?"),
        ((RUN, "--metric", '{kind = "fid", sample = 3}'), "unknown field; did you mean 'samples'?"),
        ((RUN, "--metric", "{kind = fid}"), "not TOML"),
        ((RUN, "--metric", "mode-coverage"), "mode-coverage"),
        ((RUN, "--metric", "pixel-variance", "--features", "pixels"), "none of the metrics pixel-variance has a field"),
        ((RUN, "--metric", "fid", "--metric", "fid", "--features", "pixels"), "tell a value called frechet-pixels"),
        ((RUN, "--metric", "kid", "--samples", "50", "--features", "pixels"),
         "--samples 50 --features pixels: kid: subset = 1000 is more than the 50 samples"),
        ((RUN, "--metric", "pixel-variance", "--samples", "9999999"),
         "--samples 9999999: pixel-variance: Input should be less than or equal to 1000000"),
        ((RUN, "--checkpoint", "7"), "runs/tiny has no checkpoint '7'; it has those at 64, 128 images"),
        ((RUN, "--resolution", "8"), "--resolution: a run's samples are as large as its generator makes them"),
        ((RUN, "--against", "digits", "--metric", "class-recognition"), "class-recognition"),
        (("data.zip", "--against", "other.zip", "--metric", "class-recognition"), "these data have no classes"),
        (("data.zip", "--against", "other.zip", "--metric", "ppl", "--features", "pixels"), "ppl"),
    ],
)  # fmt: skip
def test_errors_say_what_is_wrong(capsys, arguments, said):
    assert said in error(capsys, *arguments)


def test_what_is_usual_is_measured_as_far_as_can_be(capsys, monkeypatch):
    images(Path("few.zip"), 30, 13)
    assert ganforge("evaluate", "few.zip", "--against", "data.zip", "--features", "pixels", "--json") == 0
    out, err = capsys.readouterr()
    names = {entry["name"] for entry in json.loads(out)["results"]}
    assert {"frechet-pixels", "pixel-variance"} <= names
    assert "left out: kid takes subsets of 1000 samples, and the data have 120" in err
    assert not [name for name in names if name.startswith("kernel")]


def test_usual_metrics_fit_the_samples():
    from support.examinations import ModesSource
    from support.toys import ToySource

    from ganforge.api.data import DataSpec

    kinds = [metric.kind for metric in usual_metrics(ToySource(DataSpec((1, 8, 8))), catalogue())]
    assert kinds[0] == "fid"
    assert "pixel-variance" in kinds
    assert [m.kind for m in usual_metrics(ModesSource(np.zeros((2, 2)), 0.1), catalogue())] == ["mode-coverage"]
    with pytest.raises(ValueError, match="name one with `metrics`"):
        usual_metrics(ToySource(DataSpec((2,))), catalogue())


def value(name: str, number: float, **receipt: object) -> MetricValue:
    how = {"reference": "r" * 8, "reference-data": "digits", "reference-samples": 5, "fake": 50_000, **receipt}
    return MetricValue(name, "fid", "lower", (0,), (number,), ({"metric": "fid", **how},))


def test_values_of_other_receipts_are_marked_and_explained():
    columns = tuple(
        EvaluatedSamples(f"{at}", at, (value("fid", 10 + at, images_shown=at, **more),))
        for at, more in ((1, {}), (2, {}), (3, {"fake": 20_000, "truncation": 0.5}))
    )
    told = "\n".join(evaluation_lines(Evaluation("run", "digits", (0,), columns), 80))
    assert re.search(r"fid ↓ +11\.00 +12\.00 +13\.00 a\n", told)
    assert "a  fake 20,000, not 50,000; truncation 0.5, not not said" in told


def test_few_samples_are_warned_of_and_many_are_not():
    few, many = (
        "\n".join(
            evaluation_lines(
                Evaluation("run", "digits", (0,), (EvaluatedSamples("1", 1, (value("fid", 1, fake=count),)),)), 80
            )
        )
        for count in (9_999, 10_000)
    )
    assert "! 9,999 samples are fewer than 10,000" in few
    assert "!" not in many


def test_a_feature_network_is_told_once():
    network = {"features": "net", "weights-sha256": "f" * 64, "resizer": "none"}
    values = (value("fid", 1, **network), value("precision", 1, neighbours=3, **network), value("variance", 1))
    told = "\n".join(evaluation_lines(Evaluation("run", "digits", (0,), (EvaluatedSamples("1", 1, values),)), 80))
    assert told.count("features net, weights-sha256 ffffffffffff..., resizer none") == 1
    assert re.findall(r"  (?:fid|precision|variance): .*", told) == [
        "  fid: features net", "  precision: neighbours 3, features net", "  variance: nothing else",
    ]  # fmt: skip


def test_tables_keep_to_the_terminal(capsys):
    wanted = ("--metric", "pixel-variance", "--metric", '{kind = "fid", features = "pixels"}', "--samples", 32)
    assert ganforge("evaluate", RUN, *wanted, "--repeat", 2, "--checkpoint", "all") == 0
    lines_told = capsys.readouterr().out.splitlines()
    assert max(map(len, lines_told)) <= 80
    assert any("receipt: reference training data: images" in line for line in lines_told)
