"""The runner: turns in order, one reduction, guard before the step, averages swapped in and out."""

from __future__ import annotations

import pytest
import torch
from accelerate import Accelerator
from support.toys import ToySource, batches, gan_table, runner_of
from torch import Tensor, nn

from ganforge.api.data import DataSpec
from ganforge.api.dice import Dice
from ganforge.api.game import Game, PlayerRecipe, Turn
from ganforge.api.tally import Tally
from ganforge.builtin.optimizers.adam import Adam
from ganforge.errors import DivergedError
from ganforge.training.player import Player
from ganforge.training.runner import Runner, split_batch

SPEC = DataSpec((1, 8, 8))
BATCH = {"image": torch.ones(8, 1)}


class Duet(Game):
    """Two players with one weight each, who note when they are asked."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        self.dice, self.tally = Dice(), Tally()
        self.begun: list[int] = []
        self.asked: list[str] = []
        self.poison = False

    def turns(self) -> list[Turn]:
        return [
            Turn("first", "first", lambda batch: self.play("first", batch)),
            Turn("first/extra", "first", lambda batch: self.play("first", batch, "extra"), every=3, lazy=True),
            Turn("second", "second", lambda batch: self.play("second", batch), every=2, after_images=16),
        ]

    def play(self, name: str, batch, term: str = "main") -> dict[str, Tensor]:
        self.asked.append(f"{name}/{term}")
        self.tally.add(batch["image"])
        value = self.get_submodule(name)(batch["image"]).squeeze(1)
        return {term: value * float("nan") if self.poison else value, f"{term} 2": value.mean()}

    def sample(self, count: int, labels: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        return self.first(self.dice.normal(count, 1))

    def begin_round(self, images: int) -> None:
        self.begun.append(images)
        self.tally.take()

    def readings(self) -> dict[str, Tensor]:
        return {"seen": self.tally.count.clone()}


def duet(microbatches: int = 1) -> Runner:
    game = Duet()
    recipe = PlayerRecipe(optimizer=Adam(lr=0.1))
    players = {name: Player(name, game.get_submodule(name), recipe, 1.0) for name in ("first", "second")}
    return Runner(game, players, Accelerator(cpu=True), batch=8, microbatches=microbatches)


def test_turns_are_taken_when_due_and_in_order():
    runner = duet()
    for _ in range(5):
        runner.play_round(BATCH)
    assert runner.game.begun == [0, 8, 16, 24, 32]
    assert runner.game.asked == [
        *("first/main", "first/extra"),
        "first/main",
        *("first/main", "second/main"),
        *("first/main", "first/extra"),
        *("first/main", "second/main"),
    ]
    assert (runner.round, runner.images) == (5, 40)


def test_the_report_has_each_term_unweighted_the_norm_and_the_readings():
    runner = duet()
    weight = runner.game.first.weight.item()
    report = runner.play_round(BATCH)
    assert set(report) == {
        *("first/main", "first/main 2", "first/gradient_norm"),
        *("first/extra", "first/extra 2", "first/extra/gradient_norm", "seen"),
    }
    assert report["first/main"].item() == pytest.approx(weight)
    assert report["first/gradient_norm"].item() == pytest.approx(2.0)
    assert report["first/extra/gradient_norm"].item() == pytest.approx(6.0), "a lazy turn's gain is in its gradient"
    assert report["first/extra"].item() == pytest.approx(weight - 0.1, abs=1e-4), "after a step"
    assert report["seen"].item() == 16, "two turns of eight"
    assert not any(value.requires_grad for value in report.values())


def test_microbatches_share_out_the_batch():
    whole, parts = duet().play_round(BATCH), duet(4).play_round(BATCH)
    assert parts["first/gradient_norm"].item() == pytest.approx(whole["first/gradient_norm"].item())
    assert parts["seen"].item() == 16


def test_what_is_not_finite_is_not_taken():
    runner = duet()
    runner.play_round(BATCH)
    before = {name: value.clone() for name, value in runner.state()[0].items() if "tally" not in name}
    runner.game.poison = True
    with pytest.raises(DivergedError) as error:
        runner.play_round(BATCH)
    for part in ("after 8 images shown (round 1)", "turn 'first'", "first/main = nan", "first.weight", "not taken"):
        assert part in str(error.value)
    assert error.value.exit_code == 3
    after = runner.state()[0]
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_averaged_weights_are_swapped_in_and_out():
    runner = runner_of(gan_table(), SPEC)
    for batch in batches(runner, ToySource(SPEC), 3):
        runner.play_round(batch)
    live = runner.game.generator
    runner.game.discriminator.eval()  # a mode that somebody chose stays
    with runner.averaged() as game:
        assert game.generator is runner.players["generator"].ema.average
        assert not any(module.training for module in game.modules())
    assert runner.game.generator is live
    assert live.training
    assert not runner.game.discriminator.training
    with pytest.raises(RuntimeError, match="oh"), runner.averaged():
        raise RuntimeError("oh")
    assert runner.game.generator is live, "also when something went wrong"


def test_chance_depends_on_the_turn_and_the_images_shown():
    runner = duet()
    drawn = []
    for purpose, images in (("first", 0), ("second", 0), ("first", 8), ("first", 0)):
        runner.images = images
        runner._roll(purpose, 0)
        drawn.append((runner.game.dice.normal(8, 1), torch.rand(3)))
    for numbers in zip(*drawn, strict=True):
        assert torch.equal(numbers[0], numbers[3])
        assert not torch.equal(numbers[0], numbers[1])
        assert not torch.equal(numbers[0], numbers[2])


def test_opponents_get_no_gradients():
    """They cost a backward through their weights otherwise."""
    runner = runner_of(gan_table(), SPEC)
    (batch,) = batches(runner, ToySource(SPEC), 1)
    generator_turn = runner.turns[-1]
    runner.take(generator_turn, batch)
    assert all(parameter.grad is None for parameter in runner.game.discriminator.parameters())


def test_split_keeps_entries_together():
    batch = {"image": torch.arange(8).view(8, 1), "label": torch.arange(8)}
    parts = list(split_batch(batch, 4))
    assert [part["label"].tolist() for part in parts] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert all(torch.equal(part["image"].squeeze(1), part["label"]) for part in parts)


def test_the_runner_itself_reads_no_number_off_the_device(monkeypatch: pytest.MonkeyPatch):
    """But for the guard, once a turn."""
    runner = duet()
    runner.play_round(BATCH)
    read: list[str] = []
    for name in ("item", "tolist", "numpy"):
        monkeypatch.setattr(Tensor, name, lambda self, name=name: read.append(name))
    runner.play_round(BATCH)
    assert read == []


def test_the_batch_follows_the_images_shown():
    runner = duet()
    runner.batches = ((0, 8), (10, 2), (20, 4))
    batches_, shown = [], []
    for _ in range(6):
        batches_.append((runner.batch, runner.rows, runner.starts[0]))
        shown.append(runner.images)
        runner.play_round({"image": torch.ones(runner.rows, 1)})
    assert shown == [0, 8, 16, 18, 20, 24], "a batch holds from the first round on that begins after so many images"
    assert batches_ == [(8, 8, 0), (8, 8, 0), (2, 2, 0), (2, 2, 0), (4, 4, 0), (4, 4, 0)]


def test_averages_follow_the_images_of_their_round():
    """The last round with the old batch still counts as so many images."""
    runner = runner_of(gan_table(), SPEC, batch=8)
    runner.batches = ((0, 8), (8, 2))
    ema, seen = runner.players["generator"].ema, []
    ema.update = lambda images, batch: seen.append((images, batch))
    for rows in (8, 2, 2):
        runner.play_round({"image": torch.zeros(rows, 1, 8, 8)})
    assert seen == [(8, 8), (10, 2), (12, 2)]
