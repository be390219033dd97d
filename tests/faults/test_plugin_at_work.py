"""A plugin that raises, in whatever hook or method, at whatever moment: it is named, and nothing is lost."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from ganforge.cli import main
from ganforge.plugins.loading import ENVIRONMENT
from ganforge.storage.checkpoint import list_checkpoints, load_newest

RECIPE = """
[data]
kind = "clumsy-data"
[run]
images = 96
batch = 8
log_every_images = 16
[grid]
samples = 4
every_images = 32
[checkpoints]
every_images = 16
[diagnosis]
standard = false
samples = 4
[game]
kind = "clumsy-game"
loss = "clumsy-loss"
[game.generator]
network = { kind = "clumsy-generator", latent = 4, width = 4 }
optimizer = { kind = "clumsy-optimizer", lr = 1e-3 }
ema = { half_life_images = 100 }
[game.discriminator]
network = { kind = "clumsy-discriminator", width = 4 }
optimizer = { kind = "clumsy-optimizer", lr = 1e-3 }
regularizers = ["clumsy-penalty"]
constraints = ["clumsy-constraint"]
augmentations = ["clumsy-augmentation"]
[[metrics]]
kind = "clumsy-metric"
features = "clumsy-features"
samples = 16
real = 16
every_images = 32
[[monitors]]
kind = "clumsy-monitor"
[tracking]
kind = "none"
"""
NAMES = {  # by what the methods' classes are called: the component that is to be named
    "ClumsyData": "data set 'clumsy-data'",
    "ClumsySource": "data set 'clumsy-data'",
    "ClumsyGame": "game 'clumsy-game'",
    "ClumsyPlay": "game 'clumsy-game'",
    "ClumsyGenerator": "generator 'clumsy-generator'",
    "ClumsyGeneratorNetwork": "generator 'clumsy-generator'",
    "Backward": "",
    "ClumsyDiscriminator": "discriminator 'clumsy-discriminator'",
    "ClumsyDiscriminatorNetwork": "discriminator 'clumsy-discriminator'",
    "ClumsyLoss": "loss 'clumsy-loss'",
    "ClumsyPenalty": "regularizer 'clumsy-penalty'",
    "ClumsyConstraint": "constraint 'clumsy-constraint'",
    "ClumsyOptimizer": "optimizer 'clumsy-optimizer'",
    "ClumsySteps": "optimizer 'clumsy-optimizer'",
    "ClumsyAugmentation": "augmentation 'clumsy-augmentation'",
    "ClumsyChange": "augmentation 'clumsy-augmentation'",
    "ClumsyFeatures": "features 'clumsy-features'",
    "ClumsyEyes": "features 'clumsy-features'",
    "ClumsyView": "metric 'clumsy-metric'",
    "ClumsyMetric": "metric 'clumsy-metric'",
    "ClumsyMonitor": "monitor 'clumsy-monitor'",
}
BEFORE = """
    ClumsyLoss.check ClumsyData.open ClumsySource.__len__ ClumsyGame.build ClumsyGame.players ClumsyPlay.turns
    ClumsyGenerator.build ClumsyDiscriminator.build ClumsyPenalty.build ClumsyConstraint.attach ClumsyOptimizer.build
    ClumsyAugmentation.build ClumsyMetric.directions ClumsyMonitor.build
"""  # before there is a run
AT_THE_START = "ClumsyFeatures.build"
AT_PLAY = """
    ClumsySource.batch ClumsySource.show ClumsyPlay.begin_round ClumsyPlay.discriminator_objective ClumsyPlay.sample
    ClumsyPlay.readings ClumsyGeneratorNetwork.forward Backward.backward ClumsyDiscriminatorNetwork.forward_features
    ClumsyLoss.discriminator ClumsyLoss.generator ClumsyPenalty.penalty
    ClumsyConstraint.project ClumsyOptimizer.adjust ClumsySteps.step
    ClumsyChange.forward ClumsyChange.exchange ClumsyChange.begin_round ClumsyChange.observe ClumsyChange.readings
    ClumsyEyes.forward ClumsyView.rows ClumsyMetric.requests ClumsyMetric.measure
"""


@pytest.fixture(scope="module")
def clumsy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The plugin, installed as a distribution."""
    site = tmp_path_factory.mktemp("site")
    (site / "clumsy_plugin.py").write_text(Path(__file__).with_name("clumsy_plugin.py").read_text())
    info = site / "clumsy_thing-1.2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: clumsy-thing\nVersion: 1.2.3\n")
    (info / "entry_points.txt").write_text("[ganforge]\nclumsy = clumsy_plugin\n")
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    import clumsy_plugin

    yield clumsy_plugin
    sys.path.remove(str(site))
    del sys.modules["clumsy_plugin"]


