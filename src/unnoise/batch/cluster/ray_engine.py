"""The run on a cluster: Ray Data hands pictures to workers, and this process, the driver, writes the account.

Pictures are handed out in windows, so the driver's memory does not grow with their number.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any

from unnoise.batch.cluster.account import FAILED, WRITTEN, Account, Row
from unnoise.batch.cluster.plan import Picture, Plan, folder_of
from unnoise.batch.cluster.worker import LARGE, Order, PictureWorker
from unnoise.batch.worker_count import WORKER_BYTES
from unnoise.errors import UnnoiseError, UsageError
from unnoise.registry import require

WINDOW = 4096
"""Pictures that are handed out at a time, at least."""
WINDOW_OF_WORKER = 256
"""For each worker, at least: workers have nothing to do while the last pictures of a window are made."""
BATCH = 16
"""Small pictures that a worker gets at a time."""
BATCH_BYTES = 2**20
"""Of the files of a batch. Larger pictures are handed out one by one."""
ACCOUNT_SECONDS = 10.0
"""So often rows are written to the account."""
ACCOUNT_ROWS = 1000
"""So many rows are written at once."""
LISTING_CPUS = 0.01
"""Of the workers' processors, what is left for Ray's own tasks."""


@dataclass
class ClusterOutcome:
    """The numbers of a run."""

    written: int = 0
    failed: int = 0
    done_before: int = 0
    exit_status: int = field(default=0)

    def summary(self) -> str:
        """The numbers that are not 0, as one sentence.

        >>> ClusterOutcome(written=3, failed=1).summary()
        '3 written, 1 failed.'
        """
        counts = {"written": self.written, "done before and unchanged": self.done_before, "failed": self.failed}
        return (", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing to do") + "."


@dataclass(frozen=True)
class Cluster:
    """How a cluster is used.

    >>> Cluster(workers=2).address is None
    True
    """

    address: str | None = None
    """Of a running one, as 'auto' or 'HOST:6379'; None: one is started on this machine."""
    workers: int | None = None
    """In all; None: one for each GPU, or else for each core, as far as memory goes."""
    device: str | None = None
    window: int = WINDOW


def run_on_cluster(
    order: Order, plan: Plan, cluster: Cluster, *, on_row: Callable[[Row], None], on_progress: Callable[[ClusterOutcome], None]
) -> ClusterOutcome:
    """Do all pictures of a plan.

    Args:
        order: the work.
        plan: the pictures.
        on_row: called with each row of the account.
        on_progress: called after each batch.

    Raises:
        UsageError: there is no such cluster.
        UnnoiseError: the cluster is lost, or has no room for a worker.

    >>> callable(run_on_cluster)  # tests/batch/cluster/test_ray_engine.py runs it
    True
    """
    outcome = ClusterOutcome()
    with _connected(cluster) as ray, _Rows(plan.account) as rows:
        count, gpus, threads, each = _share(ray, cluster)
        order = replace(order, workers=each, threads=threads, takes_large=count == 1)
        shared = ray.put(order)
        pictures = plan.pictures()
        while window := list(islice(pictures, max(cluster.window, WINDOW_OF_WORKER * count))):
            large: list[Picture] = []
            by_name = {picture.name: picture for picture in window}
            for row in _told(_rows_of(ray, shared, window, count, gpus)):
                if row["outcome"] == LARGE:
                    large.append(by_name[row["picture"]])
                    continue
                _note(row, outcome, rows, on_row)
                outcome.done_before = plan.done_before
                on_progress(outcome)
            for picture in large:
                from unnoise.batch.cluster.tiles import row_by_tiles

                _note(next(iter(_told(iter([row_by_tiles(ray, shared, picture, count, gpus)])))), outcome, rows, on_row)
                on_progress(outcome)
        outcome.done_before = plan.done_before
    for folder in plan.account.folders():
        plan.account.merge(folder)
    return outcome


def batches(pictures: list[Picture], most: int = BATCH) -> Iterator[list[Picture]]:
    """Divide pictures into batches of about equal work: many small ones, or one large one.

    >>> [len(batch) for batch in batches([Picture("a", "a", size, "") for size in (10, 10, 2**22, 10)])]
    [2, 1, 1]
    """
    batch: list[Picture] = []
    size = 0
    for picture in pictures:
        if batch and (len(batch) >= most or size + picture.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(picture)
        size += picture.size
    if batch:
        yield batch


def _rows_of(ray: Any, shared: Any, window: list[Picture], count: int, gpus: float) -> Iterator[Row]:
    """The rows of a window, as they come."""
    arrow: Any = require("pyarrow", "--engine ray")
    data: Any = require("ray.data", "--engine ray")
    most = min(BATCH, math.ceil(len(window) / (4 * count)))  # each worker gets several batches, so that all end together
    tables = [arrow.Table.from_pylist([asdict(each) for each in batch]) for batch in batches(window, most)]
    dataset = data.from_arrow(tables).map_batches(
        _Worker,
        fn_constructor_args=(shared,),
        batch_size=None,
        batch_format="pyarrow",
        compute=data.ActorPoolStrategy(size=min(count, len(tables)), max_tasks_in_flight_per_actor=2),
        num_cpus=0 if gpus else 1 - LISTING_CPUS,
        num_gpus=gpus or None,
    )
    for table in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        yield from table.to_pylist()


class _Worker(PictureWorker):
    """A worker that finds its order in Ray's store."""

    def __init__(self, shared: Any) -> None:
        import ray

        super().__init__(ray.get(shared))


