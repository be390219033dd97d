"""What became NaN first is named: the data, a weight, a layer's output, a term, or the gradient at a layer."""

from __future__ import annotations

import pytest
import torch
from support.installed import catalogue
from support.toys import ToySource, batches, gan_table, runner_of
from torch import Tensor, nn

from ganforge.api.data import DataSpec
from ganforge.api.plan import Plan
from ganforge.cli.messages import error_text
from ganforge.diagnosis.divergence import find_divergence
from ganforge.diagnosis.panel import divergence_finding
from ganforge.errors import DivergedError

SPEC = DataSpec((1, 8, 8))


class Spoil(nn.Module):
    """Passes on what it gets, with one number spoilt in the forward or in the backward."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, values: Tensor) -> Tensor:
        if self.how == "forward":
            values = values.clone()
            values[0] = torch.nan
        elif self.how == "backward":
            values = values + (values - values.detach()).square().sum().sqrt()  # sqrt has no slope at 0
        return values


def failing(how: str, after: int, **changes) -> DivergedError:
    """The error of a round in which a layer of the discriminator was spoilt."""
    runner = runner_of(gan_table(discriminator__network__depth=3, **changes), SPEC)
    layers = next(part for part in runner.game.discriminator.modules() if isinstance(part, nn.Sequential))
    layers.insert(after, Spoil(how))
    (batch,) = batches(runner, ToySource(SPEC), 1)
    with pytest.raises(DivergedError) as caught:
        runner.play_round(batch)
    return caught.value


@pytest.mark.parametrize("after", [1, 3])
def test_a_layer_that_spoils_the_forward(after: int):
    error = failing("forward", after)
    assert error.layer is not None
    assert error.layer.endswith(f".{after}")
    assert (error.player, error.term) == ("discriminator", "adversarial")
    assert "(Spoil), though its input was finite" in str(error)


def test_a_layer_that_spoils_the_backward():
    error = failing("backward", 3)
    assert error.term is None
    assert error.layer is not None
    assert error.layer.endswith(".2"), "its gradient is the first that is wrong: the output of the layer before"
    assert "gradient by the output of" in str(error)
    assert "every value before it was finite" in str(error)


def test_micro_batches_are_looked_at_one_by_one():
    runner = runner_of(gan_table(), SPEC, microbatches=2)
    (batch,) = batches(runner, ToySource(SPEC), 1)
    batch = dict(batch)
    batch["image"] = batch["image"].clone()
    batch["image"][9] = torch.inf
    with pytest.raises(
        DivergedError, match=r"the batch itself: 'image' holds NaN or infinity in 1 of 8 samples"
    ) as found:
        runner.play_round(batch)
    said = divergence_finding(found.value, Plan({}))
    assert said.symptom == "the data themselves hold NaN or infinity, in 'image'"
    assert said.remedies == (), "no learning rate mends broken data"


def test_a_gradient_that_is_finite_and_whose_norm_is_not():
    runner = runner_of(gan_table(), SPEC)
    keep = runner.game.discriminator_terms
    runner.game.discriminator_terms = lambda duel, regularizers: {
        name: value * 1e30 for name, value in keep(duel, regularizers).items()
    }
    (batch,) = batches(runner, ToySource(SPEC), 1)
    with pytest.raises(DivergedError, match=r"is too large: .* finite, up to .* in discriminator\.") as found:
        runner.play_round(batch)
    rates = {"generator": 1e-3, "discriminator": 10.0}
    plan = Plan({"game": {name: {"optimizer": {"lr": lr}} for name, lr in rates.items()}}, installed=catalogue())
    assert divergence_finding(found.value, plan).remedies[:2] == (
        "game.discriminator.optimizer.lr=0.0002",  # far above what Adam bears: not a quarter of it, but the usual rate
        "game.generator.optimizer.lr=0.00025",
    ), "the faster player first"


def test_a_loss_that_is_not_finite():
    runner = runner_of(gan_table(), SPEC)
    keep = runner.game.discriminator_terms

    def judge(duel, regularizers):
        return {**keep(duel, regularizers), "odd": torch.log(duel.real_logits.sum() * 0)}

    runner.game.discriminator_terms = judge
    (batch,) = batches(runner, ToySource(SPEC), 1)
    with pytest.raises(DivergedError, match="term 'odd': what layers gave it was finite") as caught:
        runner.play_round(batch)
    assert caught.value.term == "odd"


def test_weights_that_are_spoilt_already():
    runner = runner_of(gan_table(), SPEC)
    with torch.no_grad():
        next(runner.game.generator.parameters()).view(-1)[0] = torch.nan
    (batch,) = batches(runner, ToySource(SPEC), 1)
    with pytest.raises(DivergedError, match=r"the weights 'generator\.[\w.]+' hold NaN or infinity already"):
        runner.play_round(batch)


def test_nothing_is_found_where_all_is_well_and_hooks_are_gone():
    layer = nn.Linear(2, 1)
    game = nn.Sequential(layer)
    rows = torch.ones(3, 2)
    assert find_divergence(game, {"image": rows}, lambda: {"loss": game(rows)}) is None
    assert not layer._forward_hooks


def test_what_may_be_tried_is_added_to_the_error():
    error = DivergedError("it failed", player="generator", layer="generator.1").with_remedies(("a=1", 'b={kind="x"}'))
    assert str(error) == 'it failed\n  try a=1\n  try b={kind="x"}'
    assert error_text(error) == "it failed\n  try --set a=1\n  try --set 'b={kind=\"x\"}'", "to be pasted into a shell"
    assert (error.player, error.layer) == ("generator", "generator.1")


def test_a_critic_that_nothing_holds_back_is_held_back_first_thing_after_its_rate():
    error = DivergedError("too large", player="discriminator")
    player = {"optimizer": {"kind": "sgd", "lr": 10.0}, "regularizers": []}
    players = {"discriminator": player, "generator": player}
    plan = Plan({"game": {"loss": "wasserstein", **players}}, installed=catalogue())
    assert divergence_finding(error, plan).remedies[:2] == (
        "game.discriminator.optimizer.lr=0.01",
        'game.discriminator.regularizers.0="gradient-penalty"',
    )


@pytest.mark.parametrize(("player", "helps"), [("discriminator", True), ("generator", False)])
def test_what_offers_itself_against_divergence_comes_last_and_for_the_discriminator_alone(player: str, helps: bool):
    players = {name: {"optimizer": {"kind": "adam", "lr": 1e-3}, "regularizers": []} for name in ("generator", player)}
    said = divergence_finding(DivergedError("too large", player=player), Plan({"game": players}, installed=catalogue()))
    assert (said.remedies[-1] == 'game.discriminator.regularizers.0={ kind = "r1", gamma = 1.0 }') is helps
