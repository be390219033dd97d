"""Parts of a data set, and labels that are kept: the same for every seed, on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from ganforge.api import DataError, derive_seed
from ganforge.builtin.data.sources.pixels import Check, ImageDataset, PixelSource

Part = Literal["all", "train", "test"]
HELD_OUT = 5  # one in so many samples is held out
UNLABELLED = -1  # the label of a sample whose class nobody knows


class SplitDataset(ImageDataset):
    """Images of which a part can be held out, and of which few labels can be known."""

    labels: bool = Field(default=False, description="label each image with its class")
    part: Part = Field(
        default="all", description="train = four fifths, test = the fifth held out, always the same; all = both"
    )
    labelled: PositiveInt | None = Field(
        default=None, description="how many labels of this part stay known, as many of each class; left out: all"
    )

    @model_validator(mode="after")
    def _check_labelled(self) -> Self:
        if self.labelled is not None and not self.labels:
            raise ValueError("labelled says how many labels stay known, and labels is false; write labels = true")
        return self

    def source(
        self,
        pixels: np.ndarray,
        content: str,
        labels: np.ndarray | None,
        classes: int,
        class_names: Sequence[str],
        skipped: int = 0,
        check: Check | None = None,
    ) -> PixelSource:
        """Return the part that was asked for, with the labels that stay known; arguments as for `PixelSource`.

        Raises:
            DataError: nothing is in that part, or there are too few samples of a class.
        """
        rows = part_rows(self.part, len(pixels))
        if rows is not None and not len(rows):
            raise DataError(f'{len(pixels)} images are too few to have a part = "{self.part}"; use part = "all"')
        if labels is not None and rows is not None:
            labels = labels[rows]
        if labels is not None and self.labelled is not None:
            labels = hide_labels(labels, classes, self.labelled)
        return PixelSource(
            pixels,
            content,
            rows=rows,
            labels=labels,
            classes=classes if labels is not None else 0,
            class_names=class_names if labels is not None else (),
            mirror=self.mirror,
            skipped=skipped,
            check=check,
        )


def part_rows(part: Part, count: int) -> np.ndarray | None:
    """Return which of `count` samples belong to a part, ascending; None = all of them.

    The samples held out are a fifth, drawn once and for all without looking at them: a regular step would follow any
    order that the data have.
    """
    if part == "all":
        return None
    order = np.random.Generator(np.random.PCG64(derive_seed("part", count))).permutation(count)
    held = count // HELD_OUT
    return np.sort(order[:held] if part == "test" else order[held:])


def hide_labels(labels: np.ndarray, classes: int, known: int) -> np.ndarray:
    """Return labels [n] of which `known` are left, as many of each class as of any other, give or take one.

    Raises:
        DataError: there are not so many of a class, or fewer than one of each are asked for.
    """
    if known < classes:
        raise DataError(f"labelled = {known} leaves a class of {classes} without any label; expected {classes} or more")
    kept = np.full_like(labels, UNLABELLED)
    order = np.random.Generator(np.random.PCG64(derive_seed("labelled", len(labels)))).permutation(len(labels))
    for label in range(classes):
        wanted = known // classes + (label < known % classes)
        own = order[labels[order] == label][:wanted]
        if len(own) < wanted:
            raise DataError(
                f"labelled = {known} asks for {wanted} samples of each class, and there are {len(own)} of class "
                f"{label}; ask for fewer"
            )
        kept[own] = label
    return kept
