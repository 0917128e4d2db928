"""Pictures on a worker: whatever is there already and whatever ends it, a result is there once, whole and accounted for."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from processes import CopyTask
from unnoise import images
from unnoise.batch.cluster.account import FAILED, FOLDER, WRITTEN, Account
from unnoise.batch.cluster.plan import Picture, Plan
from unnoise.batch.cluster.storage import Storage, checksum_of
from unnoise.batch.cluster.worker import LARGE, MOST_ATTEMPTS, Attempts, Order, PictureWorker
from unnoise.batch.jobs import Job
from unnoise.batch.progress import OnTile
from unnoise.errors import UsageError
from unnoise.files.temporary_names import temporary_path

ENDED = 999_999_999
"""The number of no process."""


class Cluster:
    """Pictures that hold these texts, and one worker for them."""

    def __init__(self, place: Path, **texts: str) -> None:
        self.place, self.trace = place, place / "trace"
        self.trace.mkdir()
        for name, text in texts.items():
            self.write(name, text)
        self.order = Order(CopyTask(self.trace), Storage(place / "in"), Storage(place / "out"), "settings")

    def write(self, name: str, text: str) -> None:
        file = self.place / "in" / f"{name.replace('_', '/')}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def plan(self, settings: str = "settings", **options: object) -> Plan:
        return Plan(self.order.source, self.order.sink, settings, recursive=True, **options)  # type: ignore[arg-type]

    def run(self, settings: str = "settings", **options: object) -> dict[str, str]:
        """One run, without Ray: the outcome of each picture that was to be done."""
        plan = self.plan(settings, **options)
        order = replace(self.order, settings=settings, overwrite=plan.overwrite)
        rows = PictureWorker(order).rows(plan.pictures())
        for row in rows:
            plan.account.add(str(Path(row["picture"]).parent).removeprefix("."), [row])
        return {row["picture"]: row["reason"] if row["outcome"] == FAILED else row["outcome"] for row in rows}

    def names(self) -> list[str]:
        out = self.place / "out"
        return sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))


def _copy(job: Job, replace: bool, on_tile: OnTile) -> None:
    shutil.copy(job.source, job.target)


def test_a_second_run_does_what_is_new_or_changed_and_nothing_else(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, a="a", b_c="c", b_d="d")
    assert cluster.run() == dict.fromkeys(["a.png", "b/c.png", "b/d.png"], WRITTEN)
    assert cluster.names() == ["a.png", "b/c.png", "b/d.png"]
    account = Account(cluster.order.sink)
    assert list(account.folders()) == ["", "b"]
    for folder in account.folders():
        account.merge(folder)
        for row in account.rows(folder).values():
            assert row["result_checksum"] == checksum_of(tmp_path / "out" / row["result"])
            assert row["source_checksum"] == checksum_of(tmp_path / "in" / row["picture"])
            assert row["seconds"] >= 0
    assert cluster.run() == {}
    cluster.write("b_c", "changed")
    cluster.write("e", "e")
    assert cluster.run() == {"b/c.png": WRITTEN, "e.png": WRITTEN}
    (tmp_path / "out" / "a.png").unlink()
    assert cluster.run() == {"a.png": WRITTEN}
    assert len(cluster.run("other settings")) == 4
    assert len(cluster.run("other settings", overwrite=True)) == 4
    assert not list((tmp_path / "out" / FOLDER / ".attempts").iterdir())


def test_files_that_the_account_does_not_know_stay_unless_they_are_the_result(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, a="a", b="b")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_text("a")  # as by a driver that was killed before it wrote the account
    (tmp_path / "out" / "b.png").write_text("somebody else's")
    outcomes = cluster.run()
    assert outcomes["a.png"] == WRITTEN
    assert "b.png is there already, and the account does not know it" in outcomes["b.png"]
    assert (tmp_path / "out" / "b.png").read_text() == "somebody else's"
    assert cluster.run(overwrite=True) == {"a.png": WRITTEN, "b.png": WRITTEN}
    assert (tmp_path / "out" / "b.png").read_text() == "b"


def test_a_picture_that_ends_its_worker_is_named_after_some_attempts_and_tried_again_by_the_next_run(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, a="a", b="bad")
    for _ in range(MOST_ATTEMPTS):  # as if the worker had been killed
        Attempts(cluster.order.sink, "a.png").begin("a.png")
    outcomes = cluster.run()
    assert "a.png has ended its worker 3 times" in outcomes["a.png"]
    assert "ZeroDivisionError" in outcomes["b.png"]
    assert str(tmp_path / "in" / "b.png") in outcomes["b.png"]
    cluster.write("b", "good")
    assert cluster.run() == {"a.png": WRITTEN, "b.png": WRITTEN}


def test_large_pictures_are_left_for_tiles(tmp_path: Path) -> None:
    for name, side in (("small", 20), ("large", 60)):
        images.write(tmp_path / f"{name}.png", images.Picture(np.zeros((side, side, 3), np.uint8)))
    order = Order(_copy, Storage(tmp_path), Storage(tmp_path / "out"), "", large_pixels=1000)
    pictures = [Picture(f"{name}.png", f"{name}.png", 1000, "") for name in ("small", "large")]
    assert [row["outcome"] for row in PictureWorker(replace(order, takes_large=False)).rows(pictures)] == [WRITTEN, LARGE]
    assert [row["outcome"] for row in PictureWorker(order).rows(pictures)] == [WRITTEN, WRITTEN]


def test_plans_refuse_what_would_lose_pictures(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, a="a")
    with pytest.raises(UsageError, match="would replace the pictures"):
        Plan(cluster.order.source, cluster.order.source, "settings")
    with pytest.raises(UsageError, match=r"There is no folder .*none; check the name"):
        Plan(Storage(tmp_path / "none"), cluster.order.sink, "settings")
    inner = Plan(cluster.order.source, Storage(tmp_path / "in" / "out"), "settings", recursive=True)
    (tmp_path / "in" / "out").mkdir()
    (tmp_path / "in" / "out" / "r.png").write_text("a result")
    assert [picture.name for picture in inner.pictures()] == ["a.png"]
    (tmp_path / "in" / "a.CR2").write_text("raw")
    (tmp_path / "in" / "b.dng").write_text("raw")
    (tmp_path / "in" / "b.tif").write_text("tiff")
    named = {picture.name: picture.result for picture in cluster.plan().pictures() if picture.name[0] in "ab"}
    assert len(set(named.values())) == len(named) == 4
    assert [picture.name for picture in cluster.plan(pattern="b.*").pictures()] == ["b.dng", "b.tif"]


KILLED_WITHIN = """
import os, signal, sys
from unnoise.batch.cluster.plan import Plan
from unnoise.batch.cluster.storage import Storage
from unnoise.batch.cluster.worker import Order, PictureWorker

