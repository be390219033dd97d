"""Reasons against comparing a value with those of papers, for receipts."""

from __future__ import annotations

from ganforge.api import Features, Receipt
from ganforge.builtin.features.parts.published_weights import PublishedFeatures

ENOUGH_SAMPLES = 10_000  # samples below which no value is compared with those of papers


def comparability_warning(features: Features, receipt: Receipt, samples: int, few: str) -> str | None:
    """Return a warning, or None.

    Args:
        features: that were compared.
        receipt: which says what weights they had.
        samples: that were taken, of whichever side had fewer.
        few: what it means that they are fewer than `ENOUGH_SAMPLES`.
    """
    found: list[str] = []
    if samples < ENOUGH_SAMPLES:
        found.append(f"{samples:,} samples are fewer than {ENOUGH_SAMPLES:,}: {few}")
    if isinstance(features, PublishedFeatures):
        published = features.publication.sha256
        if not str(receipt["weights-sha256"]).startswith(published):
            found.append(f"the weights are not the published ones (sha256 {published[:8]}...)")
    return "; ".join(found) or None
