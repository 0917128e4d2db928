"""Denoising many files: where each result goes, what is done already, and going on past those that fail."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from unnoise import images
from unnoise.batch.interrupts import kept_interrupts
from unnoise.batch.manifest import Manifest
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.atomic import make_folder
from unnoise.files.paths import path_kind
from unnoise.images import formats
from unnoise.images.formats import is_zarr
from unnoise.quality.report import MARK as REPORT_MARK
from unnoise.quality.report import report_files

MARK = "_denoised"
"""Added to the name of a result that lies beside its picture."""

LONGEST_SUFFIX = 5
"""Characters of what ends a file's name, with the dot. What is longer, as in 'trip.to-rome', is taken for a part of a folder's name."""

OnTile = Callable[[int, int], None]
"""Called with the number of tiles done and the number of all."""


@dataclass(frozen=True)
class Job:
    """One picture and the places of its results."""

    source: Path
    target: Path
    report: Path | None = None
    """Name of its report without the suffixes; None: none is wanted."""

    @property
    def results(self) -> list[Path]:
        """All files that it makes."""
        return [self.target, *([] if self.report is None else report_files(self.report))]


@dataclass(frozen=True)
class Plan:
    """All pictures and the places of their results."""

    jobs: list[Job]
    folder: Path | None = None
    """The one that all results go to or below; None: beside their pictures, or to a file that was named."""
    beside: bool = False
    """Whether results lie beside their pictures and are recorded there: so with a folder, or with several pictures, and no `-o`."""

    @property
    def is_recorded(self) -> bool:
        """Whether manifests record what was done, so that the same call goes on where another one ended."""
        return self.beside or self.folder is not None

    def record(self, job: Job) -> Path | None:
        """The folder whose manifest records a job; None: none does."""
        return job.target.parent if self.beside else self.folder


@dataclass(frozen=True)
class Report:
    """How far the work is."""

    file: int
    """The number of the file at work, from 1."""
    files: int
    name: str
    share: float
    """Of all the work, in 0..1, by the files' bytes."""


@dataclass
class Outcome:
    """What came of a list of jobs."""

    written: list[Path] = field(default_factory=list)
    """Results that were written."""
    done_before: list[Path] = field(default_factory=list)
    """Results of a former call whose source and settings are the same."""
    left: list[Path] = field(default_factory=list)
    """Files in a result's place, beside the pictures, that no manifest knows as ours."""
    failures: list[str] = field(default_factory=list)
    """One sentence for each picture that failed."""
    not_done: int = 0
    """Pictures that an interrupt left undone."""
    exit_status: int = 0
    """2 when every failure was bad use, 1 when one was of another kind, 0 without any."""

    def summary(self) -> str:
        """The numbers that are not 0, as one sentence.

        >>> Outcome(written=[Path("a.png")], failures=["b.png is damaged."]).summary()
        '1 written, 1 failed.'
        """
        counts = {
            "written": len(self.written),
            "done before and unchanged": len(self.done_before),
            "there already and left alone": len(self.left),
            "failed": len(self.failures),
            "not done": self.not_done,
        }
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count) + "."

    def fail(self, error: UnnoiseError) -> None:
        self.failures.append(str(error))
        self.exit_status = error.exit_status if self.exit_status in (0, error.exit_status) else 1


