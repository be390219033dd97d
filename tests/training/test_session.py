"""What a run consists of: its place in the data, its running means, and when callbacks are due."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from support.toys import ToySource, gan_table, recipe_of, runner_of

from ganforge.api.data import Batch, DataSpec, to_device
from ganforge.api.game import Game
from ganforge.api.sampler import Sampler
from ganforge.storage import checkpoint
from ganforge.storage.checkpoint import list_checkpoints
from ganforge.tracking import NoTracker
from ganforge.training.assemble import assemble
from ganforge.training.callbacks.callback import Callback
from ganforge.training.callbacks.checkpoint import CheckpointCallback
from ganforge.training.loop import play_session
from ganforge.training.session import RunningMeans, Session

SPEC = DataSpec((1, 8, 8), 3)


class Silent:
    """Somebody who is told and says nothing."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.at: list[int] = []

    def progress(self, images: int) -> None:
        self.at.append(images)

    def values(self, images: int, values) -> None:
        pass

    def say(self, text: str) -> None:
        self.said.append(text)

    def finding(self, images: int, finding) -> None:
        self.said.append(f"{images}: {finding.name}")


def session_of(folder: Path, **changes: object) -> tuple[Session, list[Callback]]:
    recipe = recipe_of(gan_table(), **{"run__images": 100, "checkpoints__every_images": 32, **changes})
    source = ToySource(SPEC)
    return assemble(
        recipe, Accelerator(cpu=True), source, folder=folder, cache=folder, tracker=NoTracker(), reporter=Silent()
    )


class Noting(Callback):
    def __init__(self, every_images: int | None, **options: bool) -> None:
        super().__init__(every_images, **options)
        self.begun, self.ran = 0, []

    def begin(self, session: Session) -> None:
        self.begun += 1

    def run(self, session: Session) -> None:
        self.ran.append(session.images)


@pytest.mark.parametrize(
    ("every", "options", "expected"),
    [
        (16, {}, [16, 32, 48, 64, 80, 96, 112]),
        (32, {}, [32, 64, 96, 112]),
        (40, {}, [48, 80, 112]),
        (None, {}, [112]),
        (64, {"at_end": False}, [64]),
        (None, {"at_end": False}, []),
        (1, {}, [16, 32, 48, 64, 80, 96, 112]),
    ],
)
def test_tasks_are_due_when_a_multiple_was_passed_and_at_the_end(tmp_path: Path, every, options, expected):
    session, _ = session_of(tmp_path)
    callback = Noting(every, **options)
    assert play_session(session, [callback], lambda: False) is True
    assert callback.ran == expected
    assert callback.begun == 1
    assert session.reporter.at == list(range(16, 128, 16)), "100 images are shown in 7 rounds of 16"


def test_a_stop_between_rounds_saves_first(tmp_path: Path):
    session, callbacks = session_of(tmp_path, checkpoints__every_images=1_000)
    assert play_session(session, callbacks, lambda: session.images >= 48) is False
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["images-000000000048"]


def test_a_stop_does_not_save_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    session, callbacks = session_of(tmp_path)
    saves: list[int] = []
    monkeypatch.setattr(CheckpointCallback, "run", lambda self, session: saves.append(session.images))
    play_session(session, callbacks, lambda: session.images >= 64)
    assert saves == [32, 64]


def test_some_checkpoints_are_kept_for_good(tmp_path: Path):
    session, callbacks = session_of(tmp_path, checkpoints__every_images=16, checkpoints__for_good_every_images=40)
    assert play_session(session, callbacks, lambda: False) is True
    assert [path.name[-3:] for path in list_checkpoints(tmp_path / "checkpoints")] == ["048", "080", "096", "112"]


def test_a_stop_before_the_first_round_leaves_all_as_it_is(tmp_path: Path):
    session, callbacks = session_of(tmp_path)
    assert play_session(session, callbacks, lambda: True) is False
    assert session.images == 0
    assert not (tmp_path / "checkpoints").exists()


