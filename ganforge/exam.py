"""The samples that metrics look at: drawn from a game, or read from the reference data."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

import ganforge
from ganforge.data import Source, to_float, to_uint8
from ganforge.dice import BLOCK, Roll, roll_dice
from ganforge.errors import GanforgeError
from ganforge.game import Game
from ganforge.metric import Exam, Receipt
from ganforge.network import Draw
from ganforge.sampler import Sampler

ORDER = 0  # seed of the fixed shuffle of the reference: the same for every run, so that runs share statistics


class GameExam(Exam):
    """A game under examination.

    A sample depends on the weights, the seed and its number, not on the size of its batch or on how many are drawn. The
    game is put in evaluation mode only while it draws, and every module gets back the mode that it had.

    Args:
        game: whose samples are examined; averaged weights are swapped in by the caller.
        source: the reference data.
        device: that the game is on.
        cache: a folder for reference statistics, shared by runs.
        seed: of the latents and whatever else is drawn at random.
        truncation: in (0, 1]; see `Game.sample`.
        ema: whether the averaged weights are swapped in, for the receipt.
    """

    def __init__(
        self,
        game: Game,
        source: Source,
        device: torch.device,
        cache: Path,
        seed: int,
        *,
        truncation: float = 1.0,
        ema: bool = False,
    ) -> None:
        self.game, self.source, self.device, self.cache, self.seed = game, source, device, cache, seed
        self.truncation, self.ema = truncation, ema

    def fakes(self, count: int, batch: int = 64) -> Iterator[Tensor]:
        """Yield `count` generated samples in batches; the same ones for the same seed and weights.

        Raises:
            GanforgeError: a sample is NaN or infinite.
        """
        images = len(self.source.spec.shape) == 3
        for samples in self._ask(lambda rows: self.game.sample(rows, None, self.truncation), count, batch):
            yield to_uint8(samples) if images else samples

    def probe(self, question: Callable[[Draw], Tensor], count: int, batch: int = 64) -> Iterator[Tensor]:
        """Yield `question(draw)` [B, ...] for `count` draws in batches; the truncation is not applied.

        Raises:
            GanforgeError: an answer is NaN or infinite, or the game has no single generator.
        """
        return self._ask(lambda rows: question(self.game.draw(rows)), count, batch)

    def classify(self, samples: Tensor) -> Tensor:
        """Return what the game itself makes of samples [B, *shape] as they would be saved: logits [B, classes].

        Raises:
            GanforgeError: the game has no classifier.
        """
        with evaluating(self.game), torch.no_grad():
            roll_dice(self.game, Roll(self.seed, "exam", rows=len(samples), total=len(samples)))
            return self.game.classify(to_float(samples.to(self.device))).float()

    def _ask(self, make: Callable[[int], Tensor], count: int, batch: int) -> Iterator[Tensor]:
        total = -(-count // BLOCK) * BLOCK
        for start in range(0, count, batch):
            rows = min(batch, count - start)
            with evaluating(self.game), torch.no_grad():
                roll_dice(self.game, Roll(self.seed, "exam", start=start, rows=rows, total=total))
                found = make(rows).float()
            if not bool(torch.isfinite(found).all()):
                raise GanforgeError(
                    f"generated samples {start} to {start + rows - 1} hold NaN or infinity, so that no metric of them "
                    "means anything; sample an earlier checkpoint, or train with a lower learning rate"
                )
            yield found

    def reals(self, count: int, batch: int = 64) -> Iterator[Tensor]:
        """Yield the first `count` real samples of a fixed shuffle, or all where there are fewer."""
        order = Sampler(ORDER, len(self.source)).permutation(0)[:count]
        for start in range(0, len(order), batch):
            yield self.source.batch(order[start : start + batch])["image"].to(self.device)

    def receipt(self) -> Receipt:
        """Return how the samples come about; metrics add how many they took."""
        return {
            "reference": self.source.fingerprint,
            "reference-samples": len(self.source),
            "seed": self.seed,
            "truncation": self.truncation,
            "ema": self.ema,
            "ganforge": ganforge.__version__,
            "torch": str(torch.__version__),
            "torch-fidelity": importlib.metadata.version("torch-fidelity"),
        }


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put every module below `module` in evaluation mode, and give each back the mode that it had."""
    modes = [(child, child.training) for child in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for child, mode in modes:
            child.training = mode
