"""Denoising many files: plan the result of each, skip those that are done, and continue after a failure."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from unnoise import images
from unnoise.batch.interrupts import kept_interrupts
from unnoise.batch.jobs import Job, Plan
from unnoise.batch.manifest import Manifest
from unnoise.batch.outcome import Outcome, Stopped
from unnoise.batch.progress import OnTile, ProgressMeter, RunProgress
from unnoise.batch.recorder import OnDone, Recorder, as_sentence
from unnoise.batch.worker_pool import WorkerPool
from unnoise.errors import UsageError
from unnoise.files import locking
from unnoise.files.atomic import make_folder
from unnoise.files.attempts import was_finished, working_on
from unnoise.files.locking import FolderInUseError
from unnoise.files.paths import path_kind
from unnoise.images import formats
from unnoise.images.formats import holds_zarr, is_zarr, stem_of, suffix_of
from unnoise.images.science import pairs
from unnoise.inference.device_failure import DeviceError
from unnoise.quality.report import MARK as REPORT_MARK

RESULT_MARK = "_denoised"
"""Appended to the name of a result that lies beside its picture."""

MAX_SUFFIX_CHARACTERS = 5
"""Most characters of a file's suffix, with the dot. A longer one, as in 'trip.to-rome', counts as part of a folder's
name."""


Work = Callable[[Job, bool, OnTile], Any]
"""Does one job: reads the picture, restores it, and at the end writes the result atomically. The second argument tells
whether the result may replace a file."""


def plan(
    pictures: Sequence[Path],
    out: Path | None,
    *,
    recursive: bool = False,
    pattern: str | None = None,
    overwrite: bool = False,
    report: bool = False,
    suffix: str | None = None,
) -> Plan:
    """Find the pictures and name each result, before any work is done.

    Args:
        pictures: picture files, and folders of pictures.
        out: where results go. None: to `NAME_denoised.SUFFIX` beside each picture. A name with a picture's suffix: to
            that file, for a single picture. Else to a folder, which is created if needed. Results keep their places in
            it, and files in it are no input.
        recursive: whether to search folders within folders.
        pattern: which pictures of folders to take, by name or end of path, for instance `*_raw.tif` or `night/*`.
        overwrite: whether results may replace existing files.
        report: whether a report is written beside each result.
        suffix: of the results, as `.dng`, with the dot; None: as the pictures have, or as `out` says.

    Raises:
        UsageError: there is no picture, two results have one name, or a result would replace one of the pictures. `run`
            refuses other files that exist, since it knows which of them are its own results.

    >>> plan([Path("none.png")], Path("out"))
    Traceback (most recent call last):
    unnoise.errors.UsageError: ...
    """
    found = _find(pictures, out, recursive, pattern)
    if out is None:
        ours = (RESULT_MARK, f"{RESULT_MARK}{REPORT_MARK}")
        results = {file: place for file, place in found.items() if not stem_of(file).endswith(ours)} or found
        names = result_names(
            {file: file.with_name(f"{stem_of(file)}{RESULT_MARK}{suffix_of(file)}") for file in results}, suffix
        )
        jobs = [Job(file, name) for file, name in names.items()]
        made = Plan(jobs, beside=len(jobs) > 1 or any(path_kind(given) == "folder" for given in pictures))
    elif _is_file(out, alone=len(found) == 1 and list(found) == list(pictures)):
        if len(found) > 1:
            raise UsageError(f"{out} is one file, but {len(found)} pictures were given; give a folder.")
        made = Plan([Job(next(iter(found)), out)])
    else:
        if path_kind(out) == "file":
            raise UsageError(
                f"{out} is a file whose suffix is no picture's; give a folder or one of {', '.join(sorted(images.SUFFIXES))}."
            )
        made = Plan([Job(file, out / place) for file, place in result_names(found, suffix).items()], out)
    if report:
        made = replace(made, jobs=_with_reports(made.jobs))
    _check(made, overwrite)
    return made


def result_names(found: dict[Path, Path], suffix: str | None = None) -> dict[Path, Path]:
    """The name of the result for each picture. The result of `a.dng` is `a.dng.tif` if there is an `a.tif` too.

    >>> places = {Path("in") / name: Path(name) for name in ("a.dng", "a.tif")}
    >>> [name.as_posix() for name in result_names(places).values()]
    ['a.dng.tif', 'a.tif']
    """

    def named(file: Path, place: Path) -> Path:
        chosen = suffix or pairs.result_suffix(file)
        return place.with_name(stem_of(place) + chosen) if chosen else Path(images.result_name(str(place)))

    names = {file: named(file, place) for file, place in found.items()}
    alike = Counter(names.values())
    return {
        file: name
        if alike[name] == 1 or name == found[file]
        else found[file].with_name(f"{found[file].name}{suffix or suffix_of(name)}")
        for file, name in names.items()
    }


def _is_file(out: Path, alone: bool) -> bool:
    """Whether `-o` names a picture, not a folder.

    Args:
        out: the path that was given.
        alone: whether one picture was given, by its own name.

    Raises:
        UsageError: the path looks like a picture in a format that cannot be written.
    """
    suffix, kind = suffix_of(out).lower(), path_kind(out)
    known = suffix in images.SUFFIXES
    if kind == "folder":
        return holds_zarr(out)
    if known and formats.format_of(out).depths:
        return True
    looks_like_a_kind = suffix[1:].isalpha() and len(suffix) <= MAX_SUFFIX_CHARACTERS
    if known or (suffix and kind is None and (alone or looks_like_a_kind)):
        writable = ", ".join(suffix for form in formats.FORMATS if form.depths for suffix in form.suffixes)
        raise UsageError(
            f"A picture cannot be written as '{out.name}'; give a name that ends in one of {writable}, "
            "or make the folder first if it is to be one."
        )
    return False


def _with_reports(jobs: Sequence[Job]) -> list[Job]:
    """Name the reports like the results. The suffix is kept only if two results differ in nothing else, as a.png and
    a.jpg."""
    alike = Counter(job.target.with_suffix("") for job in jobs)

    def named(target: Path) -> Path:
        return target.with_name((target.stem if alike[target.with_suffix("")] == 1 else target.name) + REPORT_MARK)

    return [replace(job, report=named(job.target)) for job in jobs]


def _find(pictures: Sequence[Path], out: Path | None, recursive: bool, pattern: str | None) -> dict[Path, Path]:
    """Each picture with its path relative to the folder that was given, or with its name if the picture itself was
    given."""
    found: dict[Path, Path] = {}
    for given in pictures:
        inside = path_kind(given) == "folder" and not is_zarr(given)
        for file in images.find_pictures([given], recursive=recursive):
            if inside and ((pattern and not file.match(pattern)) or (out and _lies_in(file, out) and not _lies_in(given, out))):
                continue
            found.setdefault(file, file.relative_to(given) if inside else Path(file.name))
    if not found:
        fitting = f" that fits the pattern '{pattern}'" if pattern else ""
        raise UsageError(f"There is no picture{fitting} in {', '.join(map(str, pictures))}; check the names.")
    return found


def _lies_in(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _check(made: Plan, overwrite: bool) -> None:
    seen: dict[Path, Path] = {}
    sources = {job.source.resolve(): job.source for job in made.jobs}
    for job in made.jobs:
        for result in job.results:
            if result in seen:
                raise UsageError(f"{seen[result]} and {job.source} would both become {result}; denoise them into two folders.")
            seen[result] = job.source
            own = sources.get(result.resolve())
            if own is None and os.path.exists(result) and result.samefile(job.source):  # noqa: PTH110 (see below)
                own = job.source  # the same file under another name
            if own and (result != job.target or own != job.source or not overwrite):
                what = "its own source" if own == job.source else f"the picture {own}"
                raise UsageError(f"{result} would replace {what}; choose another folder with -o.")
        if made.record(job) is None and not overwrite:
            _refuse_existing(job)


def _refuse_existing(job: Job, manifest: Manifest | None = None) -> None:
    for result in job.results:
        if manifest and manifest.is_ours(job.source, result):
            continue
        if os.path.exists(result):  # noqa: PTH110 (Path.exists fails if the name is too long; writing reports that)
            raise UsageError(f"{result} is there already; add --overwrite to replace it, or choose another place with -o.")


def run(
    made: Plan,
    work: Work,
    settings: str,
    *,
    overwrite: bool = False,
    progress: Callable[[RunProgress], None] | None = None,
    on_done: OnDone | None = None,
    pool: WorkerPool | None = None,
) -> Outcome:
    """Do each job. If one fails, the failure is recorded and the next job begins, unless the device failed: then the rest
    stays undone.

    A manifest records the results in an output folder, and beside the pictures of a folder. A second call makes what is
    missing, and what has a new source, model or settings. A file that we did not make is replaced only with
    `overwrite`.

    Args:
        made: the result of `plan`.
        work: reads the picture, restores it, and at the end writes the result atomically. Its second argument tells
            whether the result may replace a file.
        settings: fingerprint of the model and the options; see `manifest.fingerprint`.
        overwrite: whether results may replace existing files. Then all are made again.
        progress: called at the start of each file and after each tile.
        on_done: called after each job that went well, with what `work` returned.
        pool: processes that do the jobs side by side, by the work that they were made with; None: `work` does them here,
            one after the other.

    Raises:
        UsageError: a file in an output folder has the path of a result and is not ours. Raised before any work is done.
        FolderInUseError: another run writes into an output folder. If it began just now, this is a failure in the outcome.
        Stopped: after Ctrl-C or a similar signal, with the outcome until then.

    >>> import tempfile
    >>> def work(job, replace, on_tile):
    ...     _ = job.target.write_bytes(job.source.read_bytes())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     source = Path(folder) / "a.png"
    ...     _ = source.write_bytes(b"pixels")
    ...     outcome = run(Plan([Job(source, Path(folder) / "b.png")]), work, "settings")
    >>> [path.name for path in outcome.written]
    ['b.png']
    """
    outcome = Outcome()
    check_unlocked(made)
    todo: dict[Path | None, list[Job]] = {}
    for folder, jobs in _by_record(made).items():
        manifest = Manifest(folder, settings) if folder else None
        left = _not_done(made, jobs, manifest, overwrite, outcome)
        if left or (manifest and manifest.is_unsaved()):
            todo[folder] = left
    outcome.not_done = sum(map(len, todo.values()))
    if not todo:
        return outcome
    try:
        with kept_interrupts() as check, pool or nullcontext():
            tell = ProgressMeter([job.source for jobs in todo.values() for job in jobs], check, progress)
            for folder, jobs in todo.items():
                try:
                    with _recorded(folder, settings) as manifest:
                        # read again, as another run may have ended meanwhile
                        left = _not_done(made, jobs, manifest, overwrite, outcome)
                        recorder = Recorder(manifest, outcome, overwrite=overwrite, on_done=on_done)
                        if pool:
                            pool.run(left, recorder, tell)
                        else:
                            for job in left:
                                _do(job, work, tell, recorder)
                except FolderInUseError as error:
                    outcome.fail(error)
    except KeyboardInterrupt:
        raise Stopped(outcome) from None
    except DeviceError:  # it is in the outcome
        return outcome
    outcome.not_done = 0
    return outcome


def check_unlocked(made: Plan) -> None:
    """Raise `FolderInUseError` if another run writes into a folder of recorded results.

    >>> check_unlocked(Plan([Job(Path("a.png"), Path("b.png"))]))
    """
    for folder in _by_record(made):
        if folder:
            locking.check_unlocked(folder)


def _by_record(made: Plan) -> dict[Path | None, list[Job]]:
    """The jobs by the folder whose manifest records them."""
    found: dict[Path | None, list[Job]] = {}
    for job in made.jobs:
        found.setdefault(made.record(job), []).append(job)
    return found


@contextmanager
def _recorded(folder: Path | None, settings: str) -> Iterator[Manifest | None]:
    """Within this context, a folder is locked, and its manifest records the results."""
    if folder is None:
        yield None
        return
    make_folder(folder)
    with locking.locked(folder):
        manifest = Manifest(folder, settings)
        with manifest.recording():
            yield manifest


def _not_done(made: Plan, jobs: list[Job], manifest: Manifest | None, overwrite: bool, outcome: Outcome) -> list[Job]:
    """The jobs that need work. Others are noted in `outcome`. Raises `UsageError` for a file that is not ours."""
    left = []
    for job in jobs:
        if was_finished(job.source):  # by this command, before a file ended its process
            if job.target not in outcome.written:
                outcome.written.append(job.target)
        elif overwrite or not _is_left(made, job, manifest, outcome):
            left.append(job)
    return left


def _is_left(made: Plan, job: Job, manifest: Manifest | None, outcome: Outcome) -> bool:
    if manifest is None:
        return False
    if manifest.is_done(job.source, job.target) and all(map(Path.exists, job.results)):
        outcome.done_before.append(job.target)
        return True
    if not manifest.is_ours(job.source, job.target):
        if made.beside and os.path.exists(job.target):  # noqa: PTH110 (see `_refuse_existing`)
            outcome.left.append(job.target)
            return True
        _refuse_existing(job, manifest)
    return False


def _do(job: Job, work: Work, tell: ProgressMeter, recorder: Recorder) -> None:
    """Do one job in this process. Raises `DeviceError`, after it was recorded: no other job can be done either."""
    try:
        with working_on(job.source):
            replaces = recorder.begin(job)
            result = work(job, replaces, tell.begin(job.source))
        recorder.end(job, result)
    except MemoryError:
        raise
    except Exception as error:  # one bad file must not stop the others
        sentence = as_sentence(job, error)
        recorder.fail(job, sentence)
        if isinstance(sentence, DeviceError):
            raise sentence from error
