"""A trial of a few rounds: how fast a game plays, and how much memory it takes."""

from __future__ import annotations

import math
import resource
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass

import torch

from ganforge.training.session import Session

LONGEST = 10_000  # rounds of a cycle that are looked at


@dataclass(frozen=True)
class Profile:
    """What a few rounds told.

    Args:
        rounds: that were timed.
        cycle: rounds after which the turns repeat.
        seconds: of a round, the mean over a cycle.
        slowest: seconds of the round in which most turns are due.
        images_per_second: over all processes.
        weights: bytes of parameters and buffers.
        optimizers: bytes of their state.
        averages: bytes of averaged weights.
        checkpoint: bytes of the tensors of a checkpoint.
        peak: bytes of memory at most: allocated on the GPU, or of the whole process on a CPU.
        before: the same before the first round.
    """

    rounds: int
    cycle: int
    seconds: float
    slowest: float
    images_per_second: float
    weights: int
    optimizers: int
    averages: int
    checkpoint: int
    peak: int
    before: int


def profile(session: Session, seconds: float = 5.0) -> Profile:
    """Play for a while, on the live game, and measure.

    Every combination of due turns is played once to warm up and at least once more, so that lazy turns count by their
    share of a cycle, however short the trial is. It is played as at the end of the run: turns that begin later
    (`after_images`) are played too, and what grows has grown.

    Args:
        session: new; what it becomes is not meant to be kept.
        seconds: for the timed rounds, roughly.

    Raises:
        DivergedError: a gradient was not finite.
    """
    runner = session.runner
    cycle = min(math.lcm(*(turn.every for turn in runner.turns)), LONGEST)
    late = max([session.recipe.run.images, *(turn.after_images for turn in runner.turns)])
    due = [tuple(turn.name for turn in runner.turns if turn.due(round_, late)) for round_ in range(cycle)]
    share, first = Counter(due), {names: due.index(names) for names in dict.fromkeys(due)}
    before = _memory(runner.accelerator.device)
    times: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for round_ in first.values():
        _time(session, round_, late)
    began = time.monotonic()
    while not times or time.monotonic() - began < seconds:
        for names, round_ in first.items():
            times[names].append(_time(session, round_, late))
    means = {names: sum(found) / len(found) for names, found in times.items()}
    mean = sum(means[names] * count for names, count in share.items()) / cycle
    players = runner.players.values()
    tensors, _ = session.state()
    return Profile(
        rounds=sum(len(found) for found in times.values()),
        cycle=cycle,
        seconds=mean,
        slowest=max(means.values()),
        images_per_second=runner.batch / mean,
        weights=_bytes([*runner.game.parameters(), *runner.game.buffers()]),
        optimizers=_bytes([value for player in players for value in _state_of(player.optimizer)]),
        averages=_bytes([v for player in players if player.ema for v in player.ema.average.state_dict().values()]),
        checkpoint=_bytes(list(tensors.values())),
        peak=_memory(runner.accelerator.device),
        before=before,
    )


def _time(session: Session, round_: int, images: int) -> float:
    runner = session.runner
    runner.round, runner.images = round_, max(runner.images, images)
    began = time.perf_counter()
    runner.play_round(session.next_batch())
    if runner.accelerator.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _state_of(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [value for state in optimizer.state.values() for value in state.values() if isinstance(value, torch.Tensor)]


def _bytes(tensors: list[torch.Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def _memory(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