class Stopped(KeyboardInterrupt):
    """Ctrl-C or its like ended a run; `outcome` says how far it had come."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.summary())
        self.outcome = outcome


def plan(
    pictures: Sequence[Path],
    out: Path | None,
    *,
    recursive: bool = False,
    pattern: str | None = None,
    overwrite: bool = False,
    report: bool = False,
) -> Plan:
    """Find the pictures and name each result, before any work is done.

    Args:
        pictures: files, and folders whose pictures are taken.
        out: None: `name_denoised.suffix` beside each picture; a name with a picture's suffix: that file, for a single picture;
            else a folder, made if need be, in which the results lie as the pictures do in theirs. What lies in it is no input.
        recursive: take the pictures in folders of the folders too.
        pattern: of the pictures in folders take those whose name, or end of the path, fits, such as `*_raw.tif` or `night/*`.
        overwrite: results may replace files that are there.
        report: each result has a report beside it.

    Raises:
        UsageError: nothing found, two results of one name, or a result that would replace one of the pictures. What is there already is
            refused by `run`, which knows what of it is its own.
    """
    found = _find(pictures, out, recursive, pattern)
    if out is None:
        ours = (MARK, f"{MARK}{REPORT_MARK}")
        results = {file: place for file, place in found.items() if not file.stem.endswith(ours)} or found
        names = _result_names({file: file.with_name(f"{file.stem}{MARK}{file.suffix}") for file in results})
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
        made = Plan([Job(file, out / place) for file, place in _result_names(found).items()], out)
    if report:
        made = replace(made, jobs=_with_reports(made.jobs))
    _check(made, overwrite)
    return made


def _result_names(found: dict[Path, Path]) -> dict[Path, Path]:
    """Each picture with the name of its result; camera raw beside a TIFF of the same name becomes `a.dng.tif`."""
    names = {file: Path(images.result_name(str(place))) for file, place in found.items()}
    alike = Counter(names.values())
    return {
        file: name if alike[name] == 1 or name == found[file] else found[file].with_name(f"{found[file].name}.tif")
        for file, name in names.items()
    }


def _is_file(out: Path, alone: bool) -> bool:
    """Whether `-o` names a picture, and not a folder.

    Args:
        out: what was given.
        alone: it is for one picture, which was given by its own name.

    Raises:
        UsageError: it looks like a picture of a kind that cannot be written.
    """
    suffix, kind = out.suffix.lower(), path_kind(out)
    known = suffix in images.SUFFIXES
    if kind == "folder":
        return False
    if known and formats.format_of(out).depths:
        return True
    looks_like_a_kind = suffix[1:].isalpha() and len(suffix) <= LONGEST_SUFFIX
    if known or (suffix and kind is None and (alone or looks_like_a_kind)):
        writable = ", ".join(suffix for form in formats.FORMATS if form.depths for suffix in form.suffixes)
        raise UsageError(
            f"A picture cannot be written as '{out.name}'; give a name that ends in one of {writable}, "
            "or make the folder first if it is to be one."
        )
    return False


def _with_reports(jobs: Sequence[Job]) -> list[Job]:
    """Named as the results, without their suffixes where these are not all that tells two apart, as a.png and a.jpg."""
    alike = Counter(job.target.with_suffix("") for job in jobs)

    def named(target: Path) -> Path:
        return target.with_name((target.stem if alike[target.with_suffix("")] == 1 else target.name) + REPORT_MARK)

    return [replace(job, report=named(job.target)) for job in jobs]


def _find(pictures: Sequence[Path], out: Path | None, recursive: bool, pattern: str | None) -> dict[Path, Path]:
    """Each picture, with its place in the folder that was given: its name alone where it was given itself."""
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
                own = job.source  # by another name
            if own and (result != job.target or own != job.source or not overwrite):
                what = "its own source" if own == job.source else f"the picture {own}"
                raise UsageError(f"{result} would replace {what}; choose another folder with -o.")
        if made.record(job) is None and not overwrite:
            _refuse_existing(job)


def _refuse_existing(job: Job) -> None:
    for result in job.results:
        if os.path.exists(result):  # noqa: PTH110 (which is no error where the name is too long: writing names that one)
            raise UsageError(f"{result} is there already; add --overwrite to replace it, or choose another place with -o.")


def run(
    made: Plan,
    work: Callable[[Job, bool, OnTile], None],
    settings: str,
    *,
    overwrite: bool = False,
    progress: Callable[[Report], None] | None = None,
) -> Outcome:
    """Do each job; one that fails is reported and the next begins.

    In an output folder, and beside the pictures of a folder, a manifest records what was done. A second call does what is missing, and
    what has another source, model or settings. A file in a result's place that we did not make is replaced with `overwrite` alone.

    Args:
        made: what `plan` gave.
        work: reads the picture, restores it and writes the result, whole or not at all and as the last thing it does; its second
            argument says whether the result may replace a file.
        settings: fingerprint of the model and of how it is applied; see `manifest.fingerprint`.
        overwrite: results may replace files that are there, and all are made anew.
        progress: called at the start of each file and after each tile.

    Raises:
        UsageError: a file in an output folder is in a result's place and not ours; before any work is done.
        Stopped: after Ctrl-C or its like, with what was done until then.
    """
    outcome = Outcome()
    manifests: dict[Path | None, Manifest] = {}
    for folder in dict.fromkeys(map(made.record, made.jobs)):
        if folder:
            manifests[folder] = Manifest(folder, settings)
    jobs = [job for job in made.jobs if overwrite or not _is_left(made, job, manifests.get(made.record(job)), outcome)]
    if not jobs:
        return outcome
    for job in jobs:
        if manifest := manifests.get(made.record(job)):
            manifest.plan(job.source, job.target)
    for manifest in manifests.values():
        make_folder(manifest.path.parent)
        manifest.save()
    try:
        with kept_interrupts() as check:
            tell = _Teller(jobs, check, progress)
            for job in jobs:
                _do(job, work, tell, manifests.get(made.record(job)), overwrite, outcome)
    except KeyboardInterrupt:
        outcome.not_done = len(jobs) - len(outcome.written) - len(outcome.failures)
        raise Stopped(outcome) from None
    finally:  # after Ctrl-C too
        for manifest in manifests.values():
            manifest.close()
    return outcome


def _is_left(made: Plan, job: Job, manifest: Manifest | None, outcome: Outcome) -> bool:
    """Whether there is nothing to do for a job, which is then noted in `outcome`. Raises `UsageError` for a file that is not ours."""
    if manifest is None:
        return False
    if manifest.is_done(job.source, job.target) and all(map(Path.exists, job.results)):
        outcome.done_before.append(job.target)
        return True
    if not manifest.is_ours(job.source, job.target):
        if made.beside and os.path.exists(job.target):  # noqa: PTH110 (see `_refuse_existing`)
            outcome.left.append(job.target)
            return True
        _refuse_existing(job)
    return False


def _do(
    job: Job,
    work: Callable[[Job, bool, OnTile], None],
    tell: _Teller,
    manifest: Manifest | None,
    overwrite: bool,
    outcome: Outcome,
) -> None:
    """One job, and what came of it in `outcome` and in the manifest."""
    try:
        make_folder(job.target.parent)
        work(job, overwrite or manifest is not None, tell.begin(job))
        outcome.written.append(job.target)
        if manifest:
            manifest.done(job.target)
    except MemoryError:
        raise
    except Exception as error:  # one odd file must not cost the others
        outcome.fail(_as_sentence(job, error))
        if manifest:
            manifest.failed(job.target)


def _as_sentence(job: Job, error: Exception) -> UnnoiseError:
    if isinstance(error, UnnoiseError):
        return error
    said = str(error).strip().partition("\n")[0]
    return UnnoiseError(
        f"{job.source} could not be denoised ({type(error).__name__}: {said}); if other programs read it, please report this."
    )


class _Teller:
    """Turns the tiles of single files into the share of all the work, which is weighed by the files' bytes."""

    def __init__(self, jobs: Sequence[Job], check: Callable[[], None], progress: Callable[[Report], None] | None) -> None:
        self.check = check
        self.sizes = [1 + (job.source.stat().st_size if job.source.exists() else 0) for job in jobs]
        self.total, self.before = sum(self.sizes), 0
        self.progress = progress
        self.file = 0

    def begin(self, job: Job) -> OnTile:
        """The next file is begun."""
        size, before = self.sizes[self.file], self.before
        self.file, self.before = self.file + 1, before + size
        file = self.file

        def on_tile(done: int, tiles: int) -> None:
            self.check()
            if self.progress:
                self.progress(Report(file, len(self.sizes), job.source.name, (before + size * done / tiles) / self.total))

        on_tile(0, 1)
        return on_tile
