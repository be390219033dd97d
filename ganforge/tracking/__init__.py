"""Tracking: the run's folder is the truth, and a sidecar process mirrors it into MLflow.

It knows files of JSON lines and MLflow. It must not know torch, games or recipes; the training process only appends to
files, never imports mlflow and never waits for a store.

Public: what is imported below, and

- `jsonl`: JsonlFile
- `reading`: flatten
- `redaction`: MASK
- `sidecar_process`: SidecarProcess
"""

from __future__ import annotations

from ganforge.tracking.folder import NoTracker as NoTracker
from ganforge.tracking.folder import RunFolder as RunFolder
from ganforge.tracking.folder import Status as Status
from ganforge.tracking.folder import Tracker as Tracker
from ganforge.tracking.jsonl import read_lines as read_lines
from ganforge.tracking.metadata import run_record as run_record
from ganforge.tracking.reading import EventLine as EventLine
from ganforge.tracking.reading import read_log as read_log
from ganforge.tracking.reading import read_run_json as read_run_json
from ganforge.tracking.reading import whole_lines as whole_lines
from ganforge.tracking.redaction import redact as redact
from ganforge.tracking.store import Store as Store
