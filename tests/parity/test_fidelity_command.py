"""torch-fidelity's own command on folders of PNGs, and our metrics on the same images, agree to 1e-6.

Both use the same made Inception weights and batches of the same size. FID, KID, Inception Score and precision and
recall come from one run of the command, since its 2048 features are slow on a CPU.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.examinations import ArraySource, ConstantGame, exam_of, looked_at, noise
from support.inception import make_weights

from ganforge.builtin.features.inception import Inception
from ganforge.builtin.metrics.fid import FrechetDistance
from ganforge.builtin.metrics.inception_score import InceptionScore
from ganforge.builtin.metrics.kid import KernelDistance
from ganforge.builtin.metrics.precision_recall import PrecisionRecall

FAKE, REAL, BATCH = 16, 24, 8
SETTINGS = ["--isc-splits", "2", "--kid-subsets", "5", "--kid-subset-size", "10", "--prc-neighborhood", "2"]


def folder_of(images: torch.Tensor, folder: Path) -> Path:
    """Write images as PNGs, in their order."""
    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"{number:04d}.png")
    return folder


def test_the_command_and_our_metrics_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganforge.evaluation.examination.MOST", BATCH)
    features = Inception(weights=make_weights(tmp_path / "weights.pth"))
    smooth = np.linspace(0, 1, 32)[None, None, :, None] * noise(REAL, 3, 1, 32)
    fakes = torch.from_numpy(noise(FAKE, 3, 32, 32, seed=1)).float() / 127.5 - 1
    exam = exam_of(ConstantGame(fakes), ArraySource(smooth.astype(np.uint8)), tmp_path / "cache")
    metrics = (
        FrechetDistance(features=features, samples=FAKE),
        KernelDistance(features=features, samples=FAKE, subsets=5, subset=10),
        InceptionScore(features=features, samples=FAKE, splits=2),
        PrecisionRecall(features=features, samples=FAKE, real=REAL, neighbours=2),
    )
    exam.gather(want for metric in metrics for want in metric.requests(exam.source))
    found = [value for metric in metrics for value in metric.measure(exam).values.values()]

    command = [sys.executable, "-m", "torch_fidelity.fidelity", "-c", "-j", "-i", "-f", "-k", "-r", *SETTINGS]
    command += ["--input1", str(folder_of(looked_at(exam, FAKE), tmp_path / "fake"))]
    command += ["--input2", str(folder_of(looked_at(exam, REAL, "real"), tmp_path / "real"))]
    command += ["--feature-extractor", "inception-v3-compat", "--feature-extractor-weights-path", str(features.weights)]
    command += ["-b", str(BATCH), "--no-cache", "--save-cpu-ram", "--silent"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300)
    expected = json.loads(answer.stdout)
    keys = ["frechet_inception_distance", "kernel_inception_distance_mean", "kernel_inception_distance_std",
            "inception_score_mean", "inception_score_std", "precision", "recall", "f_score"]  # fmt: skip
    assert found == pytest.approx([expected[key] for key in keys], rel=1e-6)
    assert min(found[:5]) > 1e-6, "the images differ, and answers too"
