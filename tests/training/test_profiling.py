from __future__ import annotations

import pytest
from support.runs import session_of
from support.toys import gan_table

from ganforge.training import profiling as trial
from ganforge.training.profiling import profile, total_bytes

R1 = {"discriminator__regularizers": [{"kind": "r1", "every": 16}]}


def test_lazy_turns_count_by_their_share_of_a_cycle(tmp_path, monkeypatch):
    session = session_of(tmp_path, gan_table(**R1, generator__every=5))
    cost = {"discriminator": 1.0, "discriminator/r1": 10.0, "generator": 3.0}
    played = []

    def took(session, round_, images):
        names = tuple(turn.name for turn in session.runner.turns if turn.due(round_, images))
        played.append(names)
        return sum(cost[name] for name in names)

    monkeypatch.setattr(trial, "_time", took)
    _, speed = profile(session, seconds=0.0)
    assert speed["seconds_per_round"] == pytest.approx(1 + 10 / 16 + 3 / 5)
    assert speed["seconds_of_the_slowest_round"] == pytest.approx(14)
    assert speed["images_per_second"] == pytest.approx(16 / (1 + 10 / 16 + 3 / 5))
    assert speed["rounds_timed"] == 4
    assert len(set(played)) == 4  # all combinations, each once to warm up and once timed
    assert sorted(played) == sorted([*set(played)] * 2)


def test_bytes_are_those_of_the_tensors(tmp_path):
    session = session_of(tmp_path, gan_table(**R1))
    memory, _ = profile(session, seconds=0.0)
    players = session.runner.players
    parameters = {name: sum(p.numel() for p in player.parameters) for name, player in players.items()}
    # mlp: latent 8 -> 32 -> ... ; every parameter is float32, and Adam keeps two numbers for each and a step
    assert memory["optimizers"] == sum(8 * count for count in parameters.values()) + 4 * sum(
        len(player.parameters) for player in players.values()
    )
    assert memory["averages"] >= 4 * parameters["generator"]
    assert memory["weights"] >= 4 * sum(parameters.values())
    parts = memory["weights"] + memory["averages"] + memory["optimizers"]
    assert total_bytes(session.state()[0].values()) >= parts - 100
    assert memory["peak"] >= memory["peak_before_the_first_round"] > 0
