"""Memory that runs out: one text says where, how much was asked for, and what to paste; nothing is lost.

PyTorch's allocator on the CPU, NumPy's, and the system's limit of a process fail here for real. There is no GPU: its
error is made, in PyTorch's own words.
"""

from __future__ import annotations

import errno
import json
import multiprocessing
import re
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from support.ring import ring_recipe
from support.toys import gan_table, runner_of

from ganforge.api.data import DataSpec
from ganforge.builtin.data.gaussians import GaussianSource, Ring
from ganforge.builtin.metrics.mode_coverage import ModeCoverage
from ganforge.builtin.networks.mlp import MlpGenerator, MlpGeneratorNetwork
from ganforge.cli import main
from ganforge.diagnosis.memory import shortage_of
from ganforge.storage.checkpoint import list_checkpoints, load_newest
from ganforge.training.out_of_memory import microbatch_candidates

RECIPE = ring_recipe(
    images=128,
    batch=16,
    log_every=16,
    grid=8,
    grid_every=32,
    checkpoint_every=16,
    watched=6,
    width=16,
    more="""
[[metrics]]
kind = "mode-coverage"
samples = 100
every_images = 32
""",
)
CUDA = (
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.2 GiB is free. "
    "Including non-PyTorch memory, this process has 77.91 GiB memory in use."
)
OUT = Path("out")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANFORGE_PLUGINS", "")
    monkeypatch.setattr("ganforge.training.run.keep_freed_memory", lambda: True)
    Path("ring.toml").write_text(RECIPE)


