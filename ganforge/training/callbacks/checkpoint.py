"""Checkpoints between rounds."""

from __future__ import annotations

from ganforge.errors import CheckpointError
from ganforge.storage.checkpoint import Checkpoint, prune_checkpoints, save_checkpoint
from ganforge.storage.layout import RunLayout
from ganforge.training.callbacks.callback import Callback, is_due
from ganforge.training.session import Session


class CheckpointCallback(Callback):
    """Saves a checkpoint, keeps the newest ones and the best.

    Args:
        keep: how many of the newest are kept.
        best: the name of the metric value whose best checkpoint is kept too, if any.
        for_good: images shown between checkpoints that are never deleted, if any are not to be.
    """

    activity = "while a checkpoint was saved"
    of_evaluation = True

    def __init__(self, every_images: int | None, keep: int, best: str | None, for_good: int | None = None) -> None:
        super().__init__(every_images)
        self.keep, self.best, self.for_good = keep, best, for_good

    def due(self, session: Session, before: int) -> bool:
        """As every callback, and also when the best value was just found, or one is to be kept for good."""
        just_found = self.best is not None and session.best is not None and session.best[1] == session.images
        return just_found or super().due(session, before) or is_due(session.images, before, self.for_good)

    def begin(self, session: Session) -> None:
        """Save what there is to go back to before the first checkpoint, where the run may be rolled back."""
        if session.images == 0 and session.may_roll_back:
            self.run(session)

    def rolled_back(self, session: Session) -> None:
        """Save again where the run was rolled back to: a resumed one shall know that it was."""
        self.run(session)

    def run(self, session: Session) -> None:
        """Save; the main process writes, the others wait until it is done."""
        tensors, facts = session.state()
        if session.main:
            folder = RunLayout(session.folder).checkpoints
            save_checkpoint(folder, session.images, Checkpoint(tensors, facts))
            best = session.best[1] if session.best else None
            try:
                prune_checkpoints(folder, session.images, keep=self.keep, best=best, every=self.for_good)
            except CheckpointError as error:  # the new one is there: what is left over costs room and nothing else
                session.reporter.say(str(error))
                session.tracker.event(session.images, "notice", str(error))
        session.runner.accelerator.wait_for_everyone()
