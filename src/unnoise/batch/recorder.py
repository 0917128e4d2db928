"""What becomes of each job of a run: told to the outcome, to the manifest and to whoever asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from unnoise.batch.outcome import Outcome
from unnoise.errors import UnnoiseError
from unnoise.files.atomic import make_folder
from unnoise.files.temporary_names import remove_stale_files
from unnoise.inference.device_failure import device_sentence, is_device_failure
from unnoise.inference.memory import is_out_of_memory

if TYPE_CHECKING:
    from pathlib import Path

    from unnoise.batch.jobs import Job
    from unnoise.batch.manifest import Manifest

OnDone = Callable[["Job", Any], None]
"""Called with a job that is done, and with what its work returned."""


class Recorder:
    """Records the jobs of one output folder. Several of them may be in work at a time.

    Args:
        manifest: of the folder; None: nothing is recorded there.
        outcome: of the run.
        overwrite: whether results may replace existing files.
        on_done: called after each job that went well.

    >>> Recorder(None, Outcome(), overwrite=False).may_rename is None
    True
    """

    def __init__(self, manifest: Manifest | None, outcome: Outcome, *, overwrite: bool, on_done: OnDone | None = None) -> None:
        self.manifest, self.outcome, self.overwrite, self.on_done = manifest, outcome, overwrite, on_done
        self._folders: set[Path] = set()

    @property
    def may_rename(self) -> Callable[[Path, Path], None] | None:
        """What is called before a result gets its name, as `files.atomic.before_rename` takes it."""
        return None if self.manifest is None else self.manifest.on_rename

    def begin(self, job: Job) -> bool:
        """Plan a job. Returns whether its result may replace a file. Raises `UsageError` if its folder cannot be made."""
        if job.target.parent not in self._folders:
            make_folder(job.target.parent)
            self._folders.add(job.target.parent)
        if self.manifest is None:
            return self.overwrite
        return self.manifest.plan(job.source, *job.results, overwrite=self.overwrite)

    def end(self, job: Job, result: Any = None) -> None:
        """Record that a job went well."""
        if self.manifest:
            self.manifest.done(job.target)
        self.outcome.written.append(job.target)
        self.outcome.not_done -= 1
        if self.on_done:
            self.on_done(job, result)

    def fail(self, job: Job, error: UnnoiseError) -> None:
        """Record that a job failed."""
        self.outcome.fail(error)
        self.outcome.not_done -= 1
        remove_stale_files(job.target)  # of an attempt that the picture ended
        if self.manifest:
            self.manifest.failed(job.target)


def as_sentence(job: Job, error: Exception) -> UnnoiseError:
    """The error of a job as one sentence that names its picture.

    >>> from pathlib import Path
    >>> from unnoise.batch.jobs import Job
    >>> str(as_sentence(Job(Path("gone.png"), Path("b.png")), ValueError("no")))
    'gone.png was removed before it was read; put it back, and give the same command again.'
    """
    if not os.path.exists(job.source):  # noqa: PTH110 (Path.exists fails if the name is too long)
        return UnnoiseError(f"{job.source} was removed before it was read; put it back, and give the same command again.")
    if isinstance(error, UnnoiseError):
        return error
    if is_out_of_memory(error):
        return UnnoiseError(
            f"{job.source} needs more memory than there is; close other programs, raise the limit (ulimit), or give a smaller --tile."
        )
    if is_device_failure(error):
        return device_sentence(error, f"{job.source} was not denoised")
    said = str(error).strip().partition("\n")[0]
    return UnnoiseError(
        f"{job.source} could not be denoised ({type(error).__name__}: {said}); if other programs read it, please report this."
    )
