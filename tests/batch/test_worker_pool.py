"""Jobs in processes side by side: whatever happens to a worker, each result is there once and whole, or is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from processes import CopyTask
from unnoise.batch.jobs import Job, Plan
from unnoise.batch.manifest import Manifest
from unnoise.batch.outcome import Outcome, Stopped
from unnoise.batch.progress import RunProgress
from unnoise.batch.run import run
from unnoise.batch.worker_pool import WorkerPool
from unnoise.errors import UnnoiseWarning


class Folder:
    """Sources with these texts, by name, and a run over them."""

    def __init__(self, place: Path, **texts: str) -> None:
        self.out, self.trace = place / "out", place / "trace"
        self.trace.mkdir()
        self.plan = Plan([Job(place / f"{name}.txt", self.out / f"{name}.txt") for name in texts], self.out)
        for job, text in zip(self.plan.jobs, texts.values(), strict=True):
            job.source.write_text(text)
        self.results: dict[str, int] = {}

    def run(self, workers: int = 2, progress: list[RunProgress] | None = None) -> Outcome:
        task = CopyTask(self.trace)
        pool = WorkerPool(task, workers) if workers > 1 else None
        tell = None if progress is None else progress.append
        return run(
            self.plan,
            task,
            "settings",
            pool=pool,
            progress=tell,
            on_done=lambda job, result: self.results.update({job.source.stem: result}),
        )

    def names(self) -> str:
        """Of the results, and of whatever else lies beside them."""
        return " ".join(sorted(path.name.removesuffix(".txt") for path in self.out.iterdir() if "manifest" not in path.name))


def test_a_pool_does_what_one_process_does_and_a_second_run_does_nothing(tmp_path: Path) -> None:
    texts = {name: name * 5 for name in "abcdefg"}
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    alone, folder = Folder(tmp_path / "one", **texts), Folder(tmp_path / "two", **texts)
    seen: list[RunProgress] = []
    assert alone.run(workers=1).summary() == folder.run(progress=seen).summary() == "7 written."
    assert folder.results == alone.results == dict.fromkeys("abcdefg", 5)
    assert [(folder.out / f"{name}.txt").read_text() for name in texts] == list(texts.values())
    manifest = Manifest(folder.out, "settings")
    assert all(manifest.is_done(job.source, job.target) for job in folder.plan.jobs)
    assert folder.run().summary() == "7 done before and unchanged."
    workers = {file.read_text() for file in folder.trace.iterdir()}
    assert str(os.getpid()) not in workers
    assert len(workers) in (1, 2)  # on a busy machine one may do all
    shares = [each.share for each in seen]
    assert shares == sorted(shares)
    assert 0.8 < shares[-1] <= 1


def test_bad_files_and_killed_workers_cost_no_other_picture(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a="a", b="crash", c="bad", d="crash once", e="e", f="crash after", g="memory once", h="h")
    outcome = folder.run()
    assert folder.names() == "a d e f g h"
    assert (folder.out / "d.txt").read_text() == "crash once"
    assert len(outcome.written) == 6
    assert len(outcome.failures) == 2
    (crashed,) = [sentence for sentence in outcome.failures if "b.txt" in sentence]
    assert "SIGKILL" in crashed
    assert any("ZeroDivisionError" in sentence for sentence in outcome.failures)
    assert len(list(folder.trace.glob("b-*"))) == 2
    assert len(list(folder.trace.glob("f-*"))) == 1  # it was done when its worker ended
    assert folder.run().summary() == "6 done before and unchanged, 2 failed."


def test_after_a_stop_nothing_is_half_written_and_the_rest_is_done_by_the_next_run(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a="a", b="slow", c="slow", d="d", e="e")

    def stop(report: RunProgress) -> None:
        if sum(folder.trace.joinpath(f"{name}-0").exists() for name in "bc") == 2:
            raise KeyboardInterrupt

    with pytest.raises(Stopped) as stopped:
        run(folder.plan, print, "settings", pool=WorkerPool(CopyTask(folder.trace), 2), progress=stop)
    assert stopped.value.outcome.not_done >= 2
    assert not [name for name in folder.names().split() if name.startswith(".")]
    for job in folder.plan.jobs:
        job.source.write_text("quick")
    assert len(folder.run().failures) == 0
    assert folder.names() == "a b c d e"


def test_a_file_that_somebody_puts_there_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a="taken", b="b")
    (sentence,) = folder.run().failures
    assert "put there meanwhile" in sentence
    assert (folder.out / "a.txt").read_text() == "somebody else's"


def test_warnings_come_through(tmp_path: Path) -> None:
    folder = Folder(tmp_path, a="warn", b="b")
    with pytest.warns(UnnoiseWarning, match="odd"):
        assert folder.run().summary() == "2 written."
