"""`ganforge run` as a person meets it: new runs, typos, Ctrl-C, kills, resuming, divergence."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
import torch
from support.forks import Forked
from support.ring import ring_recipe

from ganforge.cli import main
from ganforge.storage.checkpoint import list_checkpoints, load_checkpoint, load_newest

RECIPE = ring_recipe(
    seed=1,
    images=512,
    batch=32,
    log_every=128,
    grid=8,
    grid_every=256,
    checkpoint_every=128,
    width=16,
    lr=2e-3,
    ema=100,
    more="""
[[game.discriminator.regularizers]]
kind = "r1"
every = 3
""",
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a recipe in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANFORGE_PLUGINS", "")
    (tmp_path / "ring.toml").write_text(RECIPE)
    return tmp_path


def ganforge(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["run", "--device", "cpu", *arguments])
    return int(ended.value.code or 0)


def state(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_newest(folder / "checkpoints")[0].tensors)


def assert_same_bits(one: Path, two: Path) -> None:
    first, second = state(one), state(two)
    assert first.keys() == second.keys()
    assert [path for path in first if not torch.equal(first[path], second[path])] == []


def shown(folder: Path) -> list[int]:
    """The images shown at each log line."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["images"] for line in lines if "images" in line]


def test_a_run_leaves_what_it_promises_and_says_where(here: Path, capsys: pytest.CaptureFixture[str]):
    assert ganforge("ring.toml") == 0
    out, err = capsys.readouterr()
    assert out.strip() == "runs/ring", "data on stdout: the folder, for scripts"
    folder = here / "runs" / "ring"
    assert (folder / "grids" / "images-000000000512.png").exists()
    assert (folder / "recipe.toml").exists()
    assert list_checkpoints(folder / "checkpoints")[-1].name == "images-000000000512"
    for said in ("finished: 512 of 512 images", "runs/ring/metrics.jsonl", "grids/images-000000000512.png", "ganforge"):
        assert said in err


def test_quiet_says_nothing_but_the_folder(here: Path, capsys: pytest.CaptureFixture[str]):
    assert ganforge("ring.toml", "--quiet") == 0
    assert capsys.readouterr() == ("runs/ring\n", "")


def test_a_second_run_gets_a_folder_of_its_own(here: Path, capsys: pytest.CaptureFixture[str]):
    assert [ganforge("ring.toml"), ganforge("ring.toml")] == [0, 0]
    out, err = capsys.readouterr()
    assert out.split() == ["runs/ring", "runs/ring-2"]
    assert "--resume" in err
    assert_same_bits(here / "runs" / "ring", here / "runs" / "ring-2")


def test_a_folder_that_is_taken_is_refused(here: Path, capsys: pytest.CaptureFixture[str]):
    assert ganforge("ring.toml", "--out", "mine") == 0
    before = state(here / "mine")
    assert ganforge("ring.toml", "--out", "mine", "--set", "seed=2") != 0
    assert "--resume" in capsys.readouterr().err
    after = state(here / "mine")
    assert all(torch.equal(before[path], after[path]) for path in before), "nothing was overwritten"


@pytest.mark.parametrize("cut", [128, 224, 384])
def test_resumed_equals_uninterrupted(here: Path, cut: int):
    assert ganforge("ring.toml", "--out", "whole", "--quiet") == 0
    assert ganforge("ring.toml", "--out", "cut", "--quiet", "--set", f"run.images={cut}") == 0
    assert ganforge("ring.toml", "--out", "cut", "--quiet", "--resume") == 0
    assert_same_bits(here / "whole", here / "cut")
    assert sorted(set(shown(here / "cut"))) == sorted({*shown(here / "whole"), cut})


def test_resume_takes_the_newest_run(here: Path, capsys: pytest.CaptureFixture[str]):
    for _ in range(2):
        ganforge("ring.toml", "--quiet", "--set", "run.images=128")
    assert ganforge("ring.toml", "--resume") == 0
    assert capsys.readouterr().out.split()[-1] == "runs/ring-2"
    assert list_checkpoints(here / "runs" / "ring-2" / "checkpoints")[-1].name == "images-000000000512"


def test_resume_by_the_folder_alone(here: Path):
    ganforge("ring.toml", "--quiet", "--set", "run.images=128")
    assert ganforge("runs/ring", "--resume", "--set", "run.images=256") == 0
    assert list_checkpoints(here / "runs" / "ring" / "checkpoints")[-1].name == "images-000000000256"