def ganforge(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def run(*more: str) -> int:
    return ganforge("run", "ring.toml", "--out", "out", "--device", "cpu", "--quiet", *more)


def tries(said: str) -> list[str]:
    return re.findall(r"^  try --set (\S+)   # \w", said, re.MULTILINE)


def failed_and_kept(said: str) -> None:
    """See that the run failed in one text, and that its newest checkpoint is whole and named."""
    record = json.loads((OUT / "run.json").read_text())
    assert record["status"] == "failed"
    assert record["reason"] == said.removeprefix("error: ").partition("\n")[0]
    images = load_newest(OUT / "checkpoints")[0].facts["images"]
    assert f"ganforge run {OUT} --resume" in said
    assert images in (16, 32)
    assert "Traceback" not in said
    assert (OUT / "traceback.txt").exists()


def crowded(monkeypatch: pytest.MonkeyPatch, rows: int, fail: Callable[[], object]) -> None:
    """Let the generator need more than there is where it is trained on more than `rows` samples at once."""
    before = MlpGeneratorNetwork.forward

    def forward(self, latents, labels=None):
        if torch.is_grad_enabled() and len(latents) > rows and list_checkpoints(OUT / "checkpoints"):
            fail()
        return before(self, latents, labels)

    monkeypatch.setattr(MlpGeneratorNetwork, "forward", forward)


def torch_asks() -> None:
    torch.empty(2**52)  # 16 PiB


def numpy_asks() -> None:
    np.empty(2**57)  # 1 EiB


def cuda_asks() -> None:
    raise torch.OutOfMemoryError(CUDA)


def test_in_a_turn_on_a_cpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    crowded(monkeypatch, 4, torch_asks)
    assert run() == 5
    said = capsys.readouterr().err
    assert said.startswith(
        "error: out of memory on the CPU: 16 PiB more were asked for, in turn 'generator' after 16 images shown "
        "(round 1), at 'generator' (MlpGeneratorNetwork)\n"
    )
    failed_and_kept(said)
    assert tries(said) == ["run.microbatches=2", "run.batch=8", "game.generator.network.width=8"]
    assert "results stay the same" in said
    assert run("--resume", "--set", tries(said)[0]) == 5  # 8 at a time are still too many
    again = capsys.readouterr().err
    assert tries(again)[0] == "run.microbatches=4"
    command = re.search(r"ganforge (run out --resume --set \S+)$", again, re.MULTILINE)
    assert command is not None, "the command is there to be pasted"
    assert ganforge(*command[1].split(), "--device", "cpu", "--quiet") == 0
    assert json.loads((OUT / "run.json").read_text())["status"] == "finished"


def test_on_a_gpu_the_number_that_fits_is_found_by_trying(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("ganforge.training.out_of_memory.on_gpu", lambda runner: True)
    crowded(monkeypatch, 2, cuda_asks)
    assert run() == 5
    said = capsys.readouterr().err
    assert "out of memory on the GPU: 2.5 GiB more were asked for, in turn 'generator'" in said
    assert tries(said)[:2] == ["run.microbatches=8", "run.precision=bf16"]
    assert "tried here, and 8 fit" in said
    failed_and_kept(said)
    before = list_checkpoints(OUT / "checkpoints")[-1].joinpath("tensors.safetensors").read_bytes()
    assert run("--resume", "--set", "run.microbatches=8") == 0
    assert len(before) > 0


def test_on_a_gpu_where_nothing_fits(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("ganforge.training.out_of_memory.on_gpu", lambda runner: True)
    crowded(monkeypatch, 0, cuda_asks)
    assert run() == 5
    said = capsys.readouterr().err
    assert tries(said)[0] == "run.microbatches=16"
    assert "tried here: it is not enough" in said
    failed_and_kept(said)


@pytest.mark.parametrize("fail", [torch_asks, numpy_asks], ids=["torch", "numpy"])
@pytest.mark.parametrize(
    ("place", "method", "where", "remedy"),
    [
        (GaussianSource, "batch", "while a batch was read", "run.batch=8"),
        (ModeCoverage, "measure", "while metrics were measured", "metrics.0.samples=50"),
        (GaussianSource, "show", "while the grid was drawn", "grid.samples=4"),
    ],
    ids=["reading", "evaluation", "grid"],
)
def test_between_turns(
    place: type,
    method: str,
    where: str,
    remedy: str,
    fail: Callable[[], object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    before = getattr(place, method)

    def crowd(self, *arguments):
        if list_checkpoints(OUT / "checkpoints"):
            fail()
        return before(self, *arguments)

    monkeypatch.setattr(place, method, crowd)
    assert run() == 5
    said = capsys.readouterr().err
    assert re.match(rf"error: out of memory on the CPU: (16 PiB|1 EiB) more were asked for, {where}", said)
    assert tries(said)[0] == remedy
    assert ("neither run.microbatches nor a smaller run.batch would change that" in said) == (method != "batch")
    failed_and_kept(said)


def test_in_a_probe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    before = torch.cdist

    def crowd(*arguments, **named):
        if list_checkpoints(OUT / "checkpoints"):
            torch_asks()
        return before(*arguments, **named)

    monkeypatch.setattr("ganforge.diagnosis.readings.torch.cdist", crowd)
    assert run("--set", "metrics=[]", "--set", "grid.every_images=1000") == 5
    said = capsys.readouterr().err
    assert "while readings were taken" in said
    assert tries(said)[0] == "diagnosis.samples=3"
    failed_and_kept(said)


@pytest.mark.parametrize(
    ("place", "method", "where"),
    [(MlpGenerator, "build", "while the game was built"), (Ring, "open", "while the data were opened")],
)
def test_before_there_is_a_run(
    place: type, method: str, where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(place, method, lambda self, _: numpy_asks())
    assert run() == 5
    said = capsys.readouterr().err
    assert f"out of memory on the CPU: 1 EiB more were asked for, {where}; neither run.microbatches" in said
    assert tries(said) == ["game.generator.network.width=8", "game.discriminator.network.width=8"]
    assert not OUT.exists()


def test_in_other_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    assert run("--set", "run.images=16") == 0
    capsys.readouterr()
    monkeypatch.setattr(MlpGeneratorNetwork, "forward", lambda *_: torch_asks())
    assert ganforge("sample", "out", "--samples", "4", "--device", "cpu") == 5
    assert "out of memory on the CPU: 16 PiB more were asked for" in capsys.readouterr().err


def test_a_check_says_what_helps(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Nothing was played yet: here it is found out whether a recipe fits."""
    monkeypatch.setattr(MlpGeneratorNetwork, "forward", lambda *_: torch_asks())
    assert ganforge("check", "ring.toml", "--device", "cpu") == 5
    said = capsys.readouterr().err
    assert "out of memory on the CPU: 16 PiB more were asked for, in turn 'discriminator'" in said
    assert tries(said) == ["run.microbatches=2", "run.batch=8", "game.generator.network.width=8"]  # whose layer it was


def _limited(folder: Path, report: Path) -> None:
    """Play in a process that may take a gigabyte more than it has."""
    sizes = Path("/proc/self/statm").read_text().split()
    resource.setrlimit(resource.RLIMIT_AS, (int(sizes[0]) * 4096 + 2**30, resource.RLIM_INFINITY))
    code = ganforge(
        *("run", str(folder / "ring.toml"), "--out", str(report), "--device", "cpu", "--quiet"),
        *("--set", "run.batch=1048576", "--set", "game.generator.network.width=1024", "--set", "run.images=2097152"),
        *("--set", "metrics=[]"),
    )
    raise SystemExit(code)


def test_a_limit_of_the_system(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    child = multiprocessing.get_context("fork").Process(target=_limited, args=(tmp_path, tmp_path / "limited"))
    child.start()
    child.join(60)
    said = capfd.readouterr().err
    assert child.exitcode == 5, said
    assert re.search(r"out of memory on the CPU: 4 GiB more were asked for, in turn 'discriminator' after 0 ", said), (
        said
    )
    assert "'generator" in said
    assert tries(said)[0] == "run.microbatches=2"
    assert json.loads((tmp_path / "limited" / "run.json").read_text())["status"] == "failed"


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (torch.OutOfMemoryError(CUDA), "out of memory on the GPU: 2.5 GiB more were asked for"),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be"), "out of memory on the GPU"),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
            "out of memory on the GPU",
        ),
        (RuntimeError("std::bad_alloc"), "out of memory on the CPU"),
        (MemoryError(), "out of memory on the CPU"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "out of memory on the CPU"),
        (OSError(errno.ENOSPC, "No space left on device"), None),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), None),
        (ValueError("out of memory"), None),
    ],
)
def test_what_counts_as_a_shortage(error: BaseException, found: str | None):
    assert shortage_of(error) == found


def test_what_allocators_say_is_read():
    for ask, size in ((torch_asks, "16 PiB"), (numpy_asks, "1 EiB")):
        with pytest.raises((RuntimeError, MemoryError)) as caught:
            ask()
        assert shortage_of(caught.value) == f"out of memory on the CPU: {size} more were asked for"


def test_groups_of_samples_stay_whole():
    spec = DataSpec((1, 8, 8))
    whole = runner_of(gan_table(), spec, batch=24, microbatches=2)
    assert microbatch_candidates(whole) == [3, 4, 6, 8, 12, 24]
    grouped = runner_of(
        gan_table(discriminator__network={"kind": "stylegan2", "channel_base": 64, "channel_max": 8, "group": 4}),
        spec,
        batch=24,
        microbatches=2,
    )
    assert microbatch_candidates(grouped) == [3, 6]
