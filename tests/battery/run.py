"""Play the battery and write docs/battery.md.

    python tests/battery/run.py                     # every case, 3 seeds
    python tests/battery/run.py --seeds 1 --only ring --no-page

Logs of runs are kept in a folder where `--logs` names one, and are not played again: after a change of a monitor only
the remedies that it words anew are.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch

from ganforge.errors import GanforgeError
from ganforge.training.build import keep_freed_memory

sys.path.insert(0, str(Path(__file__).parents[1]))

from battery.cases import CASES, FAILURES, HEALTHY, Case
from battery.play import Outcome, judge, kept_log
from battery.table import Trial, page, went_away
from support.paths import DOCS

PAGE = DOCS / "battery.md"
COMMAND = "python tests/battery/run.py"
REMEDIES = 2  # of a finding, that are tried together at most


def try_case(case: Case, seed: int, logs: Path, heal: bool = True) -> Trial:
    """Play a case, and where an override can mend what was found, its first remedy, then that and the next."""
    outcome = judge(case, seed, (), kept_log(case, seed, (), logs))
    right = outcome.right(case)
    offered = right.remedies if right is not None and case.mendable and heal else ()
    tried: list[Outcome] = []
    for count in range(1, min(len(offered), REMEDIES) + 1):
        tried.append(try_remedies(case, seed, offered[:count], logs))
        if went_away(case, outcome, tried[-1]):
            break
    return Trial(outcome, tuple(tried))


def try_remedies(case: Case, seed: int, remedies: Sequence[str], logs: Path) -> Outcome:
    """Play a case with remedies; where the recipe refuses them, say so in `blamed`."""
    try:
        return judge(case, seed, remedies, kept_log(case, seed, remedies, logs))
    except GanforgeError as error:
        return Outcome(case.name, seed, 0, 0.0, (), tuple(remedies), blamed=f"refused: {error}")


def begin() -> None:
    """Let each process compute on one core, and keep the memory that it frees."""
    torch.set_num_threads(1)
    keep_freed_memory()


def play_all(cases: Sequence[Case], seeds: Sequence[int], processes: int, logs: Path, heal: bool) -> list[Trial]:
    """Play all cases with all seeds; say each as it is done."""
    trials: list[Trial] = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=begin) as pool:
        jobs = [pool.submit(try_case, case, seed, logs, heal) for seed in seeds for case in cases]
        for job in as_completed(jobs):
            trials.append(job.result())
            sys.stdout.write(f"{say(trials[-1])}\n")
            sys.stdout.flush()
    return sorted(trials, key=lambda trial: trial.outcome.seed)


def say(trial: Trial) -> str:
    """Return a line about what came of a case."""
    case = next(case for case in CASES if case.name == trial.outcome.case)
    outcome = trial.outcome
    good = not outcome.alarms if case.healthy else outcome.right(case) is not None
    said = ", ".join(f"{found.name} @{found.round}{'' if found.holds else ' (gone)'}" for found in outcome.found)
    text = f"{'ok  ' if good else 'MISS' if not case.healthy else 'FALSE'} {case.name} ({outcome.seed}): {said or '-'}"
    for attempt in trial.tried:
        gone = "healed" if went_away(case, outcome, attempt) else "not healed"
        left = ", ".join(attempt.names) or attempt.blamed or "-"
        text += f"\n       {gone} by {' and '.join(attempt.remedies)}: {left}"
    return f"{text}  [{outcome.rounds} rounds, {outcome.seconds:.1f} s]"


def main() -> None:
    """Read the command line, play, write."""
    parser = argparse.ArgumentParser(description="play the battery and write docs/battery.md")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each case (default 3)")
    parser.add_argument("--processes", type=int, default=2, help="runs at a time (default 2)")
    parser.add_argument("--only", default="", help="cases whose name or recipe contains this")
    parser.add_argument("--logs", type=Path, default=None, help="folder in which logs are kept from call to call")
    parser.add_argument("--no-remedies", action="store_true", help="do not try remedies")
    parser.add_argument("--no-page", action="store_true", help="leave docs/battery.md as it is")
    given = parser.parse_args()
    cases = [case for case in CASES if given.only in case.name or given.only in case.recipe]
    with tempfile.TemporaryDirectory() as folder:
        logs = given.logs or Path(folder)
        trials = play_all(cases, range(given.seeds), given.processes, logs, not given.no_remedies)
    failures, healthy = {case.name for case in FAILURES}, {case.name for case in HEALTHY}
    text = page(
        [trial for trial in trials if trial.outcome.case in failures],
        [trial.outcome for trial in trials if trial.outcome.case in healthy],
        COMMAND,
    )
    if given.no_page:
        sys.stdout.write(text)
    else:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
