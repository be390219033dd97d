"""Monitors see every line of the log and say when training fails."""

from __future__ import annotations

import torch

from ganforge.api.monitor import Action, log_lines
from ganforge.diagnosis.panel import Case, Panel
from ganforge.storage.layout import RunLayout
from ganforge.tracking import read_log
from ganforge.training.callbacks.callback import Callback
from ganforge.training.session import Decision, Session

FOLLOWING: tuple[Action, ...] = ("warn", "stop", "roll-back")


class WatchCallback(Callback):
    """Shows new lines of the log to every monitor; runs after whatever writes lines.

    What is found is told once a run: shown, and written as an event of kind `finding`. Where a monitor asks for more,
    it is left in `session.decision`, on every process.
    """

    of_evaluation = True

    def __init__(self, panel: Panel) -> None:
        super().__init__(None)
        self.panel = panel

    def due(self, session: Session, before: int) -> bool:
        """Whenever there is a line to look at: on all processes alike."""
        return bool(session.unwatched)

    def begin(self, session: Session) -> None:
        """Show what a resumed run logged before, so that monitors remember; say what was not said then."""
        if session.images > 0 and session.main:
            keep, self.panel.keep = self.panel.keep, True  # it may have been rolled back before
            for line in log_lines(read_log(RunLayout(session.folder).metrics)):
                self.panel.look(line)
            self.panel.keep = keep
            for case in self.panel.cases:
                self._tell(session, case)
        elif session.unwatched:
            self.run(session)

    def run(self, session: Session) -> None:
        """Ask every monitor."""
        lines, session.unwatched = session.unwatched, []
        asked: list[Case] = []
        if session.main:
            for line in lines:
                asked += [case for case in self.panel.look(line) if self._tell(session, case)]
        following = max([FOLLOWING.index(case.action) for case in asked], default=0)
        accelerator = session.runner.accelerator
        if self.panel.acts and accelerator.num_processes > 1:  # the main process decides for all
            wish = torch.tensor(float(following), device=accelerator.device)
            following = int(accelerator.reduce(wish, reduction="sum").item())
        if following:
            found = [case.finding for case in asked if FOLLOWING.index(case.action) == following]
            name, text, tries = (found[0].name, found[0].symptom, found[0].remedies) if found else ("", "", ())
            session.decision = Decision(FOLLOWING[following], name, text, session.images, tries)

    def _tell(self, session: Session, case: Case) -> bool:
        finding = case.finding
        if finding.name in session.findings:
            return False
        session.findings.append(finding.name)
        session.report_finding(
            finding, monitor=case.monitor, action=case.action, rollbacks=case.rollbacks, first=case.first
        )
        return True
