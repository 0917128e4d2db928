"""`unnoise denoise --engine ray`: folders of any storage, on many machines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from unnoise.errors import UnnoiseError, UsageError

if TYPE_CHECKING:
    from unnoise.batch.cluster.account import Row
    from unnoise.batch.cluster.ray_engine import ClusterOutcome
    from unnoise.batch.picture_task import PictureTask

PROGRESS_SECONDS = 10.0
"""Seconds between two lines that tell how far the run is."""
ENGINE = "ray"


def check_cluster_options(pictures: Sequence[Path], out: Path | None, model: str, **left_out: Any) -> None:
    """Raise `UsageError` for what a run on a cluster cannot do.

    >>> check_cluster_options([Path("photos")], Path("clean"), "default", adapt=None, report=False)
    >>> check_cluster_options([Path("photos")], Path("clean"), "default", adapt="3m")
    Traceback (most recent call last):
    unnoise.errors.UsageError: --engine ray cannot do --adapt; leave one of both out.
    """
    for name, given in left_out.items():
        if given:
            raise UsageError(f"--engine ray cannot do --{name.replace('_', '-')}; leave one of both out.")
    if out is None or len(pictures) != 1:
        raise UsageError("--engine ray takes one folder and puts results into another; give one folder, and -o FOLDER.")
    if model == "auto":
        raise UsageError("--engine ray needs one model for all pictures; name it by --model.")


def check_local(pictures: Sequence[Path], out: Path | None, address: str | None) -> None:
    """Raise `UsageError` for addresses that only a run on a cluster reads.

    >>> check_local([Path("s3://bucket/photos")], None, None)
    Traceback (most recent call last):
    unnoise.errors.UsageError: s3://bucket/photos is read by --engine ray alone; add that.
    """
    from unnoise.batch.cluster.storage import address_of

    for path in [*pictures, *([out] if out else [])]:
        if place := address_of(path):
            raise UsageError(f"{place} is read by --engine ray alone; add that.")
    if address:
        raise UsageError(f"--address {address} names a cluster, which --engine ray uses; add that.")


def denoise_on_cluster(
    task: PictureTask,
    source: Path,
    sink: Path,
    settings: str,
    *,
    address: str | None,
    workers: int | None,
    device: str | None,
    **planned: Any,
) -> int:
    """Denoise a folder. Returns the exit status.

    Args:
        task: the work on one picture.
        source, sink: folders or addresses.
        settings: the fingerprint of model and options.
        address, workers, device: see `Cluster`.
        planned: see `Plan`.

    Raises:
        UsageError, UnnoiseError: as `run_on_cluster`.
    """
    from unnoise.batch.cluster.plan import Plan
    from unnoise.batch.cluster.ray_engine import Cluster, run_on_cluster
    from unnoise.batch.cluster.storage import Storage
    from unnoise.batch.cluster.worker import Order

    if workers is not None and workers < 1:
        raise UsageError(f"--workers takes a number of processes from 1 on, not {workers}.")
    plan = Plan(Storage(source), Storage(sink), settings, **planned)
    order = Order(task, plan.source, plan.sink, settings, overwrite=plan.overwrite)
    last = time.monotonic()

    def told(row: Row) -> None:
        if row["reason"]:
            typer.echo(f"unnoise: {row['reason']}", err=True)
        for sentence in (row["warnings"] or "").splitlines():
            typer.echo(f"unnoise: {sentence}", err=True)

    def tell(outcome: ClusterOutcome) -> None:
        nonlocal last
        if time.monotonic() - last > PROGRESS_SECONDS:
            typer.echo(outcome.summary(), err=True)
            last = time.monotonic()

    try:
        outcome = run_on_cluster(order, plan, Cluster(address, workers, device), on_row=told, on_progress=tell)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Give the same command again to go on.") from None
    if not (outcome.written or outcome.failed or outcome.done_before):
        raise UnnoiseError(f"There is no picture in {plan.source.place}; check the name, or add --recursive.")
    typer.echo(outcome.summary(), err=True)
    return outcome.exit_status
