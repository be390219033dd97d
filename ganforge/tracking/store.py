"""MLflow store that runs are mirrored to: an address, an experiment, and how a person looks at them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ganforge.tracking.redaction import redact

DEFAULT_URI = "sqlite:///mlflow.db"  # what `mlflow ui` reads in the same folder
SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Store:
    """An MLflow store: `sqlite:///file`, `http(s)://server`, or a folder.

    Args:
        uri: relative SQLite files are of the working folder.
        experiment: the experiment's name in MLflow; made when it is missing.
        run: the run's name; MLflow makes one up where there is none.
    """

    uri: str = DEFAULT_URI
    experiment: str = "ganforge"
    run: str | None = None

    @classmethod
    def of(cls, uri: str | None, experiment: str = "ganforge", run: str | None = None) -> Store:
        """Return the store of an address; without one, that of `MLFLOW_TRACKING_URI`, or `mlflow.db` right here."""
        return cls(uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI, experiment, run)

    @property
    def database(self) -> Path | None:
        """The SQLite file, absolute; None for other stores."""
        if not self.uri.startswith(SQLITE):
            return None
        return Path(self.uri.removeprefix(SQLITE).partition("?")[0]).absolute()

    @property
    def address(self) -> str:
        """The address as the sidecar uses it: independent of the working folder."""
        if self.database is not None:
            return f"{SQLITE}{self.database}"
        return self.uri if ":" in self.uri else str(Path(self.uri).absolute())

    @property
    def name(self) -> str:
        """The address as it may be shown and written: without user and password."""
        return redact(self.address)

    def viewing_command(self, environment: Mapping[str, str] = os.environ) -> str:
        """Return what a person types, or opens, to look at the runs."""
        if self.uri.startswith("http"):
            return self.name
        usual = self.database == Path("mlflow.db").absolute() and not any(Path("mlruns").glob("[0-9]*/meta.yaml"))
        if usual and not {"MLFLOW_TRACKING_URI", "MLFLOW_BACKEND_STORE_URI"} & set(environment):
            return "mlflow ui"
        return f"mlflow ui --backend-store-uri {shlex.quote(self.name)}"
