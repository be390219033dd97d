"""A picture of fixed latents, so that one sees the same samples grow."""

from __future__ import annotations

import math
import os
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ganforge.api.data import DataSpec, to_float
from ganforge.api.dice import Roll, roll_dice
from ganforge.api.sampler import Sampler
from ganforge.storage.layout import RunLayout
from ganforge.training.callbacks.callback import Callback
from ganforge.training.session import Session

if TYPE_CHECKING:
    from PIL.Image import Image


class GridCallback(Callback):
    """Draws the same latents again and again into `grids/`, and the real samples once.

    Args:
        truncation: in (0, 1].
    """

    activity = "while the grid was drawn"
    memory_settings = MappingProxyType({"grid.samples": "samples in a grid"})

    def __init__(self, every_images: int, samples: int, truncation: float) -> None:
        super().__init__(every_images)
        self.samples, self.truncation = samples, truncation

    def begin(self, session: Session) -> None:
        """Draw the real samples, and the generator before it has learnt anything."""
        if session.main and session.images == 0:
            count = min(self.samples, len(session.source))
            indices = np.sort(Sampler(session.runner.seed, len(session.source)).at(0, count))
            real = session.source.show(to_float(session.source.batch(indices)["image"]))
            write_grid(session, real, RunLayout(session.folder).real_grid)
            self.run(session)

    @torch.no_grad()
    def run(self, session: Session) -> None:
        """Draw the grid."""
        if not session.main:
            return
        labels = grid_labels(session.source.spec, self.samples) if session.runner.game.draws_labels else None
        labels = None if labels is None else labels.to(session.runner.accelerator.device)
        with session.runner.averaged() as game:
            roll_dice(game, Roll(session.runner.seed, "grid", rows=self.samples, total=self.samples))
            samples = game.sample(self.samples, labels, self.truncation).float().cpu()
        write_grid(session, session.source.show(samples), RunLayout(session.folder).grid(session.images))


def grid_labels(spec: DataSpec, count: int) -> Tensor | None:
    """Return labels that show what they do: classes in turn; the first condition across, the second one down.

    Returns:
        [count] or [count, K]; None where the data carry none.
    """
    if spec.classes:
        return torch.arange(count) % spec.classes
    if not spec.conditions:
        return None
    columns = math.ceil(math.sqrt(count))  # as the picture has them
    line, index = torch.linspace(-1, 1, max(columns, 2)), torch.arange(count)
    labels = torch.zeros(count, spec.conditions)
    labels[:, 0] = line[index % columns]
    if spec.conditions > 1:
        labels[:, 1] = line[index // columns]
    return labels


def write_grid(session: Session, picture: Image, path: Path) -> None:
    """Write a grid; where the disk refuses it, that is said, and the run goes on."""
    try:
        write_picture(picture, path)
    except OSError as error:
        text = f"the picture {path} could not be written ({error.strerror})"
        session.reporter.say(text)
        session.tracker.event(session.images, "notice", text)


def write_picture(picture: Image, path: Path) -> None:
    """Save a picture, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.tmp")
    picture.save(aside, "PNG")
    os.replace(aside, path)
