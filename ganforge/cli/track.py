"""`ganforge track RUN`: bring an MLflow store up to date with a run's folder."""

from __future__ import annotations

import fcntl
from pathlib import Path

import click

from ganforge.cli import options
from ganforge.errors import GanforgeError


@click.command("track")
@options.run_folder
@click.option("--uri", metavar="URI", help="Another store than the one that the run was meant for.")
def command(run: Path, uri: str | None) -> None:
    """Mirror the folder RUN into MLflow: what a dead or slow server missed, or all of it into another store."""
    from ganforge.storage.layout import RunLayout
    from ganforge.tracking import Store
    from ganforge.tracking.reading import read_run_json
    from ganforge.tracking.redaction import MASK
    from ganforge.tracking.sidecar_process import SidecarProcess

    record = read_run_json(run)
    if "id" not in record:
        raise GanforgeError(f"{run} is not the folder of a run: there is no run.json in it; expected runs/NAME")
    address = uri or record.get("store")
    if uri is None and address and MASK in address:
        raise GanforgeError(f"the password of {address} was not written down; give the whole address with --uri")
    with RunLayout(run).mlflow_lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GanforgeError(f"{run} is being mirrored right now, by its own run; there is nothing to do") from None
    store = Store.of(address, record.get("experiment", "ganforge"), record.get("name"))
    problem = SidecarProcess(run.absolute(), store, grace=24 * 3600.0).stop()
    if problem is not None:
        raise GanforgeError(problem)
    click.echo(f"{store.name} has all of {run}; look at it with: {store.viewing_command()}", err=True)
