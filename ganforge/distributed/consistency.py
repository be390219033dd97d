"""Whether all processes of a run are the same: what they begin with, and what they have become."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

from ganforge.distributed.world import World
from ganforge.errors import GanforgeError


class RanksDifferError(GanforgeError):
    """Processes that were to be the same are not."""


def check_same_start(world: World, facts: Mapping[str, object]) -> None:
    """See that all processes begin alike.

    Args:
        world: of this process.
        facts: by what a person calls them: the recipe, the data, the images that a checkpoint was saved at.

    Raises:
        RanksDifferError: names the first of them that is not the same everywhere.
    """
    found = _differing(world, [str(value).encode() for value in facts.values()])
    if found:
        name = list(facts)[min(found)]
        raise RanksDifferError(
            f"the processes do not begin with the same {name}: {_sides(found[min(found)])} (process {world.rank}: "
            f"{facts[name]}); give all machines the same files, on a disk that they share"
        )


def check_ranks(world: World, tensors: Mapping[str, Tensor], images: int) -> None:
    """See that all processes hold the same state, to the bit; `run.check_ranks_every` asks for it.

    Raises:
        RanksDifferError: names the first tensor that differs, and the processes.
    """
    names = sorted(tensors)
    check_same_start(world, {"tensors": "\n".join(names)})
    flat = [tensors[name].detach().cpu().contiguous().reshape(-1) for name in names]
    found = _differing(world, [values.view(torch.uint8).numpy().tobytes() for values in flat])
    if found:
        first = names[min(found)]
        raise RanksDifferError(
            f"after {images:,} images shown the processes are not the same any more: {first} differs, "
            f"{_sides(found[min(found)])}; {len(found)} of {len(names)} tensors differ. Something was drawn, counted "
            "or read by each process for itself (see 'Adaptive state' and 'Randomness' in docs/architecture.md); "
            "run.check_ranks_every=1 finds the round"
        )


def _differing(world: World, contents: list[bytes]) -> dict[int, list[int]]:
    """Return the positions whose contents differ between processes, each with what every process has, as a number."""
    digests = [int.from_bytes(hashlib.sha256(content).digest()[:8], "big", signed=True) for content in contents]
    rows = world.gather(torch.tensor([digests], dtype=torch.int64))  # [processes, positions]
    return {i: rows[:, i].tolist() for i in range(len(contents)) if len(set(rows[:, i].tolist())) > 1}


def _sides(values: list[int]) -> str:
    """Say which processes stand against the others."""
    most = max(values, key=values.count)
    ours = [rank for rank, value in enumerate(values) if value == most]
    others = [rank for rank, value in enumerate(values) if value != most]
    return f"that of process {_list(others)} from that of process {_list(ours)}"


def _list(ranks: list[int]) -> str:
    return ", ".join(map(str, ranks[:8])) + (f" and {len(ranks) - 8} more" if len(ranks) > 8 else "")
