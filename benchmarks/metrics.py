"""Our metrics against torch-fidelity's own pipeline: generator, features and values, interleaved.

    python benchmarks/metrics.py [--samples 512] [--repeats 5] [--features efficientnet-lite0|inception] [GAME ...]

Both draw the same number of images from the same generator in memory, in batches of 64 and as 8-bit images, look at
them through the same network, and compute FID, KID and the classifier's score (whatever the features, they are called
so here) with the same settings. Neither writes a PNG. Both have the reference's features in their cache, and
torch-fidelity is spared what it does at each call, to load the network. `inception` has weights that are made up: they
cost as much. Prints the median of each and the median of the ratios of neighbouring measurements, theirs / ours (above
1, ours is faster), by the wall and by the processor's time, which others on the same machine disturb less.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch_fidelity
from accelerate import Accelerator
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from ganforge.api.data import Batch, DataSpec, Source, to_uint8
from ganforge.api.dice import Roll, roll_dice
from ganforge.api.families import Features, Metric
from ganforge.api.game import Game
from ganforge.api.metric import FeatureNetwork
from ganforge.builtin.features.inception import Inception
from ganforge.builtin.metrics.fid import FrechetDistance
from ganforge.builtin.metrics.inception_score import InceptionScore
from ganforge.builtin.metrics.kid import KernelDistance
from ganforge.evaluation.batch import FeatureNetworks
from ganforge.evaluation.examination import Examination
from ganforge.evaluation.subject import GameSubject
from ganforge.plugins.loading import load_catalogue
from ganforge.recipes.recipe import Recipe
from ganforge.training.build import build_runner, keep_freed_memory

BATCH, SUBSET, SUBSETS = 64, 200, 10
ADAM = {"lr": 2e-3, "betas": [0.0, 0.99]}
NETWORKS = {
    "dcgan": ({"kind": "dcgan", "latent": 100, "width": 64}, {"kind": "dcgan", "width": 64}),
    "stylegan2": (
        {"kind": "stylegan2", "latent": 64, "style": 64, "mapping_layers": 2, "channel_base": 2048, "channel_max": 128},
        {"kind": "stylegan2", "channel_base": 2048, "channel_max": 128},
    ),
}


class Noise(Source):
    """Reference images of noise, in memory."""

    def __init__(self, count: int) -> None:
        self.spec, self.fingerprint = DataSpec((3, 32, 32)), f"noise-{count}"
        self.images = np.random.default_rng(0).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: np.ndarray) -> Batch:
        """Return images uint8 [B, 3, 32, 32]."""
        return {"image": torch.from_numpy(self.images[indices])}

    def show(self, samples: Tensor) -> Image.Image:
        """Nobody looks at them."""
        raise NotImplementedError


class Images(Dataset[Tensor]):
    """The same, one by one."""

    def __init__(self, source: Noise) -> None:
        self.images = torch.from_numpy(source.images)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[index]


class EightBit(nn.Module):
    """A generator in the form that torch-fidelity takes."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, latents: Tensor) -> Tensor:
        """Return images uint8 [B, 3, R, R]."""
        roll_dice(self.generator, Roll(0, "benchmark", rows=len(latents), total=len(latents)))  # for StyleGAN's noise
        return to_uint8(self.generator(latents, None).float())


def made_inception(folder: Path) -> Inception:
    """Return Inception features with weights that are made up."""
    state = _inception_state()
    torch.save(state, folder / "inception.pth")
    return Inception(weights=folder / "inception.pth")


def _inception_state() -> dict[str, Tensor]:
    class Shell(FeatureExtractorInceptionV3):  # type: ignore[misc]
        def load_state_dict(self, *_: object, **__: object) -> None:
            return None

    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    state: dict[str, Tensor] = Shell("shell", ["2048"], nothing).state_dict()
    return {
        name: torch.randn(value.shape) * (2 / value[0].numel()) ** 0.5 if value.dim() > 1 else value
        for name, value in state.items()
    }


def register(network: FeatureNetwork) -> str:
    """Make torch-fidelity look through a network that is loaded."""

    class Known(FeatureExtractorBase):  # type: ignore[misc]
        def __init__(self, name: str, features_list: list[str], **_: object) -> None:
            super().__init__(name, features_list)
            self.network = network

        def forward(self, images: Tensor) -> tuple[Tensor, ...]:
            told = self.network(images)
            return tuple(told[name] for name in self.features_list)

        @staticmethod
        def get_provided_features_list() -> tuple[str, ...]:
            return ("features", "logits", "logits-unbiased")

        @staticmethod
        def get_default_feature_layer_for_metric(metric: str) -> str:
            logits = "logits-unbiased" if network.name.startswith("inception") else "logits"
            return logits if metric == "isc" else "features"

    torch_fidelity.register_feature_extractor("known", Known)
    return "known"


