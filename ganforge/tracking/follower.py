"""Follower of a run's folder as it grows: it hands what is new to a mirror, and knows where it was."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganforge.storage.layout import RunLayout
from ganforge.tracking.reading import EventLine, MetricsLine, checked_line, flatten

if TYPE_CHECKING:
    from ganforge.tracking.mlflow_mirror import MlflowMirror  # seconds of imports

ROLLBACKS = "run/rollbacks"  # of the line that is written where the run was rolled back to
CHUNK_BYTES = 1 << 18  # bytes read at a time: bounds the memory, not what is mirrored


class Tail:
    """The whole lines of a file that were not read before; from the start again where the file was replaced."""

    def __init__(self, path: Path, kind: type[MetricsLine | EventLine]) -> None:
        self.path, self.kind = path, kind
        self.lines = 0  # read so far, in the file as it is now
        self._position = (0, 0)  # inode, offset

    def chunks(self) -> Iterator[list[dict[str, Any]]]:
        """Yield new objects, a portion at a time; a portion counts as read when the next one is asked for."""
        while True:
            try:
                with self.path.open("rb") as file:
                    stat = self.path.stat()
                    inode, offset = self._position
                    if inode != stat.st_ino or offset > stat.st_size:
                        self._position, self.lines, offset = (stat.st_ino, 0), 0, 0
                    file.seek(offset)
                    data = file.read(CHUNK_BYTES)
                    if b"\n" not in data and len(data) == CHUNK_BYTES:  # one line longer than a portion
                        data += file.read()
            except FileNotFoundError:
                return
            whole = data[: data.rfind(b"\n") + 1]
            if not whole:
                return
            yield [line for text in whole.split(b"\n")[:-1] if (line := checked_line(self.kind, text)) is not None]
            self._position = (stat.st_ino, offset + len(whole))
            self.lines += whole.count(b"\n")


class Follower:
    """Mirrors one folder.

    Args:
        folder: the run's folder.
        done: what was mirrored before, as in `mlflow.json`; changed in place: `sent` (images shown by name of metric),
            `files` (time of change by path), `lines` (of `metrics.jsonl`).
        saved: called after each step, so that little is sent twice after a kill.
    """

    def __init__(self, folder: Path, done: dict[str, Any], saved: Callable[[], None]) -> None:
        self.folder = folder
        self.layout = RunLayout(folder)
        self._done, self._saved = done, saved
        self._metrics = Tail(self.layout.metrics, MetricsLine)
        self._events = Tail(self.layout.events, EventLine)

    def begin(self, target: MlflowMirror, tags: Mapping[str, str]) -> None:
        """Mirror what is known from the start: the recipe as parameters, and tags."""
        recipe = tomllib.loads(self.layout.recipe.read_text(encoding="utf-8"))
        target.begin(recipe_params(recipe), tags)

    def follow(self, target: MlflowMirror) -> None:
        """Mirror all that is new.

        Not `Panel.lines`: MLflow forgets no point; what was undone stays there, and what is played again follows it.
        """
        sent: dict[str, int] = self._done.setdefault("sent", {})
        for lines in self._metrics.chunks():
            points, receipts, reached = [], {}, dict(sent)
            for line in lines:
                images = int(line["images"])
                rollbacks = line["values"].get(ROLLBACKS)
                if rollbacks is not None and rollbacks > self._done.get("rollbacks", 0):  # rolled back to here
                    self._done["rollbacks"] = rollbacks
                    reached = {name: min(images, until) for name, until in reached.items()}
                for name, value in line["values"].items():
                    if images > reached.get(name, -1):  # else it was sent before the run was resumed
                        reached[name] = images
                        if value is not None:
                            points.append((name, float(value), float(line.get("time", 0.0)), images))
                for name, receipt in (line.get("receipts") or {}).items():
                    receipts[f"receipt.{name}"] = json.dumps(receipt)
            target.metrics(points)
            target.tags(receipts)
            sent.update(reached)
            self._done["lines"] = self._metrics.lines + len(lines)
            self._saved()
        for lines in self._events.chunks():
            points, tags, reached = [], {}, dict(sent)
            for line in lines:
                if line["kind"] == "finding":
                    details, images = line.get("details") or {}, int(line["images"])
                    name = details.get("name", "unnamed")
                    more = [details.get("evidence"), *(f"try {remedy}" for remedy in details.get("remedies", ()))]
                    tags[f"finding.{name}"] = "\n".join([f"{line['text']} (at {images:,} images)", *filter(None, more)])
                    if images > reached.get(f"finding/{name}", -1):  # beside the curves of the others
                        reached[f"finding/{name}"] = images
                        points.append((f"finding/{name}", 1.0, float(line.get("time", 0.0)), images))
            target.tags(tags)
            target.metrics(points)
            sent.update(reached)
            self._saved()
        self._files(target)

    def _files(self, target: MlflowMirror) -> None:
        seen: dict[str, int] = self._done.setdefault("files", {})
        for path in [self.layout.recipe, *sorted(self.layout.grids.glob("[!.]*"))]:
            name = str(path.relative_to(self.folder))
            changed = path.stat().st_mtime_ns
            if seen.get(name) != changed and path.is_file():
                target.artifact(path, None if path.parent == self.folder else path.parent.name)
                seen[name] = changed
                self._saved()


def recipe_params(recipe: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of an MLflow run: a recipe's entries by dotted key, as text."""
    entries = dict(flatten(recipe))
    return {key: entry if isinstance(entry, str) else json.dumps(entry, default=str) for key, entry in entries.items()}
