"""Lists of jobs: the places of results, failures, and Ctrl-C at any moment. No finished work is repeated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unnoise.batch.jobs import Job, Plan
from unnoise.batch.outcome import Outcome, Stopped
from unnoise.batch.progress import OnTile
from unnoise.batch.run import _check, plan, run
from unnoise.errors import UsageError
from unnoise.files.atomic import atomic_write

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
    with atomic_write(job.target) as temporary:
        temporary.write_text(job.source.read_text().upper())


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


def test_zarrs_by_their_names_go_into_a_folder(tmp_path: Path) -> None:
    """A Zarr is a folder that counts as one file."""
    pictures = [tmp_path / "a.zarr", tmp_path / "b.zarr"]
    for picture in pictures:
        picture.mkdir()
    jobs = plan(pictures, tmp_path / "out").jobs
    assert [job.target for job in jobs] == [tmp_path / "out" / "a.zarr", tmp_path / "out" / "b.zarr"]
    assert [job.target for job in plan(pictures, None).jobs] == [tmp_path / "a_denoised.zarr", tmp_path / "b_denoised.zarr"]
    assert [job.target for job in plan([tmp_path], tmp_path / "out").jobs] == [job.target for job in jobs]


def test_camera_raw_beside_a_tiff_of_the_same_name(tmp_path: Path) -> None:
    _pictures(tmp_path / "in", "a.dng", "a.tif", "b.cr3", "c.nef", "c.arw")
    names = ["a.dng.tif", "a.tif", "b.tif", "c.arw.tif", "c.nef.tif"]
    assert sorted(job.target.name for job in plan([tmp_path / "in"], tmp_path / "out").jobs) == names
    beside = ["a_denoised.dng.tif", "a_denoised.tif", "b_denoised.tif", "c_denoised.arw.tif", "c_denoised.nef.tif"]
    assert sorted(job.target.name for job in plan([tmp_path / "in"], None).jobs) == beside


@pytest.mark.parametrize(
    ("out", "named", "fails"),
    [
        ("x.pcx", ["a.png"], True),
        ("x.cr2", ["a.png"], True),
        ("x.cr2", ["."], True),
        ("x.pcx", ["a.png", "b.png"], True),
        ("x.v2", ["a.png"], True),
        ("x.v2", ["a.png", "b.png"], False),
        ("trip.to-rome", ["."], False),
        ("made.pcx", ["a.png"], False),
        ("x.TIF", ["a.png"], False),
    ],
)
def test_an_output_whose_suffix_cannot_be_written(out: str, named: list[str], fails: bool, tmp_path: Path) -> None:
    _pictures(tmp_path, "a.png", "b.png")
    (tmp_path / "made.pcx").mkdir()
    pictures = [tmp_path / name if name != "." else tmp_path for name in named]
    if fails:
        with pytest.raises(UsageError, match=rf"cannot be written as '{out}'.*\.png"):
            plan(pictures, tmp_path / out)
        return
    folder = plan(pictures, tmp_path / out).folder
    assert folder == (None if out == "x.TIF" else tmp_path / out)


def _marked(*sources: Path) -> list[Path]:
    return [source.with_name(f"{source.stem}_denoised.png") for source in sources]


def test_beside_the_pictures_of_a_folder_a_second_call_does_what_is_new_or_has_changed(tmp_path: Path) -> None:
    a, b = _pictures(tmp_path, "a.png", "b.png")
    assert _run(plan([tmp_path], None), _write).written == _marked(a, b)
    c, _ = _pictures(tmp_path, "c.png", "d.png")
    b.write_text("of another length")
    _marked(c)[0].write_text("by somebody else")
    outcome = _run(plan([tmp_path], None), _write)
    assert outcome.done_before == _marked(a)
    assert outcome.left == _marked(c)
    assert _names(outcome.written) == "b_denoisedd_denoised"
    assert outcome.summary() == "2 written, 1 done before and unchanged, 1 there already and left alone."
    assert _marked(c)[0].read_text() == "by somebody else"
    assert _names(_run(plan([a, b], None), _write, "other settings").written) == "a_denoisedb_denoised"


def test_one_picture_alone_leaves_no_record_and_refuses_what_is_there(tmp_path: Path) -> None:
    (a,) = _pictures(tmp_path, "a.png")
    _run(plan([a], None), _write)
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "a_denoised.png"}
    with pytest.raises(UsageError, match=r"a_denoised\.png is there already"):
        plan([a], None)


def test_ctrl_c_tells_how_far_the_work_had_come(made: Plan) -> None:
    with pytest.raises(Stopped) as stopped:
        _run(made, _interrupted("b", after=False))
    assert _names(stopped.value.outcome.written) == "a"
    assert str(stopped.value) == "1 written, 2 not done."
