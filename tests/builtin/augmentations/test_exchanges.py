"""APA and replay: which samples change places, with what chance, however the batch is split; instance noise."""

from __future__ import annotations

import copy

import pytest
import torch
from pydantic import ValidationError
from support.toys import ToySource, batches, gan_table, runner_of
from torch import Tensor

from ganforge.api.data import DataSpec
from ganforge.api.dice import Dice, Roll, roll_dice
from ganforge.api.schedule import set_clocks
from ganforge.api.tally import all_tallies
from ganforge.builtin.augmentations.apa import Apa, ApaNetwork
from ganforge.builtin.augmentations.instance_noise import InstanceNoise
from ganforge.builtin.augmentations.replay import Replay, ReplayNetwork
from ganforge.errors import DataError, RecipeError

POINTS, CLASSES, IMAGES = DataSpec((2,)), DataSpec((2,), 3), DataSpec((1, 8, 8))


def numbered(start: int, rows: int, sign: int = 1) -> Tensor:
    """Samples that say which they are: row i is [i, i] times the sign."""
    return (torch.arange(start, start + rows).float() * sign)[:, None].expand(rows, 2)


def settle(network: torch.nn.Module) -> None:
    for tally in all_tallies(network):
        tally.settle(tally.pending.clone())


def apa(**fields: object) -> ApaNetwork:
    built = Apa(**fields).build(POINTS)  # type: ignore[arg-type]
    assert isinstance(built, ApaNetwork)
    return built


def test_apa_replaces_real_samples_with_probability_p_by_generated_ones_of_their_row():
    network, rows = apa(p=0.3), 4000
    roll_dice(network, Roll(0, "test", rows=rows, total=rows))
    real, fake = numbered(1, rows), numbered(1, rows, -1)
    shown, generated = network.exchange(real, fake, None)
    replaced = (shown < 0).all(1)
    assert torch.equal(generated, fake)
    assert torch.equal(shown[replaced], fake[replaced])
    assert torch.equal(shown[~replaced], real[~replaced])
    assert replaced.float().mean().item() == pytest.approx(0.3, abs=5 * (0.21 / rows) ** 0.5), "five standard errors"
    assert network(real) is real, "samples themselves are left alone"


def test_apa_adapts_as_ada_does():
    network, images = apa(target=0.6, interval=2, speed_images=1000), 0
    for _ in range(5):
        network.begin_round(images)
        network.observe(torch.ones(25))  # the discriminator is sure: r_t = 1 > 0.6
        settle(network)
        images += 25
    assert network.readings()["pseudo/p"].item() == pytest.approx(0.1)
    for _ in range(20):
        network.begin_round(images)
        network.observe(-torch.ones(25))
        settle(network)
        images += 25
    assert network.readings()["pseudo/p"].item() == 0


def test_apa_is_the_same_for_a_split_batch():
    network = apa(p=0.5)

    def of(start: int, rows: int) -> Tensor:
        roll_dice(network, Roll(0, "test", start=start, rows=rows, total=64))
        return network.exchange(numbered(start, rows), numbered(start, rows, -1), None)[0]

    assert torch.equal(torch.cat([of(0, 16), of(16, 48)]), of(0, 64))


def replay(data: DataSpec = POINTS, **fields: object) -> ReplayNetwork:
    built = Replay(**fields).build(data)  # type: ignore[arg-type]
    assert isinstance(built, ReplayNetwork)
    return built


def play(network: ReplayNetwork, rounds: int, batch: int = 8, parts: int = 1, classes: int = 0) -> list[Tensor]:
    """Play rounds in which generated samples are numbered on; return what was shown as generated in each."""
    shown = []
    for index in range(rounds):
        pieces = []
        for part in range(parts):
            rows = batch // parts
            roll = Roll(3, "discriminator", index * batch, part * rows, rows, batch)
            roll_dice(network, roll)
            fake = numbered(1 + index * batch + part * rows, rows)
            labels = fake[:, 0].long() % classes if classes else None
            real, seen = network.exchange(-fake, fake, labels)
            assert torch.equal(real, -fake)
            pieces.append(seen)
        settle(network)
        shown.append(torch.cat(pieces))
    return shown


