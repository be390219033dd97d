"""docs/battery.md, made of what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from battery.cases import FAILURES, HEALTHY, Case
from battery.play import Outcome

FAILURE_HEADS = (
    "| planted | what it is | found | after rounds | right name first | healed | what is said first |",
    "|---|---|---|---|---|---|---|",
)
HEALTHY_HEADS = (
    "| recipe | made smaller | rounds | variety | false alarms | warnings |",
    "|---|---|---|---|---|---|",
)
PREFACE = (
    "*Found*: a monitor said what was planted, or what follows. *Right name first*: nothing else was said before.",
    "*Healed*: the first remedy of what was found, or else the first two, were applied to the same recipe and seed,",
    "and the finding was gone at the end; – where the mistake is in code or data, which no override mends, or nothing",
    "was found. A *false alarm* is a finding of severity failure, which would stop a run that asks for it. *Variety*",
    "tells without monitors how far a run came: the least variance of samples at the end, by that of real ones.",
)
AIMS = "Aims: 95 % found within 2,000 rounds, the right name first in 90 %, no false alarm."


@dataclass(frozen=True)
class Trial:
    """One failing run, and the runs in which its remedies were tried, in order."""

    outcome: Outcome
    tried: tuple[Outcome, ...] = ()

    def healed(self, case: Case) -> Outcome | None:
        """The first run in which the failure went away."""
        return next((attempt for attempt in self.tried if went_away(case, self.outcome, attempt)), None)


def went_away(case: Case, before: Outcome, after: Outcome) -> bool:
    """Whether what was found is gone at the end with a remedy; if it was said at all, it must have lasted before."""
    if any(found.holds for found in after.found if found.name in case.names):
        return False
    said, first = {found.name for found in after.found if found.name in case.names}, before.right(case)
    return first is not None and (first.holds or not said) and after.blamed is None


def page(failing: Sequence[Trial], healthy: Sequence[Outcome], command: str) -> str:
    """Return the page's text; both may hold several seeds of a case, in any order."""
    return "\n".join(_lines(failing, healthy, command)) + "\n"


def _lines(failing: Sequence[Trial], healthy: Sequence[Outcome], command: str) -> Iterator[str]:
    seeds = sorted({outcome.seed for outcome in healthy} | {trial.outcome.seed for trial in failing})
    yield "# The battery"
    yield ""
    times = f"{len(seeds)} seed{'s' * (len(seeds) > 1)}"
    yield f"Each failure is planted in a small recipe and run with {times}; so are recipes that are well. The"
    yield "monitors watch with their defaults. This page is written by"
    yield ""
    yield f"    {command}"
    yield ""
    yield from PREFACE
    yield ""
    yield from _totals(failing, healthy)
    yield ""
    yield "## Failures"
    yield ""
    yield from FAILURE_HEADS
    for case in FAILURES:
        trials = [trial for trial in failing if trial.outcome.case == case.name]
        if trials:
            yield _failure(case, trials)
    yield ""
    yield "## Recipes that are well"
    yield ""
    yield from HEALTHY_HEADS
    for case in HEALTHY:
        outcomes = [outcome for outcome in healthy if outcome.case == case.name]
        if outcomes:
            yield _healthy(case, outcomes)


def _totals(failing: Sequence[Trial], healthy: Sequence[Outcome]) -> Iterator[str]:
    cases = {case.name: case for case in FAILURES}
    pairs = [(cases[trial.outcome.case], trial) for trial in failing]
    found = sum(trial.outcome.right(case) is not None for case, trial in pairs)
    first = sum(is_first(case, trial.outcome) for case, trial in pairs)
    tried = [(case, trial) for case, trial in pairs if trial.tried]
    healed = sum(trial.healed(case) is not None for case, trial in tried)
    alarms = sum(bool(outcome.alarms) for outcome in healthy)
    outcomes = [*healthy, *(outcome for trial in failing for outcome in (trial.outcome, *trial.tried))]
    minutes = sum(outcome.seconds for outcome in outcomes) / 60
    yield f"- found: {_share(found, len(failing))}; the right name first: {_share(first, len(failing))}"
    yield f"- healed, where a remedy could be tried: {_share(healed, len(tried))}"
    yield f"- runs of recipes that are well with a false alarm: {alarms} of {len(healthy)}"
    yield f"- {len(outcomes)} runs, {minutes:.0f} minutes of one processor core"
    yield ""
    yield AIMS


def is_first(case: Case, outcome: Outcome) -> bool:
    """Whether the first thing said was right; of what was said on one line of the log, failures come first."""
    return bool(outcome.found) and outcome.found[0].name in case.names


def _failure(case: Case, trials: Sequence[Trial]) -> str:
    outcomes = [trial.outcome for trial in trials]
    found = [right for outcome in outcomes if (right := outcome.right(case)) is not None]
    rounds = sorted(right.round for right in found)
    after = "–" if not rounds else f"{median(rounds):,.0f}" + (f", at most {rounds[-1]:,}" if len(rounds) > 1 else "")
    first = sum(is_first(case, outcome) for outcome in outcomes)
    said = Counter(outcome.names[0] if outcome.found else "nothing" for outcome in outcomes)
    blamed = Counter(outcome.blamed for outcome in outcomes if outcome.blamed)
    names = ", ".join(_counted(name, count, len(outcomes)) for name, count in said.most_common())
    names += f" ({', '.join(name for name, _ in blamed.most_common())})" if blamed else ""
    columns = [
        case.name,
        case.what,
        _of(len(found), len(outcomes)),
        after,
        _of(first, len(outcomes)),
        _healed(case, trials),
        names,
    ]
    return f"| {' | '.join(columns)} |"


def _healed(case: Case, trials: Sequence[Trial]) -> str:
    tried = [trial for trial in trials if trial.tried]
    if not tried:
        return "–"
    worked = Counter(attempt.remedies for trial in tried if (attempt := trial.healed(case)) is not None)
    by = "; or ".join(" and ".join(f"`{remedy}`" for remedy in remedies) for remedies, _ in worked.most_common(2))
    return _of(sum(worked.values()), len(tried)) + (f": {by}" if by else "")


def _healthy(case: Case, outcomes: Sequence[Outcome]) -> str:
    alarms = Counter(found.name for outcome in outcomes for found in outcome.alarms)
    warnings = Counter(found.name for outcome in outcomes for found in outcome.found if found.severity != "failure")
    alarmed = sum(bool(outcome.alarms) for outcome in outcomes)

    def named(counts: Counter[str]) -> str:
        return ", ".join(_counted(name, count, len(outcomes)) for name, count in sorted(counts.items()))

    false = _of(alarmed, len(outcomes)) + (f": {named(alarms)}" if alarms else "")
    varieties = [outcome.variety for outcome in outcomes if outcome.variety is not None]
    variety = f"{min(varieties):.2f}" if varieties else "–"
    return f"| {case.name} | {case.what} | {outcomes[0].rounds:,} | {variety} | {false} | {named(warnings) or 'none'} |"


def _counted(name: str, count: int, of: int) -> str:
    return name if count == of else f"{name} ({count})"


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}"


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / whole:.1f} %)" if whole else "none"
