"""A picture of fixed latents, so that one sees the same samples grow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ganforge.data import to_float
from ganforge.dice import Roll, roll_dice
from ganforge.sampler import Sampler
from ganforge.session import Session, Task

if TYPE_CHECKING:
    from PIL.Image import Image


class Snapshot(Task):
    """Draws the same latents again and again into `grids/`, and the real samples once.

    Args:
        every_images: images shown between pictures.
        samples: in a picture.
        truncation: in (0, 1].
    """

    def __init__(self, every_images: int, samples: int, truncation: float) -> None:
        super().__init__(every_images)
        self.samples, self.truncation = samples, truncation

    def begin(self, session: Session) -> None:
        """Draw the real samples, and the generator before it has learnt anything."""
        if session.main and session.images == 0:
            count = min(self.samples, len(session.source))
            indices = np.sort(Sampler(session.runner.seed, len(session.source)).at(0, count))
            write(
                session.source.show(to_float(session.source.batch(indices)["image"])),
                session.folder / "grids" / "real.png",
            )
            self.run(session)

    @torch.no_grad()
    def run(self, session: Session) -> None:
        """Draw the grid."""
        if not session.main:
            return
        classes = session.source.spec.classes
        labels = torch.arange(self.samples, device=session.runner.accelerator.device) % classes if classes else None
        with session.runner.averaged() as game:
            roll_dice(game, Roll(session.runner.seed, "grid", rows=self.samples, total=self.samples))
            samples = game.sample(self.samples, labels, self.truncation).float().cpu()
        write(session.source.show(samples), session.folder / "grids" / f"images-{session.images:012d}.png")


def write(picture: Image, path: Path) -> None:
    """Save a picture, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.tmp")
    picture.save(aside, "PNG")
    os.replace(aside, path)
