"""The correlation of generated samples with the continuous conditions that they were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field

from ganforge.api import (
    Better,
    DataError,
    Exam,
    KnownConditions,
    Labels,
    Measurement,
    Metric,
    SampleRequest,
    Samples,
    Source,
    to_float,
)


class ConditionCorrelation(Metric):
    """Correlation of what samples were asked to show with what they show, condition by condition.

    Conditional generation: Mirza & Osindero 2014, arXiv:1411.1784. Conditions are drawn uniformly from [-1, 1], and
    measured in the samples where the data know how. Values: `condition-correlation`, the least of Pearson's
    coefficients over the conditions, and `condition-error`, the root mean square of measured minus asked, over all.
    """

    kind: Literal["condition-correlation"] = "condition-correlation"
    samples: int = Field(default=1_000, ge=3, le=1_000_000, description="generated samples")

    def directions(self) -> Mapping[str, Better | None]:
        """Return the names of its values, and which way each is better."""
        return {"condition-correlation": "higher", "condition-error": "lower"}

    def requests(self, source: Source) -> Sequence[SampleRequest]:
        """Samples, as they would be saved, and the conditions that they were asked to show.

        Raises:
            DataError: the data have no conditions, or cannot tell them from a sample.
        """
        if not isinstance(source, KnownConditions) or not source.spec.conditions:
            raise DataError(
                "condition-correlation needs data whose continuous conditions can be measured; choose data such as "
                'shapes with labels = "conditions", or another metric'
            )
        return SampleRequest(Samples(), self.samples), SampleRequest(Labels(), self.samples)

    def measure(self, exam: Exam) -> Measurement:
        """Return the two values and their receipt."""
        source = exam.source
        assert isinstance(source, KnownConditions)
        samples, asked = exam.rows(Samples(), self.samples), exam.rows(Labels(), self.samples).double()
        found = torch.cat([source.measure(to_float(part)) for part in torch.split(samples, 64)]).double()
        together = torch.corrcoef(torch.cat([asked, found], 1).T).nan_to_num(0.0)
        each = together.diagonal(exam.source.spec.conditions)
        values = {
            "condition-correlation": each.min().item(),
            "condition-error": (found - asked).square().mean().sqrt().item(),
        }
        return Measurement(values, {**exam.receipt(), "fake": len(samples)})
