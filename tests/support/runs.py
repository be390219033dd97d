"""A small run, played and saved as `ganforge run` does it, without its command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from ganforge.cli.terminal.view import SilentView
from ganforge.recipes.toml_writer import recipe_to_toml
from ganforge.tracking import NoTracker
from ganforge.training.assemble import assemble
from ganforge.training.callbacks.checkpoint import CheckpointCallback
from ganforge.training.session import Session
from support.toys import recipe_of


def session_of(folder: Path, game: Mapping[str, Any] | None = None, **changes: Any) -> Session:
    """A new session in `folder`; `changes` as for `recipe_of`."""
    recipe = recipe_of(game, **changes)
    session, _ = assemble(
        recipe,
        Accelerator(cpu=True),
        recipe.data.open(folder),
        folder=folder,
        cache=folder,
        tracker=NoTracker(),
        reporter=SilentView(),
    )
    return session


def play_and_save(session: Session, rounds: int) -> None:
    """Play, then write recipe and checkpoint."""
    for _ in range(rounds):
        session.runner.play_round(session.next_batch())
    session.folder.mkdir(parents=True, exist_ok=True)
    (session.folder / "recipe.toml").write_text(recipe_to_toml(session.recipe))
    CheckpointCallback(None, 5, None).run(session)
