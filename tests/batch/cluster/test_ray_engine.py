"""A run on Ray: two nodes, whose workers, node and driver are killed. Each picture is there once, whole and accounted for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray")

import cluster_process
from processes import CopyTask
from ray_cluster import cluster
from s3_server import bucket
from unnoise import images
from unnoise.batch.cluster.account import FAILED, WRITTEN, Row
from unnoise.batch.cluster.plan import Picture, Plan
from unnoise.batch.cluster.ray_engine import Cluster, ClusterOutcome, batches, run_on_cluster
from unnoise.batch.cluster.storage import Storage
from unnoise.batch.cluster.worker import Order
from unnoise.batch.picture_task import PictureTask
from unnoise.inference.options import DenoiseOptions
from unnoise.models import shipped


def _run(address: str, order: Order, window: int = 4096, **more: Any) -> tuple[ClusterOutcome, list[Row]]:
    rows: list[Row] = []
    plan = Plan(order.source, order.sink, order.settings, recursive=True)
    outcome = run_on_cluster(
        order,
        plan,
        Cluster(address, device="cpu", window=window),
        on_row=more.get("on_row", rows.append),
        on_progress=lambda outcome: None,
    )
    return outcome, rows


def _check_account(order: Order, failures: int = 0) -> int:
    """The account names exactly the files of the sink, by their checksums."""
    sink = order.sink
    account = Plan(order.source, sink, order.settings).account
    rows = [row for folder in account.folders() for row in account.rows(folder).values()]
    written = {row["result"]: row["result_checksum"] for row in rows if row["outcome"] == WRITTEN}
    there = {file.name: sink.checksum(file.name) for folder in sink.folders("", recursive=True) for file in sink.files(folder)}
    assert written == there
    assert sum(row["outcome"] == FAILED for row in rows) == failures
    return len(written)


def test_batches_hold_many_small_pictures_or_one_large() -> None:
    sizes = [100] * 40 + [2**21, 100, 2**21]
    made = list(batches([Picture(str(n), str(n), size, "") for n, size in enumerate(sizes)]))
    assert [len(batch) for batch in made] == [16, 16, 8, 1, 1, 1]
    assert [picture.name for batch in made for picture in batch] == [str(n) for n in range(len(sizes))]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with bucket(), cluster(1, 1) as made:
        yield made.address


def _drive(address: str, folder: Path, window: int = 4096, killed_after: int = 0) -> dict[str, Any]:
    """A run by a driver in a process of its own."""
    command = [sys.executable, cluster_process.__file__, address, str(folder), str(window), str(killed_after)]
    ended = subprocess.run(
        command, text=True, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert ended.returncode == (-signal.SIGKILL if killed_after else 0)
    told: dict[str, Any] = {} if killed_after else json.loads(ended.stdout.splitlines()[-1])
    return told


@pytest.mark.slow
def test_killed_workers_and_drivers_and_a_bad_file_cost_no_picture(address: str, tmp_path: Path) -> None:
    for number in range(60):
        file = tmp_path / "in" / f"{number % 3}" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text({7: "bad", 20: "crash once", 41: "crash once"}.get(number, f"picture {number}"))
    (tmp_path / "trace").mkdir()
    order = Order(CopyTask(tmp_path / "trace"), Storage(tmp_path / "in"), Storage(tmp_path / "out"), "settings")
    _drive(address, tmp_path, killed_after=5)
    told = _drive(address, tmp_path, window=20)
    rows = told["rows"]
    assert [row["picture"] for row in rows if row["outcome"] == FAILED] == ["1/7.png"]
    assert told["status"] == 1
    assert _check_account(order, failures=1) == 59
    (tmp_path / "in" / "1" / "7.png").write_text("good")
    assert _drive(address, tmp_path)["summary"] == "1 written, 59 done before and unchanged."
    assert _check_account(order) == 60


@pytest.mark.slow
def test_a_large_picture_in_s3_is_restored_as_tiles_as_on_one_machine(address: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    noisy = np.clip(draw.normal(120, 20, (150, 180, 3)), 0, 255).astype(np.uint8)
    source, sink = Storage("s3://pictures/in"), Storage("s3://pictures/out")
    (tmp_path / "in").mkdir()
    images.write(tmp_path / "in" / "large.png", images.Picture(noisy))
    images.write(tmp_path / "in" / "small.png", images.Picture(noisy[:40, :40]))
    for name in ("large.png", "small.png"):
        source.put(tmp_path / "in" / name, name)
    task = PictureTask(shipped.load("fast"), DenoiseOptions(tile=64))
    order = Order(task, source, sink, "settings", large_pixels=5000)
    outcome, rows = _run(address, order)
    assert [row["reason"] for row in rows] == [None, None]
    assert outcome.summary() == "2 written."
    _check_account(order)
    for name in ("large.png", "small.png"):
        got = images.read(sink.fetch(name, tmp_path))
        alone = task.model.denoise(images.read(tmp_path / "in" / name).pixels, tile=64)
        assert np.abs(got.pixels.astype(int) - alone.astype(int)).max() <= 1
