"""The probe reads off what is there, and the run does not notice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from support.toys import ToySource, gan_table, recipe_of

from ganforge.api.data import DataSpec
from ganforge.builtin.games.parts.score_statistics import ScoreStatistics
from ganforge.tracking import RunFolder, read_lines
from ganforge.training.assemble import assemble
from ganforge.training.callbacks.callback import Callback
from ganforge.training.callbacks.probe import LEAST, ProbeCallback, overfit_reading, probe_labels
from ganforge.training.loop import play_session
from ganforge.training.reporter import SilentReporter
from ganforge.training.session import Session

SPEC = DataSpec((1, 8, 8), 3)


def session_of(folder: Path, **changes: Any) -> tuple[Session, list[Callback]]:
    settings = {"run__images": 128, "run__log_every_images": 32}
    session, callbacks = assemble(
        recipe_of(gan_table(), **{**settings, **changes}),
        Accelerator(cpu=True),
        ToySource(SPEC),
        folder=folder,
        cache=folder,
        tracker=RunFolder(folder),
        reporter=SilentReporter(),
    )
    return session, callbacks


def test_every_line_has_its_readings_and_the_first_one_those_of_the_data(tmp_path: Path):
    session, callbacks = session_of(tmp_path)
    play_session(session, callbacks, lambda: False)
    first, *others = read_lines(tmp_path / "metrics.jsonl")
    assert (first["images"], [line["images"] for line in others]) == (0, [32, 64, 96, 128])
    assert first["values"]["data/count"] == 100
    assert first["values"]["data/classes_seen"] == 3
    grid = {name.removeprefix("grid/") for name in first["values"] if name.startswith("grid/")}
    assert {"mean", "min", "max", "contrast", "variance", "distance", "nearest", "duplicates", "roughness"} <= grid
    assert {name.removeprefix("real/") for name in first["values"] if name.startswith("real/")} == grid
    scores = ("real_score", "fake_score", "real_score_std", "fake_score_std", "separation")
    for line in others:
        names = set(line["values"])
        assert {f"grid/{name}" for name in grid} <= names
        assert {"weights/generator_moved", "weights/discriminator_moved"} <= names
        assert {f"discriminator/{name}" for name in scores} <= names
        assert not any(name.startswith(("real/", "data/")) for name in names)
        assert line["values"]["weights/generator_moved"] > 0


def test_the_run_does_not_notice(tmp_path: Path):
    one, callbacks = session_of(tmp_path / "one")
    play_session(one, callbacks, lambda: False)
    two, callbacks = session_of(tmp_path / "two", diagnosis__samples=0)
    play_session(two, [callback for callback in callbacks if not isinstance(callback, ProbeCallback)], lambda: False)
    left, right = one.runner.state()[0], two.runner.state()[0]
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_a_player_that_stands_still(tmp_path: Path):
    session, callbacks = session_of(tmp_path)
    session.runner.players["generator"].step = lambda *_: None
    play_session(session, callbacks, lambda: False)
    line = read_lines(tmp_path / "metrics.jsonl")[-1]["values"]
    assert line["weights/generator_moved"] == 0
    assert line["weights/discriminator_moved"] > 0


@pytest.mark.parametrize(
    ("samples", "every", "batch", "expected"),
    [(64, 1_000, 16, 50), (64, 10_000, 16, 64), (64, 32, 16, LEAST), (8, 32, 16, 8), (64, 32, 1_024, 51)],
)
def test_few_samples_where_lines_are_close(tmp_path: Path, samples, every, batch, expected):
    session, _ = session_of(tmp_path, run__batch=batch)
    assert ProbeCallback(every, samples).count(session) == expected


def test_labels_to_draw_by():
    assert probe_labels(DataSpec((1, 8, 8)), 8) is None
    assert probe_labels(DataSpec((1, 8, 8), 3), 12).tolist() == [0, 1, 2] * 4
    assert probe_labels(DataSpec((1, 8, 8), 1_000), 16).tolist() == [0, 250, 500, 750] * 4
    conditions = probe_labels(DataSpec((1, 8, 8), conditions=2), 500)
    assert conditions.shape == (500, 2)
    assert conditions.dtype == torch.float32
    assert -1 <= conditions.min() < -0.9 < 0.9 < conditions.max() <= 1


def test_readings_of_scores_by_brute_force():
    real, fake = torch.tensor([[1.0], [2.0], [0.0], [3.0]]), torch.tensor([[1.0], [0.0], [5.0], [2.0]])

    class Duel:
        real_logits, fake_logits = real, fake

    scores = ScoreStatistics()
    scores.observe(Duel())
    scores.settle(scores.pending)
    assert {name: float(value) for name, value in scores.readings().items()} == {
        "discriminator/separation": pytest.approx((0.5 + 1 + 0 + 1) / 4),
        "discriminator/real_score": 1.5,
        "discriminator/fake_score": 2.0,
        "discriminator/real_score_std": pytest.approx(real.std(unbiased=False).item()),
        "discriminator/fake_score_std": pytest.approx(fake.std(unbiased=False).item()),
    }


def test_held_out_samples_that_look_half_as_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    session, _ = session_of(tmp_path)
    held_out = ToySource(SPEC, 40)
    held_out.samples[:] = 128
    unseen = held_out.batch(torch.arange(1).numpy())["image"].float().mean() / 127.5 - 1

    def score(samples, labels=None):
        if torch.allclose(samples.mean(), unseen, atol=1e-6):
            return torch.full((len(samples),), 2.0)
        return torch.full((len(samples),), 3.0 if bool((samples.abs() > 0.99).any()) else -1.0)

    monkeypatch.setattr(session.runner.game, "score", score)
    assert overfit_reading(session, held_out, 16) == {"discriminator/overfit": pytest.approx((3 - 2) / (3 + 1))}
    monkeypatch.setattr(session.runner.game, "score", lambda samples, labels=None: samples.flatten(1).mean(1) * 0)
    assert overfit_reading(session, held_out, 16) == {}, "a discriminator that tells nothing apart has no such number"


def test_a_real_discriminator_scores_held_out_samples(tmp_path: Path):
    session, _ = session_of(tmp_path)
    batch = session.next_batch()
    assert session.runner.game.score(batch["image"], batch["label"]).shape[0] == 16


def test_the_scores_of_a_round_are_in_no_checkpoint(tmp_path: Path):
    session, _ = session_of(tmp_path)
    tensors, facts = session.state()
    assert "game/scores.settled" not in tensors
    with pytest.raises(RuntimeError, match=r"Unexpected key.*odd\.settled"):
        session.restore({**tensors, "game/odd.settled": torch.zeros(2)}, facts)
