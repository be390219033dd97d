"""Terms and readings, averaged over the rounds since the last line."""

from __future__ import annotations

import time

import torch

from ganforge.training.callbacks.callback import Callback
from ganforge.training.session import RunningMeans, Session


class LogCallback(Callback):
    """Writes the mean of every term and reading over rounds and processes, and the speed."""

    def __init__(self, every_images: int) -> None:
        super().__init__(every_images)
        self._since = (0, time.monotonic())

    def begin(self, session: Session) -> None:
        """Start the clock, and write what is known before the first round."""
        if session.extra:
            session.log(session.extra)
            session.extra = {}
        self._since = (session.images, time.monotonic())

    def run(self, session: Session) -> None:
        """Write one line; the only place where terms become numbers."""
        means = session.running_means.means()
        if not means:
            return
        flat = session.runner.accelerator.reduce(torch.stack(list(means.values())), reduction="mean")
        values = dict(zip(means, flat.tolist(), strict=True)) | session.extra
        images, then = self._since
        values["speed/images_per_second"] = (session.images - images) / max(time.monotonic() - then, 1e-9)
        session.running_means, session.extra = RunningMeans(), {}
        session.log(values)
        self._since = (session.images, time.monotonic())

    def rolled_back(self, session: Session) -> None:
        """Start the clock again."""
        self._since = (session.images, time.monotonic())