def held(network: ReplayNetwork) -> list[int]:
    return [int(sample[0]) for sample in network.pool[: int(network.held.values[0])]]


def test_the_pool_takes_the_first_rows_of_each_round_and_never_one_of_the_same_round():
    network = replay(slots=12, fresh=3, probability=1.0)
    first, second, third = play(network, 3)
    assert first[:, 0].tolist() == list(range(1, 9)), "the pool is empty"
    assert set(second[:, 0].tolist()) <= {1, 2, 3}
    assert set(third[:, 0].tolist()) <= {1, 2, 3, 9, 10, 11}
    assert held(network) == [1, 2, 3, 9, 10, 11]


def test_a_full_pool_forgets_at_random():
    network = replay(slots=8, fresh=4)
    play(network, 40)
    kept = held(network)
    assert len(set(kept)) == 8
    assert all((number - 1) % 8 < 4 for number in kept), "only the first four rows of a round enter"
    ages = sorted((39 * 8 - number) // 8 for number in kept)
    assert ages[0] <= 1
    assert ages[-1] >= 2, "not simply the last two rounds"
    assert len(network.pool) == 8


def test_the_share_that_comes_from_the_pool():
    network = replay(slots=64, fresh=64, probability=0.25)
    *_, last = play(network, 2, batch=2000)
    old = last[:, 0] <= 2000
    assert old.float().mean().item() == pytest.approx(0.25, abs=5 * (0.1875 / 2000) ** 0.5), "five standard errors"
    assert torch.equal(last[~old], numbered(2001, 2000)[~old])
    counts = torch.bincount(last[old][:, 0].long())[1:65].float()
    assert counts.min() > 0, "every slot is drawn"


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("classes", [0, 3])
def test_the_same_for_a_split_batch(parts: int, classes: int):
    data = CLASSES if classes else POINTS
    whole, split = replay(data, slots=10, fresh=5), replay(data, slots=10, fresh=5)
    for one, two in zip(
        play(whole, 6, batch=16, classes=classes), play(split, 6, batch=16, parts=parts, classes=classes), strict=True
    ):
        assert torch.equal(one, two)
    assert torch.equal(whole.pool, split.pool)
    assert held(whole) == held(split)


def test_processes_that_add_up_what_they_noted_have_the_same_pool():
    """Two of them with half a batch each, as the runner has them play."""
    alone = replay(slots=6, fresh=6)
    play(alone, 4)
    pair = [replay(slots=6, fresh=6) for _ in range(2)]
    for index in range(4):
        for rank, network in enumerate(pair):
            roll_dice(network, Roll(3, "discriminator", index * 8, rank * 4, 4, 8))
            fake = numbered(1 + index * 8 + rank * 4, 4)
            network.exchange(-fake, fake, None)
        total = sum(network.noted.pending for network in pair)
        for network in pair:
            network.noted.settle(total)
    for network in pair:
        assert torch.equal(network.pool, alone.pool)


def test_samples_are_exchanged_for_those_of_their_class():
    network = replay(CLASSES, slots=30, fresh=8, probability=1.0)
    rounds = play(network, 6, classes=3)
    assert any(not torch.equal(seen, numbered(1 + 8 * index, 8)) for index, seen in enumerate(rounds))
    for index, seen in enumerate(rounds):
        now = torch.arange(1 + 8 * index, 9 + 8 * index)
        assert torch.equal(seen[:, 0].long() % 3, now % 3)


def test_where_the_pool_has_none_of_a_class_samples_stay():
    network = replay(CLASSES, slots=4, fresh=1, probability=1.0)
    _, second = play(network, 2, classes=3)  # the pool holds sample 1, of class 1
    assert second[:, 0].tolist() == [1 if number % 3 == 1 else number for number in range(9, 17)]


def test_a_batch_smaller_than_what_may_enter():
    network = replay(slots=20, fresh=16)
    play(network, 3, batch=4)
    assert held(network) == list(range(1, 9))


def test_resuming_goes_on_where_it_was():
    network = replay(slots=8, fresh=4)
    play(network, 5)
    other = replay(slots=8, fresh=4)
    other.load_state_dict(copy.deepcopy(network.state_dict()))
    after = []
    for one in (network, other):
        roll_dice(one, Roll(3, "discriminator", 40, 0, 8, 8))
        after.append(one.exchange(numbered(0, 8), numbered(41, 8), None)[1])
    assert torch.equal(*after)
    assert torch.equal(network.pool, other.pool)


def test_what_replay_cannot_do_is_refused_in_words():
    with pytest.raises(DataError, match="continuous conditions"):
        Replay().build(DataSpec((2,), conditions=2))
    with pytest.raises(ValidationError, match="fresh <= slots"):
        Replay(slots=2, fresh=3)
    with pytest.raises(ValidationError, match="from 0 to 1"):
        Replay(probability=1.5)
    network = replay(IMAGES)
    roll_dice(network, Roll(0, "test", rows=4, total=4))
    small = torch.zeros(4, 1, 4, 4)
    with pytest.raises(RecipeError, match="samples grow"):
        network.exchange(small, small, None)


def test_exchanges_are_for_the_discriminators_main_turn_alone():
    """Both together in a game: what the lazy penalty and the generator see is not exchanged."""
    table = gan_table(
        discriminator__augmentations=[{"kind": "apa", "p": 1.0}, {"kind": "replay", "probability": 1.0}],
        discriminator__regularizers=[{"kind": "r1", "every": 2}],
    )
    runner = runner_of(table, IMAGES, batch=16)
    first, second = batches(runner, ToySource(IMAGES), 2)
    runner.play_round(first)
    game = runner.game
    roll_dice(game, Roll(3, "discriminator", 16, 0, 16, 16))
    duel = game.discriminator_duel(second, (), joint=True)
    assert duel.latents is None, "nobody knows where samples of the pool came from"
    assert set(map(tuple, duel.fake.flatten(1).tolist())) <= set(
        map(tuple, game.augmentations["replay"].pool.flatten(1).tolist())
    )
    assert not torch.equal(duel.real, second["image"])
    lazy = game.discriminator_duel(second, ())
    assert torch.equal(lazy.real, second["image"])
    assert lazy.latents is not None
    assert torch.equal(game.generator_duel(second).real, second["image"])


def test_apa_leaves_the_latents_known():
    runner = runner_of(gan_table(discriminator__augmentations=[{"kind": "apa", "p": 1.0}]), IMAGES, batch=16)
    (batch,) = batches(runner, ToySource(IMAGES), 1)
    roll_dice(runner.game, Roll(3, "discriminator", 0, 0, 16, 16))
    duel = runner.game.discriminator_duel(batch, (), joint=True)
    assert torch.equal(duel.real, duel.fake), "with p = 1 every real sample is replaced by the generated one of its row"
    assert duel.latents is not None


def test_instance_noise_fades_over_images_shown():
    network = InstanceNoise(std={"start": 0.4, "end": 0.0, "images": 100}).build(POINTS)
    samples, roll = torch.zeros(5000, 2), Roll(0, "test", rows=5000, total=5000)
    for images, std in ((0, 0.4), (50, 0.2), (99, 0.004)):
        set_clocks(network, images)
        roll_dice(network, roll)
        assert network(samples).std().item() == pytest.approx(std, rel=5 / 20_000**0.5), "five standard errors"
    set_clocks(network, 100)
    assert network(samples) is samples
    dice = Dice()
    dice.set_roll("dice", roll)
    set_clocks(network, 0)
    roll_dice(network, roll)
    assert torch.equal(network(samples), 0.4 * dice.normal(5000, 2))
