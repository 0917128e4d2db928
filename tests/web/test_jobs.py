"""The queue: the same files as the command line, private, bounded, cancelled at a tile, and deleted."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unnoise import images
from unnoise.batch.one_file import denoise_file
from unnoise.errors import UsageError
from unnoise.images.picture import Picture
from unnoise.inference.options import DenoiseOptions
from unnoise.models import shipped
from unnoise.web import jobs as jobs_module
from unnoise.web.choices import Choices
from unnoise.web.job import Job, State, safe_name
from unnoise.web.jobs import Jobs, QueueFullError
from unnoise.web.limits import WebLimits

FAST = Choices(model="fast")


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(WebLimits(visitor_jobs=3, waiting_jobs=2), device="cpu", parent=tmp_path)
    yield made
    made.close()
    assert not made.folder.exists()


def _sent(jobs: Jobs, visitor: str = "a", name: str = "a.png", side: int = 48) -> Job:
    job = jobs.new(visitor, name, FAST)
    noisy = np.random.default_rng(0).normal(120, 20, (side, side, 3)).clip(0, 255).astype(np.uint8)
    images.write(job.source, Picture(noisy))
    return job


def test_the_result_is_that_of_the_command_line(jobs: Jobs, tmp_path: Path) -> None:
    job = _sent(jobs)
    choices = Choices(model="fast", strength=0.7, detail=0.2)
    jobs.submit(job, choices)
    assert job.finished.wait(60)
    assert job.state is State.DONE
    denoise_file(shipped.load("fast"), job.source, tmp_path / "b.png", options=DenoiseOptions(strength=0.7, detail=0.2))
    assert job.target.name == "a_denoised.png"
    assert job.target.read_bytes() == (tmp_path / "b.png").read_bytes()
    jobs.submit(job, FAST)  # again, with other choices
    assert job.finished.wait(60)
    assert job.target.read_bytes() != (tmp_path / "b.png").read_bytes()


def test_files_are_private_and_deleted(jobs: Jobs) -> None:
    mine, other = _sent(jobs, "a"), _sent(jobs, "b")
    for folder in (mine.folder, mine.source.parent, jobs.folder):
        assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0
    assert jobs.get(mine.id, "a") is mine
    assert jobs.get(mine.id, "b") is None
    assert len(mine.id) >= 32
    jobs.leave("a")
    assert not mine.folder.exists()
    assert jobs.get(mine.id) is None
    assert other.source.exists()


def test_files_that_nobody_uses_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "SWEEP_SECONDS", 0.05)
    jobs = Jobs(WebLimits(keep_seconds=1), device="cpu", parent=tmp_path)
    old, used = _sent(jobs), _sent(jobs)
    until = time.monotonic() + 30
    while old.folder.exists() and time.monotonic() < until:
        jobs.get(used.id)
        time.sleep(0.05)
    assert not old.folder.exists()
    assert used.folder.exists()
    jobs.close()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no shell that waits for the end of a process")
def test_a_killed_server_leaves_no_pictures(tmp_path: Path) -> None:
    code = "import time; from unnoise.web.jobs import Jobs; jobs = Jobs(); print(jobs.folder, flush=True); time.sleep(60)"
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        (folder / "picture").write_text("private")
        process.kill()
    until = time.monotonic() + 30
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_picture_is_a_sentence_without_paths_and_ends_nothing(jobs: Jobs) -> None:
    bad = jobs.new("a", "bad.png", FAST)
    bad.source.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    good = _sent(jobs)
    jobs.submit(bad)
    jobs.submit(good)
    assert good.finished.wait(60)
    assert bad.state is State.FAILED
    assert bad.error is not None
    assert bad.error.startswith("bad.png ")
    assert str(jobs.folder) not in bad.error
    assert good.state is State.DONE


def _stopped_at_the_first_tile(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Let each job wait at its first tile until it is cancelled; the list of those that got there."""
    there: list[Job] = []

    def denoise(self: Jobs, job: Job) -> None:
        there.append(job)
        job.share = 0.5
        assert job.cancelled.wait(60)
        job.check_cancelled()

    monkeypatch.setattr(Jobs, "_denoise", denoise)
    return there


def test_the_queue_is_bounded_and_tells_how_many_come_before(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    there = _stopped_at_the_first_tile(jobs, monkeypatch)
    running, first, second = _sent(jobs, "a"), _sent(jobs, "b"), _sent(jobs, "c")
    extra = _sent(jobs, "d")
    jobs.submit(running)
    while not there:
        time.sleep(0.01)
    jobs.submit(first)
    jobs.submit(second)
    assert [jobs.ahead(job) for job in (running, first, second)] == [0, 1, 2]
    assert running.seconds_left is not None
    with pytest.raises(QueueFullError, match="2 pictures are waiting, the most that may"):
        jobs.submit(extra)
    with pytest.raises(UsageError, match="is running already"):
        jobs.submit(running)
    jobs.cancel(first)
    assert first.state is State.CANCELLED
    jobs.submit(extra)
    for job in (running, second, extra):
        jobs.cancel(job)
        assert job.finished.wait(60)
        assert job.state is State.CANCELLED


def test_one_visitor_keeps_a_bounded_number(jobs: Jobs) -> None:
    for _ in range(3):
        _sent(jobs)
    with pytest.raises(QueueFullError, match="You have 3 pictures here"):
        jobs.new("a", "a.png", FAST)
    jobs.new("b", "a.png", FAST)


def test_a_job_is_cancelled_at_its_next_tile_and_leaves_no_result(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    job = _sent(jobs)
    cancel = jobs.models.get

    def cancelling(name: str) -> object:
        job.cancelled.set()
        return cancel(name)

    monkeypatch.setattr(jobs.models, "get", cancelling)
    jobs.submit(job)
    assert job.finished.wait(60)
    assert job.state is State.CANCELLED
    assert not list(job.target.parent.iterdir())


@given(st.text(max_size=300))
@example("")
@example("../" * 9)
@example("." * 300)
@example("𝒳" * 300)
@settings(max_examples=40)
def test_names_of_files_stay_in_their_folder(text: str) -> None:
    name = safe_name(f"{text}.png")
    assert name.endswith(".png")
    assert Path(name).name == name
    assert not name.startswith(".")
    assert len(name.encode()) <= 100
    assert (Path("/folder") / name).resolve().parent == Path("/folder")


@pytest.mark.parametrize("name", ["a.exe", "", "png", "../a.sh", "a.zarr", "a.png."])
def test_other_files_are_refused_by_name(name: str) -> None:
    with pytest.raises(UsageError, match="is no picture that is known"):
        safe_name(name)
