"""Whether the discriminator knows its training set by heart."""

from __future__ import annotations

import torch
from torch import Tensor

from ganforge.data import Source, place
from ganforge.data_checks import ORDER
from ganforge.dice import Roll, roll_dice
from ganforge.sampler import Sampler, load
from ganforge.session import Session


@torch.no_grad()
def overfit(session: Session, held_out: Source, count: int) -> dict[str, float]:
    """Return r_v of Karras et al. 2020 (arXiv:2006.06676), eq. 1, as `discriminator/overfit`.

    It is (E[D(train)] - E[D(held out)]) / (E[D(train)] - E[D(generated)]): 0 = held-out samples look as real as those
    of the training set, 1 = as false as generated ones. Samples are not augmented, others each time. There is none
    while the discriminator does not prefer real samples.

    Args:
        session: at play; its game must score samples (`Game.score`).
        held_out: real samples that are never trained on.
        count: samples of each kind.
    """
    with session.runner.averaged() as game:
        train, labels = _some(session, session.source, count)
        unseen, their_labels = _some(session, held_out, count)
        roll_dice(game, Roll(session.runner.seed, "overfit", session.images, rows=count, total=count))
        made = game.sample(count, labels)
        scores = [game.score(*pair) for pair in ((train, labels), (unseen, their_labels), (made, labels))]
    of_train, of_unseen, of_made = torch.stack([score.float().mean() for score in scores]).tolist()
    gap = of_train - of_made
    return {"discriminator/overfit": (of_train - of_unseen) / gap} if gap > 1e-6 else {}


def _some(session: Session, source: Source, count: int) -> tuple[Tensor, Tensor | None]:
    batch = load(source, Sampler(ORDER, len(source)), session.images, count)
    batch = place(batch, session.runner.accelerator.device)
    return batch["image"], batch.get("label") if session.runner.game.draws_labels else None
