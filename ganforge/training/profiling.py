"""A trial of a few rounds: how fast a game plays, and how much memory it takes."""

from __future__ import annotations

import math
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable

import torch

from ganforge.training.session import Session

LONGEST = 10_000  # rounds of a cycle that are looked at


def profile(session: Session, seconds: float = 5.0) -> tuple[dict[str, int], dict[str, float]]:
    """Play for a while, on the live game, and measure.

    Every combination of due turns is played once to warm up and at least once more, so that lazy turns count by their
    share of a cycle, however short the trial is. It is played as at the end of the run: turns that begin later
    (`after_images`) are played too, and what grows has grown.

    Args:
        session: new; what it becomes is not meant to be kept.
        seconds: for the timed rounds, roughly.

    Returns:
        Bytes of memory by what takes them (peaks: allocated on the GPU, or of the whole process on a CPU), and how fast
        it is, over all processes.

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
    averages = [player.ema.average.state_dict() for player in players if player.ema]
    states = [state for player in players for state in player.optimizer.state.values()]
    memory = {
        "weights": total_bytes([*runner.game.parameters(), *runner.game.buffers()]),
        "optimizers": total_bytes(v for state in states for v in state.values() if isinstance(v, torch.Tensor)),
        "averages": total_bytes(v for average in averages for v in average.values()),
        "peak": _memory(runner.accelerator.device),
        "peak_before_the_first_round": before,
    }
    speed = {
        "images_per_second": runner.batch / mean,
        "seconds_per_round": mean,
        "seconds_of_the_slowest_round": max(means.values()),
        "rounds_timed": sum(len(found) for found in times.values()),
    }
    return memory, speed


def _time(session: Session, round_: int, images: int) -> float:
    runner = session.runner
    runner.round, runner.images = round_, max(runner.images, images)
    began = time.perf_counter()
    runner.play_round(session.next_batch())
    if runner.accelerator.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def total_bytes(tensors: Iterable[torch.Tensor]) -> int:
    """Return how much memory tensors take."""
    return sum(tensor.nbytes for tensor in tensors)


def _memory(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
