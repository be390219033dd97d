"""How often generated samples are of the class that they were asked to be of."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.builtin.metrics.recogniser import train_recogniser
from ganforge.data import to_uint8
from ganforge.families import Metric
from ganforge.metric import Exam, Measurement
from ganforge.network import Draw


class ClassRecognition(Metric):
    """Share of generated samples that a classifier of real ones takes for the class asked for.

    Discriminability as Odena et al. 2017 measure it (arXiv:1610.09585, sec. 4.1), by a support vector machine on the
    pixels instead of an Inception network: for small images of simple things. Values: `class-recognition`, and
    `class-recognition-of-real`, the same classifier's accuracy on real samples that it did not learn from.
    """

    kind: Literal["class-recognition"] = "class-recognition"
    better: ClassVar[Literal["lower", "higher"]] = "higher"
    samples: int = Field(default=1_000, ge=1, le=1_000_000, description="generated samples")
    real: int = Field(
        default=5_000, ge=10, le=50_000, description="real samples to learn from, and to check by, at most"
    )

    def measure(self, exam: Exam) -> Measurement:
        """Return the two values and their receipt.

        Raises:
            DataError: the data have no classes.
        """
        recogniser = train_recogniser(exam.source, self.real)
        images = len(exam.source.spec.shape) == 3

        def question(draw: Draw) -> Tensor:  # [B]: 1 where it is recognised
            assert draw.labels is not None
            samples = draw.generator(draw.latents, draw.labels)
            seen = recogniser.classify(to_uint8(samples) if images else samples)
            return (seen == draw.labels.cpu()).float()

        right = torch.cat([answer.cpu() for answer in exam.probe(question, self.samples)])
        values = {"class-recognition": right.mean().item(), "class-recognition-of-real": recogniser.accuracy}
        return Measurement(values, {**exam.receipt(), "fake": self.samples, "recogniser-learnt": recogniser.learnt})