def _note(row: Row, outcome: ClusterOutcome, rows: _Rows, on_row: Callable[[Row], None]) -> None:
    rows.add(row)
    if row["outcome"] == WRITTEN:
        outcome.written += 1
    elif row["outcome"] == FAILED:
        outcome.failed += 1
        outcome.exit_status = 1
    on_row(row)


class _Rows:
    """Rows that are written to the account from time to time, and at the end, also after Ctrl-C."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.waiting: list[Row] = []
        self.last = time.monotonic()

    def add(self, row: Row) -> None:
        self.waiting.append(row)
        if len(self.waiting) >= ACCOUNT_ROWS or time.monotonic() - self.last > ACCOUNT_SECONDS:
            self.flush()

    def flush(self) -> None:
        by_folder: dict[str, list[Row]] = {}
        for row in self.waiting:
            by_folder.setdefault(folder_of(row["picture"]), []).append(row)
        for folder, rows in by_folder.items():
            self.account.add(folder, rows)
        self.waiting, self.last = [], time.monotonic()

    def __enter__(self) -> _Rows:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()


@contextmanager
def _connected(cluster: Cluster) -> Iterator[Any]:
    """Ray, connected to the cluster."""
    ray: Any = require("ray", "--engine ray")
    data: Any = require("ray.data", "--engine ray")
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what is wrong comes as an exception
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with _silent():
            ray.init(
                address=cluster.address or "local",
                include_dashboard=None if cluster.address else False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except ConnectionError as error:
        raise UsageError(
            f"There is no Ray cluster at {cluster.address}; start one with 'ray start --head', or leave --address out."
        ) from error
    except Exception as error:  # Ray raises plain exceptions
        said = " ".join(str(error).split()).rstrip(".")
        raise UnnoiseError(f"Ray did not start ({said}); see its logs in /tmp/ray/session_latest/logs.") from error
    try:
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def _silent() -> Iterator[None]:
    """Within this context, nothing goes to standard error. Ray's libraries write there past Python."""
    sys.stderr.flush()
    kept = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nothing)
        os.close(kept)


def _share(ray: Any, cluster: Cluster) -> tuple[int, float, int, int]:
    """The number of workers, the GPUs of each, the threads of each, and how many share a machine."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = sum(int(node.get("GPU", 0)) for node in nodes)
    cpus = sum(int(node.get("CPU", 0)) for node in nodes)
    if cluster.device not in (None, "auto", "cpu") and not gpus:
        raise UsageError(f"The cluster has no GPU for --device {cluster.device}; leave it out.")
    on_gpu = bool(gpus) and cluster.device != "cpu"
    by_memory = sum(int(node.get("memory", 0) // WORKER_BYTES) for node in nodes)
    most = gpus if on_gpu else cpus
    if most < 1:
        raise UsageError("The cluster has no free processor; start a node with 'ray start --num-cpus N'.")
    count = cluster.workers or (most if on_gpu else max(1, min(most, by_memory)))
    count = min(count, most)
    threads = max(1, cpus // count) if on_gpu else 1
    return count, 1.0 if on_gpu else 0.0, threads, math.ceil(count / len(nodes))


def _told(rows: Iterator[Row]) -> Iterator[Row]:
    """Turn Ray's errors into one sentence."""
    try:
        yield from rows
    except (UnnoiseError, KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        said = lines[-1].strip() if lines else type(error).__name__
        raise UnnoiseError(
            f"The cluster could not go on ({said.rstrip('.')}); give the same command again, which does the rest."
        ) from error
