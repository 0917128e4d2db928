"""The manifest claims what its own process made, and nothing else: after kills, beside other runs, and beside users."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from unnoise.batch.jobs import Job, Plan
from unnoise.batch.manifest import FILE_NAME, FORMAT, JOURNAL_NAME
from unnoise.batch.outcome import Outcome, Stopped
from unnoise.batch.progress import OnTile
from unnoise.batch.run import run
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files import locking, temporary_names
from unnoise.files.atomic import atomic_write
from unnoise.files.locking import LOCK_NAME, FolderInUseError
from unnoise.files.stamps import stamp
from unnoise.files.temporary_names import temporary_path

NAMES = ("a", "b", "c")


@pytest.fixture
def made(tmp_path: Path) -> Plan:
    """Three sources, and a folder for their results."""
    return _plan(tmp_path)


def _plan(folder: Path) -> Plan:
    jobs = [Job(folder / f"{name}.png", folder / "out" / f"{name}.png") for name in NAMES]
    for job in jobs:
        job.source.write_text("noisy")
    return Plan(jobs, folder / "out")


def _out(made: Plan) -> Path:
    return made.jobs[0].target.parent


def _write(job: Job, text: str = "clean") -> None:
    with atomic_write(job.target) as temporary:
        temporary.write_text(text)


def _run(made: Plan, work: Callable[[Job], None], settings: str = "first", **options: Any) -> Outcome:
    def on_job(job: Job, replace: bool, on_tile: OnTile) -> None:
        work(job)

    return run(made, on_job, settings, **options)


def _names(paths: list[Path]) -> str:
    return "".join(path.stem for path in paths)


@pytest.fixture
def unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk on which another machine's locks are not seen."""

    @contextmanager
    def free(folder: Path) -> Iterator[None]:
        yield

    monkeypatch.setattr(locking, "locked", free)
    monkeypatch.setattr(locking, "check_unlocked", lambda folder: None)


def test_a_second_run_on_the_folder_is_told_so(made: Plan) -> None:
    def work(job: Job) -> None:
        with pytest.raises(FolderInUseError, match=rf"process {os.getpid()} on"):
            _run(made, _write, "second")
        assert (_out(made) / LOCK_NAME).exists()
        _write(job)

    assert _names(_run(made, work).written) == "abc"
    assert not (_out(made) / LOCK_NAME).exists()
    assert _names(_run(made, _write).done_before) == "abc"


def test_a_run_that_begins_between_the_check_and_the_lock(made: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "check_unlocked", lambda folder: None)
    _out(made).mkdir()
    with locking.locked(_out(made)):
        outcome = _run(made, _write)
    (sentence,) = outcome.failures
    assert "Another run of unnoise writes into" in sentence
    assert (outcome.written, outcome.not_done, outcome.exit_status) == ([], 0, 1)


@pytest.mark.usefixtures("unlocked")
def test_results_of_another_run_are_not_claimed(made: Plan) -> None:
    """The first is at its first picture; the second does all; the first is stopped."""

    def work(job: Job) -> None:
        _run(made, lambda job: _write(job, "of the second"), "second")
        raise KeyboardInterrupt

    with pytest.raises(Stopped):
        _run(made, work, "first")
    assert _names(_run(made, _write, "second").done_before) == "abc"
    outcome = _run(made, lambda job: _write(job, "of the first"), "first")
    assert _names(outcome.written) == "abc"
    assert made.jobs[2].target.read_text() == "of the first"


@pytest.mark.usefixtures("unlocked")
def test_after_two_equal_runs_a_third_has_nothing_to_do(made: Plan) -> None:
    def work(job: Job) -> None:
        if job is made.jobs[0]:
            _run(made, _write)
        _write(job)

    outcome = _run(made, work)
    assert len(outcome.failures) == 3  # what the other run has just made is not replaced
    assert "has been put there meanwhile" in outcome.failures[0]
    assert _names(_run(made, _write).done_before) == "abc"


def test_a_file_that_is_put_there_meanwhile_is_not_replaced(made: Plan) -> None:
    def work(job: Job) -> None:
        with atomic_write(job.target) as temporary:
            temporary.write_text("clean")
            if job is made.jobs[1]:
                job.target.write_text("a user's own")

    outcome = _run(made, work)
    assert _names(outcome.written) == "ac"
    assert made.jobs[1].target.read_text() == "a user's own"
    with pytest.raises(UsageError, match=r"b\.png is there already"):
        _run(made, _write)
    assert _names(_run(made, _write, overwrite=True).written) == "abc"
    assert made.jobs[1].target.read_text() == "clean"


