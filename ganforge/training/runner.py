"""Plays a game: gradients, steps, averages. Knows no GAN by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from ganforge.api.collective import all_collectives, collectives_open
from ganforge.api.data import Batch
from ganforge.api.dice import Roll, all_dice, derive_seed
from ganforge.api.game import Game, Terms, Turn
from ganforge.api.schedule import set_clocks
from ganforge.api.tally import all_tallies
from ganforge.diagnosis.divergence import agree_on_error, divergence_error, find_divergence
from ganforge.diagnosis.memory import turn_memory_error
from ganforge.distributed.all_reduce import all_reduce
from ganforge.distributed.sync_batchnorm import local_batchnorms
from ganforge.errors import DivergedError
from ganforge.evaluation.subject import evaluation_mode
from ganforge.training.player import Player

Report = dict[str, Tensor]  # name -> [], on the device
ROLLBACK_LR_FACTOR = 0.5  # what learning rates are multiplied by for each roll-back


class Runner:
    """Lets every player take its turns, round after round.

    Args:
        game: on the accelerator's device.
        players: by the name of the child of the game.
        accelerator: of Accelerate; its own gradient accumulation stays at 1.
        batch: images a round, over all processes.
        batches: (after_images, batch) in ascending order: what that number is from so many images shown on.
        microbatches: parts that each process splits its share into, to save memory.
        seed: of everything drawn at random.

    `rollbacks` counts how often the run was rolled back: all is drawn anew then, at half the learning rates.
    """

    def __init__(
        self,
        game: Game,
        players: Mapping[str, Player],
        accelerator: Accelerator,
        *,
        batch: int,
        batches: Sequence[tuple[int, int]] = (),
        microbatches: int = 1,
        seed: int = 0,
    ) -> None:
        self.game, self.players, self.accelerator, self.seed = game, dict(players), accelerator, seed
        self.turns: Sequence[Turn] = tuple(game.turns())
        self.batches, self.microbatches = ((0, batch), *batches), microbatches
        self.round = self.images = self.rollbacks = 0
        self._dice, self._tallies = all_dice(game), all_tallies(game)
        self._collectives, self._norms = all_collectives(game), local_batchnorms(game)

    @property
    def batch(self) -> int:
        """Images in the next round, over all processes: a function of the images shown, so that resuming is exact."""
        return next(batch for after, batch in reversed(self.batches) if after <= self.images)

    @property
    def rows(self) -> int:
        """Rows of the next global batch that this process plays."""
        processes: int = self.accelerator.num_processes
        return self.batch // processes

    @property
    def starts(self) -> list[int]:
        """The row of the global batch where each micro-batch of this process begins.

        Micro-batches are cut from the global batch and then shared out, so that the samples that are computed together
        are the same however many processes there are.
        """
        index: int = self.accelerator.process_index
        whole, own = self.batch // self.microbatches, self.rows // self.microbatches
        return [micro * whole + index * own for micro in range(self.microbatches)]

    def play_round(self, batch: Batch) -> Report:
        """Let every due turn step once on this process's share of the batch; return the mean of each term.

        Raises:
            DivergedError: a gradient was not finite; that turn's step was not taken.
            MemoryShortageError: memory ran out in a turn.
        """
        set_clocks(self.game, self.images)
        self.game.begin_round(self.images)
        report: Report = {}
        for turn in self.turns:
            if turn.due(self.round, self.images):
                try:
                    report |= self.take(turn, batch)
                except (RuntimeError, MemoryError) as error:
                    when = f"after {self.images:,} images shown (round {self.round})"
                    short = turn_memory_error(error, self.game, turn.name, when)
                    if short is None:
                        raise
                    self.players[turn.player].optimizer.zero_grad(set_to_none=True)
                    raise short from error
        report |= self.game.readings()
        shown = self.batch
        self.round, self.images = self.round + 1, self.images + shown
        for player in self.players.values():
            if player.ema is not None:
                player.ema.update(self.images, shown)
        return report

    def take(self, turn: Turn, batch: Batch) -> Report:
        """Let one player take one step down one objective."""
        player = self.players[turn.player]
        self.game.requires_grad_(False)
        for parameter in player.parameters:
            parameter.requires_grad_(True)
        player.optimizer.zero_grad(set_to_none=True)
        report: Report = {}
        with collectives_open(self._collectives, self.accelerator.num_processes, self.accelerator.process_index):
            for index, micro in enumerate(split_batch(batch, self.microbatches)):
                self._roll(turn.name, index)
                with self.accelerator.autocast():
                    means = {name: term.mean() for name, term in turn.objective(micro).items()}
                    loss = torch.stack(list(means.values())).sum() * (turn.gain / self.microbatches)
                self.accelerator.backward(loss)
                for name, mean in means.items():
                    key, share = f"{turn.player}/{name}", mean.detach() / self.microbatches
                    report[key] = report[key] + share if key in report else share
        norms = [norm for norm in self._norms if norm.training]
        all_reduce(player.parameters, self._tallies, norms, self.accelerator)
        gradients = [parameter.grad for parameter in player.parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if not torch.isfinite(norm):
            raise self._what_went_wrong(turn, batch, report)
        player.step(self.images, ROLLBACK_LR_FACTOR**self.rollbacks)
        report[f"{turn.name}/gradient_norm"] = norm
        return report

    def _roll(self, purpose: str, micro: int) -> None:
        start, rows = self.starts[micro], self.rows // self.microbatches
        # after a roll-back, another chance
        chance = derive_seed(self.seed, "rollbacks", self.rollbacks) if self.rollbacks else self.seed
        roll = Roll(chance, purpose, self.images, start, rows, self.batch)
        for path, dice in self._dice:
            dice.set_roll(path, roll)
        # Foreign modules (nn.Dropout, say) draw from the global generator: it too becomes a function of the place.
        seed = derive_seed(chance, purpose, self.images, roll.start)
        torch.default_generator.manual_seed(seed)
        if self.accelerator.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def _what_went_wrong(self, turn: Turn, batch: Batch, report: Report) -> DivergedError:
        where = f"after {self.images:,} images shown (round {self.round}) the gradient of turn '{turn.name}'"
        names = {parameter: name for name, parameter in self.game.named_parameters()}
        gradients = {names[p]: p.grad for p in self.players[turn.player].parameters if p.grad is not None}
        own = divergence_error(where, turn.player, gradients, report, lambda: self._autopsy(turn, batch))
        return agree_on_error(own, self.accelerator)

    def _autopsy(self, turn: Turn, batch: Batch) -> DivergedError | None:
        """Play the turn's forward once more and look closely, micro-batch by micro-batch."""
        for index, micro in enumerate(split_batch(batch, self.microbatches)):

            def again(index: int = index, micro: Batch = micro) -> Terms:
                self._roll(turn.name, index)
                with self.accelerator.autocast():
                    return turn.objective(micro)

            found = find_divergence(self.game, micro, again)
            if found is not None:
                return found
        return None

    @contextmanager
    def averaged(self) -> Iterator[Game]:
        """The game in eval mode, with averaged weights in place of the live ones where players have an average."""
        averages = {name: player.ema.average for name, player in self.players.items() if player.ema is not None}
        with evaluation_mode(self.game):
            for name, average in averages.items():
                setattr(self.game, name, average)
            set_clocks(self.game, self.images)
            try:
                yield self.game
            finally:
                for name in averages:
                    setattr(self.game, name, self.players[name].network)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that a resumed run needs: tensors by path, and facts that JSON can hold."""
        tensors = {f"game/{key}": value for key, value in self.game.state_dict().items()}
        facts: dict[str, Any] = {"round": self.round, "images": self.images, "rollbacks": self.rollbacks, "players": {}}
        for name, player in self.players.items():
            player_tensors, facts["players"][name] = player.state()
            tensors |= {f"player/{name}/{key}": value for key, value in player_tensors.items()}
        return tensors, facts

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take on what `state` gave: from here on everything is as if the run had never stopped."""
        self.game.load_state_dict(strip_prefix("game/", tensors))
        for tally in self._tallies:
            tally.pending.zero_()  # of a turn that was not finished
        for name, player in self.players.items():
            player.restore(strip_prefix(f"player/{name}/", tensors), facts["players"][name])
        self.round, self.images, self.rollbacks = int(facts["round"]), int(facts["images"]), int(facts["rollbacks"])


def strip_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the entries whose path begins with `prefix`, without it."""
    return {path.removeprefix(prefix): tensor for path, tensor in tensors.items() if path.startswith(prefix)}


def split_batch(batch: Batch, parts: int) -> Iterator[Batch]:
    """Cut every entry of a batch into equal parts."""
    pieces = {name: value.chunk(parts) for name, value in batch.items()}
    for index in range(parts):
        yield {name: chunks[index] for name, chunks in pieces.items()}
