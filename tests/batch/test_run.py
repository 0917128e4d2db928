"""Lists of jobs: where results go, one that breaks, and Ctrl-C at any moment: what was done is not done again, what was not is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unnoise.batch.run import Job, OnTile, Outcome, Plan, _check, plan, run
from unnoise.errors import UsageError

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


def test_a_sound_picture_is_done_though_another_breaks_in_a_way_that_nobody_thought_of(made: Plan) -> None:
    def work(job: Job) -> None:
        if job.source.stem == "b":
            raise ZeroDivisionError("float division by zero")
        _write(job)

    outcome = _run(made, work)
    assert _names(outcome.written) == "ac"
    (sentence,) = outcome.failures
    assert str(made.jobs[1].source) in sentence
    assert "ZeroDivisionError: float division by zero" in sentence
    assert outcome.exit_status == 1
    assert _names(_run(made, _write).written) == "b"


def _pictures(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x")
    return [folder / name for name in names]


def test_reports_of_results_that_differ_in_their_suffix_alone_have_names_of_their_own(tmp_path: Path) -> None:
    jobs = plan(_pictures(tmp_path, "a.png", "a.jpg", "b.png"), tmp_path / "out", report=True).jobs
    assert {job.report.name for job in jobs if job.report} == {"a.png.report", "a.jpg.report", "b.report"}
    assert len({result for job in jobs for result in job.results}) == 9


def test_a_report_replaces_neither_a_picture_nor_another_result_nor_what_is_there(tmp_path: Path) -> None:
    pictures = _pictures(tmp_path, "a.png", "a.report.png")
    with pytest.raises(UsageError, match=r"would both become .*a\.report\.png"):
        plan(pictures, tmp_path / "out", report=True)
    with pytest.raises(UsageError, match=r"a\.report\.png is there already"):
        plan(pictures[:1], tmp_path / "a.tif", report=True)
    (source, other) = _pictures(tmp_path, "b.png", "c.report.png")
    with pytest.raises(UsageError, match=r"c\.report\.png would replace the picture"):
        _check(Plan([Job(source, tmp_path / "c.png", tmp_path / "c.report"), Job(other, tmp_path / "d.png")]), overwrite=True)


def test_a_report_that_was_removed_is_made_again(tmp_path: Path) -> None:
    made = plan(_pictures(tmp_path / "in", "a.png", "b.png"), tmp_path / "out", report=True)

    def work(job: Job) -> None:
        for result in job.results[::-1]:
            result.write_text("result")

    _run(made, work)
    assert _run(made, work).written == []
    made.jobs[1].results[-1].unlink()
    assert _names(_run(made, work).written) == "b"


def test_a_name_that_is_too_long_for_its_result_is_a_sentence(tmp_path: Path) -> None:
    (picture,) = _pictures(tmp_path, "x" * 250 + ".png")
    made = plan([picture], None)
    outcome = _run(made, lambda job: job.target.write_text("x"))  # type: ignore[arg-type, return-value]
    assert "File name too long" in outcome.failures[0]


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
