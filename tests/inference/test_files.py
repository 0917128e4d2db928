"""Lists of jobs that Ctrl-C ends at any moment: what was done is not done again, what was not is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unnoise.errors import UsageError
from unnoise.inference.files import Job, OnTile, Outcome, Plan, run

Work = Callable[[Job], None]
NAMES = ("a", "b", "c")


@pytest.fixture
def made(tmp_path: Path) -> Plan:
    """A folder with three sources, and where their results are to lie."""
    out = tmp_path / "out"
    jobs = [Job(tmp_path / f"{name}.png", out / f"{name}.png") for name in NAMES]
    for job in jobs:
        job.source.write_text("noisy")
    return Plan(jobs, out)


def _run(made: Plan, work: Work, settings: str = "first") -> Outcome:
    def on_job(job: Job, replace: bool, on_tile: OnTile) -> None:
        work(job)

    return run(made, on_job, settings)


def _write(job: Job) -> None:
    beside = job.target.with_name("part")
    beside.write_text(job.source.read_text().upper())
    beside.replace(job.target)


def _interrupted(name: str, *, after: bool) -> Work:
    """Ctrl-C at the job of that name: as its result has just come into its place, or just before."""

    def work(job: Job) -> None:
        strikes = job.source.stem == name
        if strikes and not after:
            raise KeyboardInterrupt
        _write(job)
        if strikes:
            raise KeyboardInterrupt

    return work


def _names(targets: list[Path]) -> str:
    return "".join(target.stem for target in targets)


@pytest.mark.parametrize(("after", "before", "left"), [(True, "ab", "c"), (False, "a", "bc")])
def test_ctrl_c_around_a_result_s_coming_into_its_place(made: Plan, after: bool, before: str, left: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        _run(made, _interrupted("b", after=after))
    outcome = _run(made, _write)
    assert _names(outcome.done_before) == before
    assert _names(outcome.written) == left


@pytest.mark.parametrize(("after", "before", "left"), [(True, "ab", "c"), (False, "a", "bc")])
def test_a_result_of_other_settings_does_not_pass_for_one_of_these(made: Plan, after: bool, before: str, left: str) -> None:
    _run(made, _write, "first")
    for job in made.jobs:
        job.source.write_text("noisy as well")  # another length, for clocks of file systems are coarse
    with pytest.raises(KeyboardInterrupt):
        _run(made, _interrupted("b", after=after), "second")
    outcome = _run(made, _write, "second")
    assert _names(outcome.done_before) == before
    assert _names(outcome.written) == left


def test_a_source_that_changes_after_it_was_read_is_done_again(made: Plan) -> None:
    def work(job: Job) -> None:
        _write(job)
        if job.source.stem == "b":
            job.source.write_text("changed meanwhile")

    _run(made, work)
    assert _names(_run(made, _write).written) == "b"


def test_a_result_that_its_owner_changed_is_not_ours_though_ctrl_c_struck(made: Plan) -> None:
    def work(job: Job) -> None:
        if job.source.stem == "c":
            made.jobs[0].target.write_text("retouched by hand")
            raise KeyboardInterrupt
        _write(job)

    with pytest.raises(KeyboardInterrupt):
        _run(made, work)
    with pytest.raises(UsageError, match=r"a\.png is there already"):
        _run(made, _write)
    assert made.jobs[0].target.read_text() == "retouched by hand"