def test_resume_passes_over_a_damaged_checkpoint_and_says_so(here: Path, capsys: pytest.CaptureFixture[str]):
    ganforge("ring.toml", "--out", "whole", "--quiet")
    ganforge("ring.toml", "--out", "cut", "--quiet", "--set", "run.images=256")
    newest = list_checkpoints(here / "cut" / "checkpoints")[-1] / "tensors.safetensors"
    damaged = bytearray(newest.read_bytes())
    damaged[-5] ^= 1
    newest.write_bytes(damaged)
    capsys.readouterr()
    assert ganforge("ring.toml", "--out", "cut", "--resume") == 0
    err = capsys.readouterr().err.replace("\n", " ")
    assert "passed over" in err
    assert "SHA-256" in err
    assert "resumed at 128 images" in err
    assert_same_bits(here / "whole", here / "cut")


def test_resume_with_another_recipe_is_refused(here: Path, capsys: pytest.CaptureFixture[str]):
    ganforge("ring.toml", "--out", "mine", "--quiet")
    override = "game.generator.network.width=24"
    assert ganforge("ring.toml", "--out", "mine", "--resume", "--set", override) == 1
    assert "does not fit this recipe" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["ring.toml", "--resume"], ["ring.toml", "--resume", "--out", "nowhere"]])
def test_nothing_to_resume(here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]):
    assert ganforge(*arguments) == 1
    assert "start one without --resume" in capsys.readouterr().err
    assert not (here / "runs").exists()
    assert not (here / "nowhere").exists()


def test_typos_are_usage_errors_and_leave_nothing(here: Path, capsys: pytest.CaptureFixture[str]):
    assert ganforge("rings.toml") == 2
    assert "rings.toml" in capsys.readouterr().err
    assert ganforge("ring.toml", "--set", "run.imgaes=3") == 2
    assert "images" in capsys.readouterr().err
    assert ganforge("ring.toml", "--set", 'game.loss="hinje"') == 2
    assert "did you mean 'hinge'" in capsys.readouterr().err
    assert ganforge("ring.toml", "--devise", "cpu") == 2
    assert not (here / "runs").exists()


def test_dry_run_writes_nothing(here: Path, capsys: pytest.CaptureFixture[str]):
    assert ganforge("ring.toml", "--dry-run") == 0
    assert "is in order" in capsys.readouterr().out
    assert sorted(path.name for path in here.iterdir()) in (["cache", "ring.toml"], ["ring.toml"])


def test_divergence_has_its_own_exit_code(here: Path, capsys: pytest.CaptureFixture[str]):
    assert ganforge("ring.toml", "--set", "game.discriminator.optimizer.lr=1e30", "--quiet") == 3
    err = capsys.readouterr().err.replace("\n", " ")
    assert "is not finite" in err
    assert "the step was not taken" in err


ENDLESS = ("--set", "run.images=100_000_000", "--set", "checkpoints.every_images=1_000")


def start(here: Path) -> Forked:
    """Start a run that would take for ever, and wait until it has saved a checkpoint."""
    process = Forked(["run", "ring.toml", "--out", "cut", "--device", "cpu", *ENDLESS], here)
    process.wait_for(lambda: list_checkpoints(here / "cut" / "checkpoints"))
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_it_with_a_checkpoint(here: Path, number: signal.Signals, code: int):
    process = start(here)
    process.send(number)
    assert process.wait(60) == code
    err = process.said
    assert "stopping after this round" in err
    assert "ganforge run cut --resume" in err
    assert "Traceback" not in err
    _, newest, passed_over = load_newest(here / "cut" / "checkpoints")
    assert passed_over == []
    end = (int(newest.name[7:]) // 32 + 3) * 32
    assert ganforge("cut", "--resume", "--quiet", "--set", f"run.images={end}") == 0
    assert ganforge("cut", "--out", "whole", "--quiet", "--set", f"run.images={end}") == 0
    assert_same_bits(here / "whole", here / "cut")


def test_a_killed_run_can_be_resumed(here: Path):
    process = start(here)
    time.sleep(0.3)
    process.send(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    for path in list_checkpoints(here / "cut" / "checkpoints"):
        load_checkpoint(path)
    _, newest, _ = load_newest(here / "cut" / "checkpoints")
    end = int(newest.name[7:]) + 320
    assert ganforge("cut", "--resume", "--quiet", "--set", f"run.images={end}") == 0
    assert ganforge("cut", "--out", "whole", "--quiet", "--set", f"run.images={end}") == 0
    assert_same_bits(here / "whole", here / "cut")
    assert len(set(shown(here / "cut"))) == len(shown(here / "cut")), "no line is there twice"
