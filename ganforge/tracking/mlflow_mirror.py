"""One MLflow run, seen from the sidecar. The only module that imports mlflow; it runs in no trainer."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking.client import MlflowClient

from ganforge.tracking.store import Store

RUN_TAG = "ganforge.run"
STATUSES = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}
METRICS_PER_CALL, OTHERS_PER_CALL, VALUE_LENGTH, KEY_LENGTH = 1000, 100, 5000, 250


class MlflowMirror:
    """A run in a store, found again by its id or by its tag, or made.

    Args:
        store: where.
        run: what `run.json` says.
        known: the MLflow id of the run, where it is known.
    """

    def __init__(self, store: Store, run: Mapping[str, Any], known: str | None) -> None:
        with _database_lock(store.database):
            self._client = MlflowClient(tracking_uri=store.address)
            experiment = self._experiment(store.experiment)
        found = self._existing_run(known)
        if found is None:
            tagged = self._client.search_runs([experiment], f"tags.`{RUN_TAG}` = '{run['id']}'", max_results=1)
            found = str(tagged[0].info.run_id) if tagged else None
        self._made = found is None
        if found is None:
            made = self._client.create_run(experiment, int(run["start"] * 1000), {RUN_TAG: run["id"]}, store.run)
            self.run_id = str(made.info.run_id)
        else:
            self.run_id = found
            self._client.update_run(found, status="RUNNING")

    def begin(self, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Log parameters and tags.

        MLflow never changes a parameter, so what a resumed run changed becomes a tag `resumed.<name>`.
        """
        there = {} if self._made else self._client.get_run(self.run_id).data.params
        short = {metric_name(key): value[:VALUE_LENGTH] for key, value in params.items()}
        for some in _batches([item for item in short.items() if item[0] not in there], OTHERS_PER_CALL):
            self._client.log_batch(self.run_id, params=[Param(key, value) for key, value in some])
        changed = {f"resumed.{key}": value for key, value in short.items() if there.get(key, value) != value}
        self.tags({**tags, **changed})

    def tags(self, wanted: Mapping[str, str]) -> None:
        """Set tags."""
        for some in _batches(list(wanted.items()), OTHERS_PER_CALL):
            batch = [RunTag(metric_name(key), value[:VALUE_LENGTH]) for key, value in some]
            self._client.log_batch(self.run_id, tags=batch)

    def metrics(self, values: Sequence[tuple[str, float, float, int]]) -> None:
        """Log points, each (name, value, unix time in seconds, images shown); one call for up to 1,000."""
        for some in _batches(values, METRICS_PER_CALL):
            points = [Metric(metric_name(name), value, int(when * 1000), at) for name, value, when, at in some]
            self._client.log_batch(self.run_id, metrics=points)

    def artifact(self, path: Path, folder: str | None) -> None:
        """Copy a file into the run's artifacts."""
        self._client.log_artifact(self.run_id, str(path), folder)

    def end(self, status: str, when: float) -> None:
        """End the run: `finished`, `failed` or `killed`."""
        self._client.set_terminated(self.run_id, STATUSES[status], int(when * 1000))

    def _experiment(self, name: str) -> str:
        if (found := self._client.get_experiment_by_name(name)) is None:
            try:
                return str(self._client.create_experiment(name))
            except MlflowException:  # another run was faster; if it was something else, the next line says so
                if (found := self._client.get_experiment_by_name(name)) is None:
                    raise
        return str(found.experiment_id)

    def _existing_run(self, known: str | None) -> str | None:
        """Return an id if its run exists; a database may have been thrown away since."""
        try:
            return None if known is None else str(self._client.get_run(known).info.run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None


def metric_name(name: str) -> str:
    """Return a name that MLflow takes: at most 250 letters, digits and `_-. :/`."""
    return "".join(letter if letter.isalnum() or letter in "_-. :/" else "_" for letter in name[:KEY_LENGTH])


def run_tags(run: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags that say how a run came about, from its `run.json`."""
    commit = run.get("git_commit") or ""
    tags = {
        "ganforge.recipe_digest": run.get("recipe_digest"),
        "ganforge.git_commit": commit,
        "ganforge.device": run.get("device"),
        "ganforge.world_size": run.get("world_size"),
        "ganforge.plugins": json.dumps(run.get("plugins", {})),
        "ganforge.folder": run.get("folder"),
        "ganforge.seed_group": run.get("seed_group"),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": " ".join(run.get("command", ())),
        "mlflow.source.git.commit": commit.removesuffix("-dirty"),
        **{f"version.{name}": version for name, version in run.get("versions", {}).items()},
    }
    return {key: str(value) for key, value in tags.items() if value not in (None, "")}


def explain_store_error(error: BaseException, store: Store) -> str:
    """Return one sentence on why a store does not take what it is given."""
    text = " ".join(str(error).split())
    where = store.name
    known = {
        "file is not a database": f"{store.database} is not an SQLite database; move it away",
        "malformed": f"{store.database} is damaged; move it away",
        "disk is full": f"the disk of {store.database} is full",
        "disk I/O error": f"{store.database} cannot be written (its disk may be full)",
        "No space left": "the disk is full",
        "File too large": "a file cannot grow any further",
        "readonly database": f"{store.database} must not be written to",
        "unable to open database": f"{store.database} cannot be opened",
        "database is locked": f"{store.database} is locked by another process",
        "Can't locate revision": f"{store.database} was made by a newer MLflow; upgrade mlflow",
        "Connection refused": f"no MLflow server answers at {where}",
        "timed out": f"the MLflow server at {where} does not answer in time",
        "Name or service not known": f"there is no machine called so: {where}",
        "Failed to resolve": f"there is no machine called so: {where}",
    }
    for sign, sentence in known.items():
        if sign.lower() in text.lower():
            return sentence
    return f"MLflow at {where} says: {text[:300]}"


def _batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


@contextmanager
def _database_lock(database: Path | None) -> Iterator[None]:
    """Let one process at a time make the tables of an SQLite file."""
    if database is None:
        yield
        return
    with database.with_name(f".{database.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
