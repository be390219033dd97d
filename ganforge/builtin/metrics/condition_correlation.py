"""How well generated samples follow continuous conditions."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.data import KnownConditions
from ganforge.errors import DataError
from ganforge.families import Metric
from ganforge.metric import Exam, Measurement
from ganforge.network import Draw


class ConditionCorrelation(Metric):
    """Correlation of what samples were asked to show with what they show, condition by condition.

    Conditional generation: Mirza & Osindero 2014, arXiv:1411.1784. Conditions are drawn uniformly from [-1, 1], and
    measured in the samples where the data know how. Values: `condition-correlation`, the least of Pearson's
    coefficients over the conditions, and `condition-error`, the root mean square of measured minus asked, over all.
    """

    kind: Literal["condition-correlation"] = "condition-correlation"
    better: ClassVar[Literal["lower", "higher"]] = "higher"
    samples: int = Field(default=1_000, ge=3, le=1_000_000, description="generated samples")

    def measure(self, exam: Exam) -> Measurement:
        """Return the two values and their receipt.

        Raises:
            DataError: the data have no conditions, or cannot tell them from a sample.
        """
        source = exam.source
        if not isinstance(source, KnownConditions) or not source.spec.conditions:
            raise DataError(
                "condition-correlation needs data whose continuous conditions can be measured; choose data such as "
                'shapes with labels = "conditions", or another metric'
            )

        def question(draw: Draw) -> Tensor:  # [B, 2, K]
            assert draw.labels is not None
            return torch.stack([draw.labels, source.measure(draw.generator(draw.latents, draw.labels))], 1)

        asked, found = torch.cat([answer.cpu().double() for answer in exam.probe(question, self.samples)]).unbind(1)
        together = torch.corrcoef(torch.cat([asked, found], 1).T).nan_to_num(0.0)
        each = together.diagonal(source.spec.conditions)
        values = {
            "condition-correlation": each.min().item(),
            "condition-error": (found - asked).square().mean().sqrt().item(),
        }
        return Measurement(values, {**exam.receipt(), "fake": self.samples})
