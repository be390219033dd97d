"""Processes that measure together."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import save_file

from ganforge.api.families import Metric
from ganforge.api.metric import FeatureOutput, SampleRequest, Samples
from ganforge.builtin.metrics.fid import FrechetDistance
from ganforge.builtin.metrics.inception_score import InceptionScore
from ganforge.builtin.metrics.kid import KernelDistance
from ganforge.builtin.metrics.pixel_variance import PixelVariance
from ganforge.builtin.metrics.precision_recall import PrecisionRecall
from ganforge.distributed.world import World
from ganforge.evaluation.batch import FeatureNetworks
from ganforge.evaluation.examination import Examination
from ganforge.evaluation.subject import GameSubject
from support.examinations import ArraySource, DiceGame, noise
from support.features import Random

REAL, FAKE, FEW = 77, 150, 30  # neither whole batches, nor as many for each process; a few are the first one's alone
METRICS: dict[str, Metric] = {
    "fid": FrechetDistance(features=Random(), samples=FAKE),
    "fid-of-few": FrechetDistance(features=Random(), samples=FEW, real=FEW),
    "kid": KernelDistance(features=Random(), samples=FAKE, subset=20, subsets=5),
    "inception-score": InceptionScore(features=Random(), samples=FAKE),
    "precision-recall": PrecisionRecall(features=Random(), samples=FAKE, real=REAL),
    "pixel-variance": PixelVariance(samples=FEW),
}


def examine(folder: Path) -> None:
    """Measure everything twice, with reference statistics computed and kept, and write what the main process found."""
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    torch.manual_seed(accelerator.process_index)  # processes differ in what must not matter
    world, source, game = World(accelerator), ArraySource(noise(REAL, 3, 8, 8)), DiceGame((3, 8, 8))
    game.frozen.eval()
    before = {key: value.clone() for key, value in game.state_dict().items()}
    views = {"features": FeatureOutput(Random()), "logits": FeatureOutput(Random(), "logits"), "samples": Samples()}
    for turn in ("computed", "kept"):
        networks = FeatureNetworks(accelerator.device)
        subject = GameSubject(game, source.spec, networks, 5, ema=True)
        exam = Examination(subject, source, networks, folder / "cache", 5, world=world)
        exam.gather(want for metric in METRICS.values() for want in metric.requests(source))
        exam.gather([SampleRequest(view, FAKE) for view in views.values()])
        if world.main:
            values = {name: dict(metric.measure(exam).values) for name, metric in METRICS.items()}
            (folder / f"{turn}.json").write_text(json.dumps({"values": values, "read": source.reads}))
            save_file({key: exam.rows(view, FAKE).clone() for key, view in views.items()}, folder / f"{turn}.rows")
        accelerator.wait_for_everyone()
    assert all(torch.equal(value, before[key]) for key, value in game.state_dict().items()), "the live model changed"
    assert game.training
    assert game.norm.training
    assert not game.frozen.training
    assert not any(game.modes), "samples are drawn in evaluation mode, without gradients"
    assert len(game.modes) == 2 * 2 * -(-FAKE // (64 * world.world_size)), "every process draws its share only"
