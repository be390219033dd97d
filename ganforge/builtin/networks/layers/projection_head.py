"""The last layer of a discriminator that knows labels."""

from __future__ import annotations

from torch import Tensor, nn

from ganforge.api import DataSpec


class ProjectionHead(nn.Module):
    """Scores features h of a label y with w h + b + (V y) . h (Miyato & Koyama 2018, arXiv:1802.05637, eq. 8).

    Classes y are one-hot, continuous conditions as they are; without labels only the first two terms are left.

    Args:
        features: numbers in h.
        data: what the labels mean.
    """

    def __init__(self, features: int, data: DataSpec) -> None:
        super().__init__()
        self.data = data
        self.score = nn.Linear(features, 1)
        self.embedding = nn.Linear(data.label_size, features, bias=False) if data.label_size else None

    def forward(self, features: Tensor, labels: Tensor | None) -> Tensor:
        """Return logits [B] of features [B, F]."""
        logits: Tensor = self.score(features).squeeze(1)
        if self.embedding is not None:
            logits = logits + (self.embedding(self.data.encode(labels)) * features).sum(1)
        return logits
