"""A checkpoint as a session saves it, damaged in every way; `tests/reliability/flip.py` does the same more often."""

from __future__ import annotations

import random
from pathlib import Path

from reliability.flip import flips, found, make, others

from ganforge.storage.checkpoint import load_checkpoint


def test_whatever_a_disk_does_to_a_checkpoint_is_found(tmp_path: Path):
    *_, before, path = make(tmp_path / "run")
    chance = random.Random(0)
    damages = [*others(path, before, chance), *flips(path, 60, chance)]
    assert len(damages) > 400
    assert [damage[:2] for damage in damages if not found(path, damage)] == []
    load_checkpoint(path)
