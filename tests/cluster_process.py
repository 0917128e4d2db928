"""The driver of a run on a cluster, which tests start: `cluster_process.py ADDRESS FOLDER WINDOW KILLED_AFTER`."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from processes import CopyTask
from unnoise.batch.cluster.account import Row
from unnoise.batch.cluster.plan import Plan
from unnoise.batch.cluster.ray_engine import Cluster, run_on_cluster
from unnoise.batch.cluster.storage import Storage
from unnoise.batch.cluster.worker import Order


def main(address: str, folder: Path, window: int, killed_after: int) -> None:
    """Copy what is in FOLDER/in to FOLDER/out, and tell the outcome and the rows; die after so many rows, if not 0."""
    rows: list[Row] = []

    def note(row: Row) -> None:
        rows.append(row)
        if len(rows) == killed_after:
            os.kill(os.getpid(), signal.SIGKILL)

    order = Order(CopyTask(folder / "trace"), Storage(folder / "in"), Storage(folder / "out"), "settings")
    plan = Plan(order.source, order.sink, order.settings, recursive=True)
    cluster = Cluster(address, device="cpu", window=window)
    outcome = run_on_cluster(order, plan, cluster, on_row=note, on_progress=lambda outcome: None)
    print(json.dumps({"summary": outcome.summary(), "status": outcome.exit_status, "rows": rows}, default=str))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