def test_a_result_that_changes_while_it_is_made_again_is_kept(made: Plan) -> None:
    _run(made, _write)

    def work(job: Job) -> None:
        with atomic_write(job.target) as temporary:
            temporary.write_text("with other settings")
            if job is made.jobs[1]:
                job.target.write_text("retouched by hand")

    assert _names(_run(made, work, "second").written) == "ac"
    assert made.jobs[1].target.read_text() == "retouched by hand"


def test_ctrl_c_between_the_record_and_the_new_name_keeps_the_old_result_ours(
    made: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(made, _write)
    replace = Path.replace

    def strike(self: Path, target: Path) -> Path:
        if self.name.startswith(".b."):
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", strike)
        with pytest.raises(Stopped):
            _run(made, _write, "second")
    outcome = _run(made, _write, "second")
    assert (_names(outcome.done_before), _names(outcome.written)) == ("a", "bc")


KILLED = """
import os, signal, sys
from pathlib import Path
import test_manifest as t
from unnoise.files import atomic

made, at = t._plan(Path(sys.argv[1])), sys.argv[2]

def work(job):
    with atomic.atomic_write(job.target) as temporary:
        temporary.write_text("clean")
        if job.source.stem == "b" and at == "before":
            os.kill(os.getpid(), signal.SIGKILL)
    if job.source.stem == "b" and at == "after":
        os.kill(os.getpid(), signal.SIGKILL)

if at == "between":
    def replace(self, target):
        if self.name.startswith(".b."):
            os.kill(os.getpid(), signal.SIGKILL)
        os.replace(self, target)
    Path.replace = replace
t._run(made, work)
"""


def _killed(folder: Path, at: str) -> None:
    """A run that is killed around the second result's renaming."""
    here = Path(__file__).parent
    code = f"import sys; sys.path.insert(0, {str(here)!r})\n{KILLED}"
    assert subprocess.run([sys.executable, "-c", code, folder, at]).returncode == -signal.SIGKILL


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize(("at", "done"), [("before", "a"), ("between", "a"), ("after", "ab")])
def test_a_killed_run_is_continued_and_users_files_stay(at: str, done: str, tmp_path: Path) -> None:
    made = _plan(tmp_path)
    sources = {job.source: stamp(job.source) for job in made.jobs}
    _killed(tmp_path, at)
    for job in made.jobs:  # as `_plan` of the other process wrote them
        assert stamp(job.source) != sources[job.source]
    own = made.jobs[2].target
    own.write_text("a user's own")
    with pytest.raises(UsageError, match=r"c\.png is there already"):
        _run(made, _write)
    assert own.read_text() == "a user's own"
    own.unlink()
    outcome = _run(made, _write)
    assert (_names(outcome.done_before), _names(outcome.written)) == (done, "abc"[len(done) :])
    hidden = {path.name for path in own.parent.iterdir()} - {f"{name}.png" for name in NAMES}
    assert hidden == {FILE_NAME}
    assert _names(_run(made, _write).done_before) == "abc"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_user_s_file_at_the_name_of_a_result_that_never_came(tmp_path: Path) -> None:
    _killed(tmp_path, "between")  # the journal has the result, which never got its name
    made = _plan(tmp_path)
    made.jobs[1].target.write_text("clean")  # even of the same size
    with pytest.raises(UsageError, match=r"b\.png is there already"):
        _run(made, _write)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_an_older_result_of_ours_stays_ours_when_its_successor_never_came(tmp_path: Path) -> None:
    made = _plan(tmp_path)
    _run(made, _write, "older")
    _killed(tmp_path, "between")
    outcome = _run(made, _write)
    assert (_names(outcome.done_before), _names(outcome.written)) == ("a", "bc")


def test_what_a_run_left_that_was_killed_after_its_last_result(made: Plan) -> None:
    _run(made, _write)
    entries = json.loads((_out(made) / FILE_NAME).read_text())["results"]
    (_out(made) / FILE_NAME).unlink()
    (_out(made) / JOURNAL_NAME).write_text("".join(json.dumps(item) + "\n" for item in entries.items()))
    half = temporary_path(_out(made) / FILE_NAME, process=2**22 + 5)  # a number that no process has
    half.write_text("{")
    temporary_names._temporary_files_in.cache_clear()  # the next run is another process
    outcome = _run(made, _write)
    assert [outcome.written, len(outcome.done_before)] == [[], 3]
    assert {path.name for path in _out(made).iterdir()} == {"a.png", "b.png", "c.png", FILE_NAME}


def test_a_line_of_the_journal_that_was_cut_off(made: Plan) -> None:
    _run(made, _write)
    entries = json.loads((_out(made) / FILE_NAME).read_text())["results"]
    (_out(made) / FILE_NAME).unlink()
    lines = [json.dumps([key, entry]) for key, entry in entries.items()]
    odd = ["[", '"x"', "[1, 2]", '["a.png"]', '["a.png", {}]', "[" * 100_000, lines[2][:-9]]
    (_out(made) / JOURNAL_NAME).write_text("\n".join([*odd[:3], lines[0], *odd[3:6], lines[1], odd[6]]))
    made.jobs[2].target.unlink()
    outcome = _run(made, _write)
    assert (_names(outcome.done_before), _names(outcome.written)) == ("ab", "c")


def test_a_report_without_its_result_is_ours_after_a_stop(tmp_path: Path) -> None:
    source, out = tmp_path / "a.png", tmp_path / "out"
    source.write_text("noisy")
    job = Job(source, out / "a.png", out / "a.report")

    def work(job: Job) -> None:
        for result in job.results[1:]:
            with atomic_write(result) as temporary:
                temporary.write_text("report")
        if not (tmp_path / "stopped").exists():
            (tmp_path / "stopped").touch()
            raise KeyboardInterrupt
        _write(job)

    with pytest.raises(Stopped):
        _run(Plan([job], out), work)
    assert _names(_run(Plan([job], out), work).written) == "a"


def test_a_deeply_nested_manifest_is_a_sentence(made: Plan) -> None:
    _out(made).mkdir()
    (_out(made) / FILE_NAME).write_text("[" * 100_000)
    with pytest.raises(UnnoiseError, match=rf"{FILE_NAME} cannot be read \(it is damaged\)"):
        _run(made, _write)


@pytest.mark.parametrize("name", [FILE_NAME, JOURNAL_NAME])
def test_a_record_of_many_bytes_is_not_read(made: Plan, name: str) -> None:
    """A file with a hole states any size and takes no room."""
    _out(made).mkdir()
    with (_out(made) / name).open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(
        UnnoiseError, match=rf"{name} has 1,000,000,000,000 bytes, more than the limit .* UNNOISE_MAX_RECORD_BYTES"
    ):
        _run(made, _write)


def test_planned_results_of_an_older_version_are_not_taken_for_ours(made: Plan) -> None:
    _out(made).mkdir()
    entry = {"source": str(made.jobs[0].source), "stamp": stamp(made.jobs[0].source), "settings": "first", "result": None}
    (_out(made) / FILE_NAME).write_text(json.dumps({"format": FORMAT, "results": {"a.png": entry}}))
    assert _names(_run(made, _write).written) == "abc"
    (_out(made) / FILE_NAME).write_text(json.dumps({"format": FORMAT, "results": {"a.png": entry}}))
    with pytest.raises(UsageError, match=r"a\.png is there already"):
        _run(made, _write)


def test_a_source_that_is_removed_during_the_run_fails_with_status_1(made: Plan) -> None:
    def work(job: Job) -> None:
        if job is made.jobs[0]:
            made.jobs[1].source.unlink()
        if not job.source.exists():
            raise UsageError(f"There is no file {job.source}; check the name.")
        _write(job)

    outcome = _run(made, work)
    assert (_names(outcome.written), outcome.exit_status) == ("ac", 1)
    assert outcome.failures == [
        f"{made.jobs[1].source} was removed before it was read; put it back, and give the same command again."
    ]


def test_changes_in_a_zarr_are_noticed(tmp_path: Path) -> None:
    source, target = tmp_path / "a.zarr", tmp_path / "out" / "a.zarr"
    source.mkdir()
    (source / "0.0").write_text("chunk")
    made = Plan([Job(source, target)], tmp_path / "out")

    def work(job: Job) -> None:
        with atomic_write(job.target) as temporary:
            shutil.copytree(job.source, temporary)

    assert _names(_run(made, work).written) == "a"
    assert _names(_run(made, work).done_before) == "a"
    (source / "0.0").write_text("CHUNK")  # in place, of the same size
    assert _names(_run(made, work).written) == "a"
    assert (target / "0.0").read_text() == "CHUNK"
    (target / "0.0").unlink()
    with pytest.raises(UsageError, match=r"a\.zarr is there already"):
        _run(made, work)