def task(job, replace, on_tile):
    assert job.source.exists()
    os.kill(os.getpid(), signal.SIGKILL)

order = Order(task, Storage(sys.argv[1]), Storage(sys.argv[2]), "settings")
PictureWorker(order).rows(Plan(order.source, order.sink, "settings").pictures())
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows cannot remove what a killed process left")
def test_a_killed_worker_leaves_nothing_in_the_system_s_folder(tmp_path: Path) -> None:
    for name in ("in", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "in" / "a.png").write_text("a")
    command = [sys.executable, "-c", KILLED_WITHIN, str(tmp_path / "in"), str(tmp_path / "out")]
    ended = subprocess.run(command, env=os.environ | {"TMPDIR": str(tmp_path / "tmp")}, timeout=100, check=False)
    assert ended.returncode == -signal.SIGKILL
    for _ in range(3000):  # another process removes it, a little later
        if not list((tmp_path / "tmp").iterdir()):
            break
        time.sleep(0.01)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_half_a_part_of_the_account_that_a_killed_driver_left_goes_away(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, a="a")
    cluster.run()
    account, folder = Account(cluster.order.sink), tmp_path / "out" / FOLDER
    killed, running = temporary_path(folder / "part-1.parquet", ENDED), temporary_path(folder / "part-2.parquet", os.getppid())
    for half in (killed, running):
        half.write_bytes(b"PAR1")
    assert list(account.rows("")) == ["a.png"]
    account.merge("")
    assert not killed.exists()
    assert running.exists()
    assert list(account.rows("")) == ["a.png"]
