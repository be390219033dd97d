"""Two processes with half a batch each equal one with the whole batch, to 1e-6 in relative norm after ten rounds.

The norm is taken over all weights of a player together, over its average likewise, and over the adaptive state
(tallies, mean style, path length, strength of the augmentation) together. Networks with BatchNorm are left out: each
process has its own statistics, as in every framework without synchronised ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support import changed, game_cases, game_example
from support_distributed import run_cases
from support_processes import in_processes
from torch import Tensor

from ganforge.checkpoint import load
from ganforge.data import DataSpec

ROUNDS, BATCH = 10, 16
IMAGES, LABELLED = DataSpec((1, 8, 8)), DataSpec((1, 8, 8), 3)
WGAN = {
    "loss": "wasserstein",
    "discriminator__regularizers": [{"kind": "gradient-penalty"}],
    "generator__every": 2,
    # The critic's bias of a unit that is always active has gradient 0 in theory and 1e-9 in float32; with Adam's usual
    # eps of 1e-8 that rounding would become a step of a tenth of the learning rate, with one process or two.
    "discriminator__optimizer__eps": 1e-4,
}
TECHNIQUES = {  # all that keeps state or draws numbers beside the players
    "discriminator__network": {
        "kind": "minibatch-discrimination",
        "group": 4,
        "kernels": 4,
        "network": {"kind": "mlp", "width": 8, "dropout": 0.2, "norm": "layer"},
    },
    "discriminator__regularizers": [
        {"kind": "lecam", "weight": 0.1},
        {"kind": "balanced-consistency", "weight_real": 0.1, "weight_fake": 0.1},
        {"kind": "latent-consistency", "every": 2},
        {"kind": "dragan", "weight": 0.1},
    ],
    "discriminator__augmentations": [
        {"kind": "instance-noise"},
        {"kind": "apa", "target": -0.9, "interval": 1, "speed_images": 200},
        {"kind": "replay", "slots": 12, "fresh": 10},
    ],
    "generator__regularizers": [{"kind": "feature-matching", "group": 4}, "latent-diversity", "orthogonal"],
    "discriminator__optimizer__eps": 1e-4,
    "generator__optimizer__eps": 1e-4,
}


def every_game() -> dict[str, Any]:
    """Each game with the networks and augmentations that contracts are tried with, BatchNorms shared."""
    cases = {}
    for kind, network, augmentation in game_cases():
        eps = {f"{player}__optimizer__eps": 1e-4 for player in ("generator", "discriminator")}
        table = changed(game_example(kind, network, augmentation), eps)
        name = " ".join(filter(None, (kind, network, augmentation)))
        cases[name] = {"game": table, "spec": LABELLED.to_json(), "sync_batchnorm": True}
    return cases


CASES = every_game() | {
    "wgan-gp": {"game": changed(game_example("gan", "mlp"), WGAN), "spec": DataSpec((2,)).to_json(), "cuts": [5]},
    "techniques": {
        "game": changed(game_example("gan", "mlp"), TECHNIQUES),
        "spec": LABELLED.to_json(),
        "cuts": [3, 6],
    },
    "growing": {
        "game": changed(game_example("progressive", "stylegan"), {"growth": {"fade": 48, "stable": 20}}),
        "spec": LABELLED.to_json(),
        "batches": [{"after_images": 40, "batch": 8}],
        "cuts": [3, 6],
    },
    "microbatches": {"game": game_example("gan", "mlp"), "spec": IMAGES.to_json(), "microbatches": 2},
}
CASES["gan stylegan2 ada"]["cuts"] = [4, 7]
CASES["gan mlp"]["cuts"] = [3]
CASES = {name: {**case, "batch": BATCH, "rounds": ROUNDS} for name, case in CASES.items()}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("played")
    run_cases({name: {**case, "cuts": []} for name, case in CASES.items()}, folder / "one")
    in_processes(2, folder / "said", run_cases, CASES, folder / "two")
    return folder


def state(folder: Path) -> dict[str, Tensor]:
    (last,) = folder.iterdir()
    return dict(load(last).tensors)


def group(path: str, weights: set[str]) -> str:
    """Which part of the state a tensor belongs to: a player's weights, average or optimizer, or what adapts."""
    kind, player, *rest = path.split("/")
    if kind == "readings":
        return kind
    if kind == "player":
        return f"{player}: {'average' if rest[0] == 'ema' else 'moments'}"
    return f"{player.partition('.')[0]}: weights" if path in weights else "adaptive state"


@pytest.mark.parametrize("name", CASES)
def test_two_equal_one(played: Path, name: str):
    one, two = state(played / "one" / name / "whole"), state(played / "two" / name / "whole")
    assert one.keys() == two.keys()
    averages = {f"game/{p.split('/')[1]}.{p.partition('ema/')[2]}" for p in one if "/ema/" in p}
    weights = averages | {path for path in one if path.startswith("game/discriminator.")}
    weights = {path for path in weights if "seen" not in path and "mean_style" not in path and path in one}
    groups: dict[str, list[str]] = {}
    for path in one:
        groups.setdefault(group(path, weights), []).append(path)
    assert {"generator: weights", "generator: average", "discriminator: weights", "readings"} <= groups.keys()
    for which, paths in groups.items():
        first, second = (torch.cat([tensors[p].double().flatten() for p in paths]) for tensors in (one, two))
        limit = 1e-5 if which.endswith("moments") else 1e-6
        assert float((second - first).norm() / first.norm()) <= limit, which


@pytest.mark.parametrize(("name", "cut"), [(name, cut) for name, case in CASES.items() for cut in case.get("cuts", ())])
def test_two_resumed_equal_two_uninterrupted(played: Path, name: str, cut: int):
    """Bit for bit."""
    whole, resumed = state(played / "two" / name / "whole"), state(played / "two" / name / f"resumed-{cut}")
    assert whole.keys() == resumed.keys()
    assert [path for path in whole if not torch.equal(whole[path], resumed[path])] == []


def test_the_augmentation_adapted(played: Path):
    before, after = (
        load(played / "two" / "stylegan2-ada" / which / f"images-{rounds * BATCH:012d}").tensors
        for which, rounds in (("cuts", 4), ("whole", ROUNDS))
    )
    changed_ = [path for path in before if path.startswith("game/augmentations.ada.p") and before[path] != after[path]]
    assert changed_, "p stood still"
