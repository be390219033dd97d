"""Readings of what the game makes and how it moves, taken for each line of the log."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from ganforge.api.data import DataSpec, Source, to_device
from ganforge.api.dice import Roll, roll_dice
from ganforge.api.sampler import Sampler, load_samples
from ganforge.diagnosis.readings import ORDER, data_readings, first_samples, sample_readings
from ganforge.training.callbacks.callback import Callback
from ganforge.training.runner import strip_prefix
from ganforge.training.session import Session


@torch.no_grad()
def overfit_reading(session: Session, held_out: Source, count: int) -> dict[str, float]:
    """Return r_v of Karras et al. 2020 (arXiv:2006.06676), eq. 1, as `discriminator/overfit`.

    It is (E[D(train)] - E[D(held out)]) / (E[D(train)] - E[D(generated)]): 0 = held-out samples look as real as those
    of the training set, 1 = as false as generated ones. Samples are not augmented, others each time. There is none
    while the discriminator does not prefer real samples.

    Args:
        session: at play; its game must score samples (`Game.score`).
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
    batch = load_samples(source, Sampler(ORDER, len(source)), session.images, count)
    batch = to_device(batch, session.runner.accelerator.device)
    return batch["image"], batch.get("label") if session.runner.game.draws_labels else None


LEAST, SHARE = 16, 0.05  # samples for a line: at least so many, at most this share of the images shown since the last
SINCE, BEFORE = "probe/since", "probe/weights/"  # what is kept of the line before: images shown, pieces of weights
PIECE = 4_096  # numbers of each weight that are compared with those of the line before


class ProbeCallback(Callback):
    """Adds to the next line of the log; runs just before `LogCallback`, as often.

    The same latents are drawn again and again from the averaged weights; the live game is not touched.

    Args:
        samples: at most so many; 0 = none.
        held_out: real samples that are never trained on, where there are any.
    """

    activity = "while readings were taken"
    memory_settings = MappingProxyType({"diagnosis.samples": "samples that readings are taken of"})

    def __init__(self, every_images: int, samples: int, held_out: Source | None = None) -> None:
        super().__init__(every_images)
        self.samples, self.held_out = samples, held_out

    def begin(self, session: Session) -> None:
        """At the start of a run, look at the data and at what an untrained generator makes."""
        if SINCE not in session.callback_state:  # not resumed
            self._remember(session)
        if session.images == 0:
            session.extra["data/count"] = float(len(session.source))  # every process knows that there will be a line
        if session.main and session.images == 0:
            session.extra |= {f"data/{name}": value for name, value in data_readings(session.source).items()}
            if self.samples:
                real, labels = first_samples(session.source, self.count(session))
                classes = labels if session.source.spec.classes else None
                session.extra |= _numbers("real", sample_readings(real, classes))
                session.extra |= self._grid(session)

    def rolled_back(self, session: Session) -> None:
        """Compare with the weights that the run was rolled back to."""
        self._remember(session)

    def run(self, session: Session) -> None:
        """Take readings; the main process alone."""
        if session.main:
            session.extra |= self._moved(session)
            if self.samples:
                session.extra |= self._grid(session)
            if self.held_out is not None and self.samples:
                session.extra |= overfit_reading(session, self.held_out, self.count(session))
        self._remember(session)

    def count(self, session: Session) -> int:
        """Return how many samples are drawn for a line: always as many, and few enough to cost little."""
        between = max(self.every_images or 0, session.recipe.run.batch)
        return min(self.samples, max(LEAST, int(SHARE * between)))

    @torch.no_grad()
    def _grid(self, session: Session) -> dict[str, float]:
        count, spec = self.count(session), session.source.spec
        labels = probe_labels(spec, count) if session.runner.game.draws_labels else None
        labels = None if labels is None else labels.to(session.runner.accelerator.device)
        with session.runner.averaged() as game:
            roll_dice(game, Roll(session.runner.seed, "probe", rows=count, total=count))
            samples = game.sample(count, labels)
        return _numbers("grid", sample_readings(samples, labels if spec.classes else None))

    @torch.no_grad()
    def _moved(self, session: Session) -> dict[str, float]:
        """Return by player how far its weights went since the line before, relative to their length."""
        since = session.images - int(session.callback_state[SINCE])
        if 2 * since < (self.every_images or 0):  # a line came early, or late
            return {}
        before = strip_prefix(BEFORE, session.callback_state)
        ways = {
            f"weights/{name}_moved": (now - before[name]).norm() / before[name].norm().clamp(min=1e-12)
            for name, now in _pieces(session)
        }
        return dict(zip(ways, torch.stack(list(ways.values())).tolist(), strict=True))

    def _remember(self, session: Session) -> None:
        if session.main:
            session.callback_state |= {f"{BEFORE}{name}": piece for name, piece in _pieces(session)}
        session.callback_state[SINCE] = torch.tensor(session.images)


def probe_labels(spec: DataSpec, count: int) -> Tensor | None:
    """Return labels to draw by: classes evenly, 4 of each or more; None without labels."""
    if spec.classes:
        drawn = min(spec.classes, max(count // 4, 1))  # of many classes some, evenly chosen
        return torch.arange(count) % drawn * spec.classes // drawn
    if spec.conditions:
        order = np.random.PCG64(0).random_raw(count * spec.conditions)
        return torch.from_numpy((order / 2**63 - 1).astype(np.float32)).view(count, spec.conditions)
    return None


def _pieces(session: Session) -> Iterator[tuple[str, Tensor]]:
    for name, player in session.runner.players.items():
        yield name, torch.cat([_piece(parameter.detach()).reshape(-1).float() for parameter in player.parameters])


def _piece(weight: Tensor) -> Tensor:
    """Return the first rows of a weight, of about PIECE numbers."""
    return weight if weight.numel() <= PIECE else weight[: max(PIECE * len(weight) // weight.numel(), 1)]


def _numbers(group: str, values: dict[str, Tensor]) -> dict[str, float]:
    found = torch.stack([value.float() for value in values.values()]).tolist()  # one transfer for all
    return dict(zip([f"{group}/{name}" for name in values], found, strict=True))
