"""Denoising many files: where each result goes, and going on past those that fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unnoise import images
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files import make_folder

MARK = "_denoised"
"""Added to the name of a result that lies beside its picture."""


@dataclass(frozen=True)
class Job:
    """One picture and the place of its result."""

    source: Path
    target: Path


@dataclass
class Outcome:
    """What came of a list of jobs: the files written, and one sentence for each failure."""

    written: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    exit_status: int = 0
    """2 when every failure was bad use, 1 when one was of another kind, 0 without any."""


def plan(pictures: Sequence[Path], out: Path | None, *, overwrite: bool = False) -> list[Job]:
    """Find the pictures and name each result, before any work is done.

    Args:
        pictures: files, and folders whose pictures are taken.
        out: None: `name_denoised.suffix` beside each picture; a name with a picture's suffix: that file, for a single picture;
            else a folder, made if need be.
        overwrite: results may replace files that are there.

    Raises:
        UsageError: nothing found, two results of one name, a result that is there already or that would replace its own source.
    """
    files = images.find_pictures(pictures)
    if out is None:
        files = [file for file in files if not file.stem.endswith(MARK)] or files
        jobs = [Job(file, file.with_name(f"{file.stem}{MARK}{file.suffix}")) for file in files]
    elif out.suffix.lower() in images.SUFFIXES and not out.is_dir():
        if len(files) > 1:
            raise UsageError(f"{out} is one file, but {len(files)} pictures were given; give a folder.")
        jobs = [Job(files[0], out)]
    else:
        if out.is_file():
            raise UsageError(
                f"{out} is a file whose suffix is no picture's; give a folder or one of {', '.join(sorted(images.SUFFIXES))}."
            )
        jobs = [Job(file, out / file.name) for file in files]
    _check(jobs, overwrite)
    return jobs


def _check(jobs: Sequence[Job], overwrite: bool) -> None:
    seen: dict[Path, Path] = {}
    for job in jobs:
        if job.target in seen:
            raise UsageError(
                f"{seen[job.target]} and {job.source} would both become {job.target}; denoise them into two folders."
            )
        seen[job.target] = job.source
        if job.target.exists() and not overwrite:
            raise UsageError(f"{job.target} is there already; add --overwrite to replace it, or choose another place with -o.")


def run(
    jobs: Sequence[Job],
    restore: Callable[[Any, Callable[[int, int], None]], Any],
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Read, restore and write each picture; one that fails is reported and the next begins.

    Args:
        jobs: what `plan` gave.
        restore: pixels and a progress callback (tiles done, in all) → pixels of the same kind.
        overwrite: results may replace files that are there.
        progress: called with (thousandths done, thousandths in all) over all files.
    """
    outcome = Outcome()
    for number, job in enumerate(jobs):

        def on_tile(done: int, total: int, number: int = number) -> None:
            if progress:
                progress(1000 * number + 1000 * done // total, 1000 * len(jobs))

        try:
            picture = images.read(job.source)
            restored = _named(restore, picture.pixels, on_tile, job.source)
            make_folder(job.target.parent)
            images.write(job.target, picture.with_pixels(restored), overwrite=overwrite)
            outcome.written.append(job.target)
        except UnnoiseError as error:
            outcome.failures.append(str(error))
            outcome.exit_status = error.exit_status if outcome.exit_status in (0, error.exit_status) else 1
    return outcome


def _named(
    restore: Callable[[Any, Callable[[int, int], None]], Any], pixels: Any, on_tile: Callable[[int, int], None], source: Path
) -> Any:
    """Restore, and name the file in what a user is told about its pixels."""
    try:
        return restore(pixels, on_tile)
    except UsageError as error:
        raise UsageError(f"{source}: {error}") from error
