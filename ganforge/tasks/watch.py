"""Monitors look at what was logged and say when training fails."""

from __future__ import annotations

from collections.abc import Sequence

from ganforge.monitor import Line, Watcher
from ganforge.session import Session, Task


class Watch(Task):
    """Shows the newest log line to every monitor; runs after `Log`, as often.

    Args:
        every_images: images shown between looks.
        watchers: the monitors at work.
    """

    def __init__(self, every_images: int, watchers: Sequence[Watcher]) -> None:
        super().__init__(every_images)
        self.watchers = tuple(watchers)

    def run(self, session: Session) -> None:
        """Ask every monitor; each finding is told once a run."""
        if not session.main:
            return
        for watcher in self.watchers:
            for finding in watcher.look(Line.of(session.images, session.runner.round, session.logged)):
                if finding.name in session.findings:
                    continue
                session.findings.append(finding.name)
                remedies = "; ".join(f"--set {remedy}" for remedy in finding.remedies)
                text = f"{finding.symptom}: {finding.evidence}. Likely cause: {finding.cause}."
                text += f" Try: {remedies}" if remedies else ""
                session.tracker.event(session.images, "finding", text, {"name": finding.name})
                session.show.say(text)
