"""The queue of all visitors' pictures: bounded, in order, one at a time, each in private files that are deleted."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from contextlib import ExitStack
from pathlib import Path

from unnoise.batch.one_file import denoise_file
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.attempts import working_on
from unnoise.files.vanishing import vanishing_folder
from unnoise.models import shipped
from unnoise.models.model import Model
from unnoise.web.choices import Choices
from unnoise.web.failures import failure_of
from unnoise.web.job import CancelledError, Job, State
from unnoise.web.limits import WebLimits
from unnoise.web.thread_warnings import collected_warnings

KEPT_MODELS = 3
"""Models that stay loaded."""
SWEEP_SECONDS = 30.0
"""Between two searches for files that nobody used for long."""


class QueueFullError(UnnoiseError):
    """Too many pictures wait, or one visitor keeps too many."""


class Models:
    """Loaded models, by name. The least recently used one is dropped.

    Args:
        device: as `Model.to` takes it.
    """

    def __init__(self, device: str = "auto") -> None:
        self.device = device
        self._loaded: OrderedDict[str, Model] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> Model:
        """The model of that name."""
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = shipped.load(name).to(self.device)
            self._loaded.move_to_end(name)
            while len(self._loaded) > KEPT_MODELS:
                self._loaded.popitem(last=False)
            return self._loaded[name]


class Jobs:
    """All jobs of a server. They run one after the other in a thread of their own.

    Args:
        limits: what visitors may send.
        device: where models run, as `Model.to` takes it.
        parent: the folder in which the private folder is made; None: the system's place for temporary files.
    """

    def __init__(self, limits: WebLimits | None = None, *, device: str = "auto", parent: Path | None = None) -> None:
        self.limits = limits or WebLimits()
        self._files = ExitStack()
        self.folder = self._files.enter_context(vanishing_folder("unnoise-serve-", parent))
        self.models = Models(device)
        self._jobs: dict[str, Job] = {}
        self._waiting: list[Job] = []
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._work, self._sweep)]
        for thread in self._threads:
            thread.start()

    def new(self, visitor: str, name: str, choices: Choices | None = None) -> Job:
        """A job without its picture yet: write that to `job.source`, and then call `submit`.

        Raises:
            UsageError: the name says no known format, or there is no such model.
            QueueFullError: the visitor keeps too many pictures, or too many wait.
        """
        choices = choices or Choices()
        choices.check_model()
        with self._changed:
            mine = sum(job.visitor == visitor for job in self._jobs.values())
            if mine >= self.limits.visitor_jobs:
                raise QueueFullError(f"You have {mine} pictures here, the most that are kept; download and delete some first.")
            self._check_room()
            job = Job(visitor, name, choices, self.folder)
            self._jobs[job.id] = job
        for file in (job.source, job.target):
            file.parent.mkdir(mode=0o700)
        return job

    def submit(self, job: Job, choices: Choices | None = None) -> None:
        """Put a job whose picture is complete at the end of the queue. A job that has ended is done again.

        Args:
            job: of this server.
            choices: other ones than before; None: the same.

        Raises:
            UsageError: the job waits or runs; or there is no such model.
            QueueFullError: too many pictures wait.
        """
        choices = choices or job.choices
        choices.check_model()
        with self._changed:
            if job.state in (State.WAITING, State.RUNNING):
                raise UsageError(f"{job.name} is {job.state} already; wait, or cancel it first.")
            self._check_room()
            job.begin_again(choices)
            self._waiting.append(job)
            self._changed.notify_all()

    def _check_room(self) -> None:
        if len(self._waiting) >= self.limits.waiting_jobs:
            raise QueueFullError(f"{len(self._waiting)} pictures are waiting, the most that may; try again in a few minutes.")

    def get(self, id: str, visitor: str | None = None) -> Job | None:
        """The job with this id; None: there is none, or it belongs to another visitor."""
        job = self._jobs.get(id)
        if job is None or (visitor is not None and job.visitor != visitor):
            return None
        job.used = time.monotonic()
        return job

    def ahead(self, job: Job) -> int:
        """How many jobs run before this one."""
        with self._changed:
            if job not in self._waiting:
                return 0
            running = sum(other.state is State.RUNNING for other in self._jobs.values())
            return self._waiting.index(job) + running

    def cancel(self, job: Job) -> None:
        """Stop a job at its next tile, or take it out of the queue."""
        job.cancelled.set()
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
                self._end(job, State.CANCELLED)

    def delete(self, job: Job) -> None:
        """Cancel a job, and delete its files at once, or at its next tile if it runs."""
        self.cancel(job)
        with self._changed:
            self._jobs.pop(job.id, None)
            if job.state is not State.RUNNING:
                job.delete_files()

    def leave(self, visitor: str) -> None:
        """Delete all that a visitor sent."""
        for job in [job for job in self._jobs.values() if job.visitor == visitor]:
            self.delete(job)

    def close(self) -> None:
        """Cancel all jobs, and delete all files."""
        with self._changed:
            self._closed = True
            for job in list(self._jobs.values()):
                job.cancelled.set()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=60)
        self._files.close()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                job = self._waiting.pop(0)
                job.state, job.began = State.RUNNING, time.monotonic()
            state = self._outcome(job)
            with self._changed:
                self._end(job, state)
                if job.id not in self._jobs:
                    job.delete_files()

    def _outcome(self, job: Job) -> State:
        """Run one job; the state that it ends in. No picture ends the thread."""
        try:
            with collected_warnings() as sentences, working_on(job.source):
                self._denoise(job)
            job.warnings = [_hide(sentence, job) for sentence in sentences]
            if job.report and (harm := job.report.harm()):
                job.warnings.append(f"{job.target.name} {harm}")
        except CancelledError:
            return State.CANCELLED
        except UnnoiseError as error:
            job.error, job.error_status = _hide(str(error), job), error.exit_status
            return State.FAILED
        except Exception as error:
            job.error, job.error_status = _unexpected(job, error), 1
            return State.FAILED
        return State.DONE

    def _denoise(self, job: Job) -> None:
        job.check_cancelled()

        def on_tile(done: int, tiles: int) -> None:
            job.check_cancelled()
            job.share = done / max(1, tiles)

        job.report = denoise_file(
            self.models.get(job.choices.model),
            job.source,
            job.target,
            options=job.choices.options(),
            progress=on_tile,
            report=job.report_stem if job.choices.report else False,
        )

    def _end(self, job: Job, state: State) -> None:
        job.state, job.ended = state, time.monotonic()
        job.share = 1.0 if state is State.DONE else job.share
        job.finished.set()

    def _sweep(self) -> None:
        """Delete what nobody used for long."""
        while not self._closed:
            oldest = time.monotonic() - self.limits.keep_seconds
            for job in [job for job in self._jobs.values() if job.used < oldest and job.state is not State.RUNNING]:
                self.delete(job)
            with self._changed:
                self._changed.wait_for(lambda: self._closed, timeout=min(SWEEP_SECONDS, self.limits.keep_seconds))


def _hide(sentence: str, job: Job) -> str:
    """A sentence without the server's own paths."""
    for path in (job.source, job.target):
        sentence = sentence.replace(str(path), path.name)
    return sentence.replace(f"{job.folder}/", "")


def _unexpected(job: Job, error: Exception) -> str:
    if failure := failure_of(error, job.name):
        return str(failure)
    said = _hide(str(error).strip().partition("\n")[0], job)
    return f"{job.name} could not be denoised ({type(error).__name__}: {said}); if other programs read it, please report this."