def test_what_the_disk_refuses_beside_the_checkpoint_is_said_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused(*arguments: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    session, callbacks = session_of(tmp_path)
    monkeypatch.setattr(checkpoint, "_delete_checkpoint", refused)
    monkeypatch.setattr(Image.Image, "save", refused)
    assert play_session(session, callbacks, lambda: False) is True
    said = "\n".join(session.reporter.said)
    assert f"an old checkpoint in {tmp_path / 'checkpoints'} could not be deleted ([Errno 28] No space" in said
    assert f"the picture {tmp_path / 'grids' / 'images-000000000112.png'} could not be written (No space" in said
    assert [path.name[-3:] for path in list_checkpoints(tmp_path / "checkpoints")] == ["032", "064", "096", "112"]


def test_batches_follow_the_sampler(tmp_path: Path):
    session, _ = session_of(tmp_path)
    session.runner.images = 48
    batch = session.next_batch()
    expected = session.source.batch(Sampler(3, len(session.source)).at(48, 16))
    assert torch.equal(batch["label"], expected["label"])
    torch.testing.assert_close(batch["image"], expected["image"].float() / 127.5 - 1)


def test_a_run_changes_its_batch_and_leaves_no_sample_out(tmp_path: Path):
    session, _ = session_of(
        tmp_path, run__images=60, run__batches=[{"after_images": 30, "batch": 8}, {"after_images": 48, "batch": 4}]
    )
    order, labels = Sampler(3, len(session.source)), []
    keep = session.source.batch
    session.source.batch = lambda indices: labels.append(list(indices)) or keep(indices)
    assert play_session(session, [], lambda: False) is True
    assert [len(rows) for rows in labels] == [16, 16, 8, 8, 4, 4, 4]
    assert [index for rows in labels for index in rows] == list(order.at(0, 60))


def test_place():
    images = torch.tensor([[[[0, 255], [51, 204]]]], dtype=torch.uint8).expand(2, 3, 2, 2)
    placed = to_device({"image": images, "label": torch.tensor([1, 2])}, torch.device("cpu"))
    assert placed["image"].is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(placed["image"][0, 0], torch.tensor([[-1.0, 1.0], [-0.6, 0.6]]))
    assert placed["label"].dtype == torch.int64


def test_the_ledger_means_what_each_name_was_reported_as():
    running = RunningMeans()
    running.note({"always": torch.tensor(1.0), "seldom": torch.tensor(5.0)})
    running.note({"always": torch.tensor(2.0)})
    running.note({})
    running.note({"always": torch.tensor(6.0)})
    assert {name: value.item() for name, value in running.means().items()} == {"always": 3.0, "seldom": 5.0}


def test_state_and_restore(tmp_path: Path):
    one, _ = session_of(tmp_path)
    for _ in range(3):
        one.running_means.note(one.runner.play_round(one.next_batch()))
    one.metrics, one.best, one.findings = {"fid": 3.0}, (3.0, 32), ["odd"]
    two, _ = session_of(tmp_path)
    tensors, facts = one.state()
    two.restore({path: tensor.clone() for path, tensor in tensors.items()}, {**facts, "best": [3.0, 32]})
    assert (two.metrics, two.best, two.findings, two.images) == ({"fid": 3.0}, (3.0, 32), ["odd"], 48)
    assert {name: value.item() for name, value in two.running_means.means().items()} == {
        name: value.item() for name, value in one.running_means.means().items()
    }
    assert torch.equal(one.next_batch()["image"], two.next_batch()["image"])


def test_a_game_that_reads_what_the_data_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Game, "reads", frozenset({"image", "caption"}))
    with pytest.raises(ValueError, match=r"game 'gan' reads caption of each batch, and data 'digits' do not"):
        session_of(tmp_path)


def test_tasks_come_in_an_order_that_lets_each_see_what_it_needs(tmp_path: Path):
    _, callbacks = session_of(tmp_path, metrics=[{"kind": "pixel-variance"}], monitors=["discriminator-too-strong"])
    assert [type(callback).__name__ for callback in callbacks] == [
        "ProbeCallback",
        "LogCallback",
        "GridCallback",
        "EvaluationCallback",
        "WatchCallback",
        "CheckpointCallback",
    ]


def test_toy_source_is_as_a_source_should_be():
    batch: Batch = ToySource(SPEC).batch(np.arange(4))
    assert batch["image"].dtype == torch.uint8
    assert runner_of(gan_table(), SPEC).rows == 16