@pytest.fixture
def run(clumsy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """Play the recipe, breaking at a place, once there is a checkpoint (`late`) or at once; return the exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(ENVIRONMENT, "clumsy-thing")
    monkeypatch.setattr("ganforge.training.run.keep_freed_memory", lambda: True)  # for good, in this process
    (tmp_path / "clumsy.toml").write_text(RECIPE)

    def play(place: str, late: bool, error: type[BaseException] = RuntimeError, *more: str) -> int:
        def told(here: str) -> None:
            if here == place and (not late or list_checkpoints(tmp_path / "out" / "checkpoints")):
                raise error("not\ntoday")

        clumsy.at[:] = [told]
        with pytest.raises(SystemExit) as ended:
            main(["run", "clumsy.toml", "--out", "out", "--device", "cpu", "--quiet", *more])
        clumsy.at.clear()
        return int(ended.value.code or 0)

    yield play
    clumsy.at.clear()


def named(said: str, place: str) -> None:
    """See that an error names the plugin, the component, the method and the line, and is more than a traceback."""
    assert said.startswith("error: plugin clumsy-thing 1.2.3 broke: it"), said
    assert NAMES[place.partition(".")[0]] in said
    assert (
        f"raised RuntimeError in {'clumsy_plugin.' if place.startswith('Backward') else ''}{place}: not today" in said
    )
    assert 'clumsy_plugin.py", line ' in said
    assert f'reach("{place}")' in said, "its author sees the line"
    assert "--no-plugin clumsy" in said
    assert "Traceback (most recent call last)" not in said
    assert "accelerate" not in said, "frames of others are in the file alone"


@pytest.mark.parametrize("place", BEFORE.split())
def test_before_there_is_a_run(run, place: str, capsys: pytest.CaptureFixture[str]):
    assert run(place, late=False) == 1
    named(capsys.readouterr().err, place)
    assert not Path("out").exists()


def test_at_the_start(run, capsys: pytest.CaptureFixture[str]):
    assert run(AT_THE_START, late=False) == 1
    named(capsys.readouterr().err, AT_THE_START)
    assert json.loads(Path("out/run.json").read_text())["status"] == "failed"


@pytest.mark.parametrize("place", AT_PLAY.split())
def test_at_play(run, place: str, capsys: pytest.CaptureFixture[str]):
    assert run(place, late=True) == 1
    said = capsys.readouterr().err
    named(said, place)
    record = json.loads(Path("out/run.json").read_text())
    assert record["status"] == "failed"
    assert record["reason"] in said
    assert "clumsy-thing 1.2.3" in record["reason"]
    assert "\n" not in record["reason"]
    assert load_newest(Path("out/checkpoints"))[0].facts["images"] >= 16
    whole = Path("out/traceback.txt").read_text()
    assert said.rstrip().endswith(f"the whole traceback is in {Path('out/traceback.txt')}")
    assert "Traceback (most recent call last)" in whole
    assert "RuntimeError: not\ntoday" in whole


def test_the_places_are_all_there_are(run, clumsy: ModuleType):
    seen: set[str] = set()
    clumsy.at[:] = [seen.add]
    with pytest.raises(SystemExit) as ended:
        main(["run", "clumsy.toml", "--out", "out", "--device", "cpu", "--quiet"])
    assert not ended.value.code
    assert seen == {*BEFORE.split(), AT_THE_START, *AT_PLAY.split(), "ganforge_components", "ClumsyWatcher.look"}


def test_in_the_hook(run, capsys: pytest.CaptureFixture[str]):
    assert run("ganforge_components", late=False) == 2
    said = capsys.readouterr().err
    assert "unknown kind 'clumsy-" in said
    assert "plugin clumsy of clumsy-thing 1.2.3 could not be loaded: RuntimeError: not today" in said


def test_a_monitor_that_breaks_does_not_end_a_run(run, capsys: pytest.CaptureFixture[str]):
    assert run("ClumsyWatcher.look", late=True) == 0
    events = [json.loads(line) for line in Path("out/events.jsonl").read_text().splitlines()]
    (finding,) = [event for event in events if event["kind"] == "finding"]
    assert "the monitor 'clumsy-monitor' broke" in finding["text"]
    assert "clumsy_plugin" in finding["details"]["evidence"]
    assert "not\ntoday" in finding["details"]["evidence"]


@pytest.mark.parametrize("error", [SystemExit, RecursionError, AssertionError])
def test_whatever_it_raises(run, error: type[BaseException], capsys: pytest.CaptureFixture[str]):
    assert run("ClumsyLoss.generator", True, error) == 1
    assert f"its loss 'clumsy-loss' raised {error.__name__} in ClumsyLoss.generator" in capsys.readouterr().err
    assert json.loads(Path("out/run.json").read_text())["status"] == "failed"


def test_a_run_that_it_broke_goes_on(run, capsys: pytest.CaptureFixture[str]):
    assert run("ClumsyLoss.generator", late=True) == 1
    assert run("nowhere", True, RuntimeError, "--resume") == 0
    assert json.loads(Path("out/run.json").read_text())["status"] == "finished"
