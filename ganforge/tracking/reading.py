"""Reader of what a run wrote: whatever has another shape than a run gives it is left out.

The folder may be another's, or have been edited, or stand on a disk that lies; its logs are read by people who want to
know what went wrong, and by a run that goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ganforge.storage.layout import RunLayout

JSON_ERRORS = (ValueError, RecursionError)  # of `json`: no JSON, endless digits; endless brackets
Count = Annotated[int, Field(ge=0, le=2**62)]
Time = Annotated[float, Field(ge=0, le=2**40)]  # seconds since 1970


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    images: Count


class MetricsLine(_Line):
    """A line of `metrics.jsonl`, or of `evaluations.jsonl`."""

    values: dict[str, float | None]
    round: Count = 0
    time: float = 0.0
    receipts: dict[str, dict[str, Any]] | None = None
    better: dict[str, Literal["lower", "higher"] | None] | None = None
    seed: Count | None = None


class EventDetails(BaseModel):
    """What an event says beside its text; a finding has the fields of `ganforge.api.monitor.Finding`."""

    model_config = ConfigDict(strict=True, frozen=True)

    name: str = ""
    symptom: str = ""
    evidence: str = ""
    cause: str = ""
    remedies: list[str] = []
    severity: Literal["failure", "warning"] = "failure"
    monitor: str = ""
    rollbacks: Count = 0


class EventLine(_Line):
    """A line of `events.jsonl`."""

    kind: str
    text: str
    time: float = 0.0
    details: EventDetails | None = None


RUN_JSON_FIELDS: Final[dict[str, TypeAdapter[Any]]] = {  # fields of `run.json` that anything depends on
    **dict.fromkeys(("id", "experiment", "device", "recipe_digest", "data", "working_folder"), TypeAdapter(str)),
    **dict.fromkeys(("reason", "store", "name", "seed_group"), TypeAdapter(str | None)),
    **dict.fromkeys(("start", "end", "resumed"), TypeAdapter(Time | None)),
    "status": TypeAdapter(Literal["running", "finished", "failed", "killed"]),
    "pid": TypeAdapter(Count),
}


def parse_line(text: bytes) -> dict[str, Any] | None:
    """Return the object of a JSON text; None where it is none, or holds text that is no Unicode."""
    try:
        value = json.loads(text)
        if b"\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except JSON_ERRORS:
        return None
    return value if isinstance(value, dict) else None


def whole_lines(path: Path) -> list[bytes]:
    """Return the lines of a file that were written to their ends; an absent file has none."""
    try:
        return path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def checked_line(kind: type[MetricsLine | EventLine], text: bytes) -> dict[str, Any] | None:
    """Return a line of a log; None where it is not one of its kind."""
    value = parse_line(text)
    return value if _fits(kind.model_validate, value) else None


def read_log(path: Path, kind: type[MetricsLine | EventLine] = MetricsLine) -> list[dict[str, Any]]:
    """Read the lines of a log; a torn last line is left out, an absent file is an empty one."""
    return [line for text in whole_lines(path) if (line := checked_line(kind, text)) is not None]


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; an absent or damaged file reads as an empty one."""
    try:
        return parse_line(path.read_bytes()) or {}
    except FileNotFoundError:
        return {}


def read_run_json(folder: Path) -> dict[str, Any]:
    """Return what the `run.json` of a run's folder says, without fields of another shape; empty where there is none."""
    record = read_json(RunLayout(folder).run_json)
    checks = {name: partial(adapter.validate_python, strict=True) for name, adapter in RUN_JSON_FIELDS.items()}
    return {name: value for name, value in record.items() if name not in checks or _fits(checks[name], value)}


def _fits(check: Callable[[Any], object], value: object) -> bool:
    try:
        check(value)
    except (ValidationError, OverflowError):
        return False
    return True


def flatten(value: object, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the entries of a table by dotted key, such as `metrics.0.kind`; lists without tables in them stay whole."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from flatten(entry, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
        for index, entry in enumerate(value):
            yield from flatten(entry, f"{path}.{index}")
    else:
        yield path, value