def by_fidelity(game: Game, latent: int, source: Noise, samples: int, folder: Path) -> Callable[[], list[float]]:
    """Return torch-fidelity's pipeline."""
    generator = torch_fidelity.GenerativeModelModuleWrapper(
        EightBit(game.get_submodule("generator")), latent, "normal", 0
    )

    def measure() -> list[float]:
        found = torch_fidelity.calculate_metrics(
            input1=generator,
            input1_model_num_samples=samples,
            input2=Images(source),
            input2_cache_name="noise",
            cache_root=str(folder),
            feature_extractor="known",
            batch_size=BATCH,
            fid=True,
            kid=True,
            isc=True,
            kid_subset_size=SUBSET,
            kid_subsets=SUBSETS,
            cuda=False,
            save_cpu_ram=True,
            verbose=False,
        )
        keys = ("frechet_inception_distance", "kernel_inception_distance_mean", "inception_score_mean")
        return [found[key] for key in keys]

    return measure


def by_us(
    game: Game, features: Features, networks: FeatureNetworks, source: Noise, samples: int, folder: Path
) -> Callable[[], list[float]]:
    """Return our pipeline, as it is between rounds of training."""
    metrics: list[Metric] = [
        FrechetDistance(features=features, samples=samples),
        KernelDistance(features=features, samples=samples, subset=SUBSET, subsets=SUBSETS),
        InceptionScore(features=features, samples=samples),
    ]

    def measure() -> list[float]:
        subject = GameSubject(game, source.spec, networks, 0)
        exam = Examination(subject, source, networks, folder)
        exam.gather(want for metric in metrics for want in metric.requests(source))
        return [next(iter(metric.measure(exam).values.values())) for metric in metrics]

    return measure


def seconds(measure: Callable[[], list[float]]) -> np.ndarray:
    """Return how long one measurement takes, by the wall and by the processor."""
    start = np.array([time.perf_counter(), time.process_time()])
    measure()
    taken: np.ndarray = np.array([time.perf_counter(), time.process_time()]) - start
    return taken


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("games", nargs="*", metavar="GAME", help=f"any of: {', '.join(NETWORKS)} [default: all]")
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--features", choices=("efficientnet-lite0", "inception"), default="efficientnet-lite0")
    options = parser.parse_args()
    unknown = set(options.games) - set(NETWORKS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; expected any of: {', '.join(NETWORKS)}")
    keep_freed_memory()  # as `ganforge run` does; it serves both
    catalogue = load_catalogue(only=["ganforge-efficientnet"])
    source, networks = Noise(options.samples), FeatureNetworks(torch.device("cpu"))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if options.features == "inception":
            features: Features = made_inception(folder)
        else:
            features = catalogue.family("features")[options.features]()  # type: ignore[assignment, call-arg]
        register(networks.of(features))
        for kind in options.games or NETWORKS:
            generator, discriminator = NETWORKS[kind]
            players = {"generator": {"network": generator, "optimizer": ADAM},
                       "discriminator": {"network": discriminator, "optimizer": ADAM}}  # fmt: skip
            game_ = {"kind": "gan", "loss": "hinge", **players}
            table = {"data": "faces", "run": {"images": 1, "batch": 8}, "game": game_}
            recipe = Recipe.model_validate(table, context={"catalogue": catalogue})
            game = build_runner(recipe, source.spec, Accelerator(cpu=True)).game.eval()
            latent = int(str(generator["latent"]))
            theirs = by_fidelity(game, latent, source, options.samples, folder / "theirs")
            ours = by_us(game, features, networks, source, options.samples, folder / "ours")
            print(f"{kind}: FID, KID, score: {theirs()} by torch-fidelity, {ours()} by ganforge (other latents)")
            times: list[tuple[np.ndarray, np.ndarray]] = []
            for repeat in range(options.repeats):  # in turns, so that neither is always the second
                first = seconds(ours if repeat % 2 else theirs)
                second = seconds(theirs if repeat % 2 else ours)
                times.append((second, first) if repeat % 2 else (first, second))
            left, right = (np.median([pair[side] for pair in times], axis=0) for side in (0, 1))
            ratio = np.median([pair[0] / pair[1] for pair in times], axis=0)
            for clock, name in enumerate(("wall", "processor")):
                print(
                    f"{kind}, {options.samples} images, {options.features}, {name}: "
                    f"torch-fidelity {left[clock]:.2f} s, "
                    f"ganforge {right[clock]:.2f} s, ratio {ratio[clock]:.3f} (median of {options.repeats} pairs)"
                )


if __name__ == "__main__":
    main()
