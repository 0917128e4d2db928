"""One visitor's pictures on the page, and what the page does with them. It knows nothing of Gradio."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from unnoise.errors import UnnoiseError
from unnoise.models.inspection import inspect_file
from unnoise.web import fragments, view
from unnoise.web.choices import Choices
from unnoise.web.display import Overview, overview
from unnoise.web.failures import told
from unnoise.web.job import Job, State
from unnoise.web.jobs import Jobs, Models
from unnoise.web.samples import write_sample

T = TypeVar("T")
Shown = tuple[Path, Path, Path]
"""Files of the noisy and the restored part, and of what was removed."""


class Previews:
    """What all visits share for previews: models of their own, so that previews need not wait for whole pictures.

    Views are made one at a time, in order.
    """

    def __init__(self, device: str = "auto") -> None:
        self.models = Models(device)
        self._maker = ThreadPoolExecutor(1, thread_name_prefix="unnoise-preview")
        self._lock = threading.Lock()
        self._begun = self._ended = 0

    def begin(self, view: Callable[[], T]) -> tuple[Future[T], Callable[[], int]]:
        """Make a view when those that were asked for before are made.

        Returns:
            The view that will be, and a function that tells how many come before it.

        >>> view, ahead = Previews().begin(lambda: "shown")
        >>> view.result()
        'shown'
        """
        with self._lock:
            mine = self._begun
            self._begun += 1
        begun = self._maker.submit(view)
        begun.add_done_callback(self._count)
        return begun, lambda: max(0, mine - self._ended)

    def _count(self, view: Future[Any]) -> None:
        with self._lock:
            self._ended += 1


class Visit:
    """The pictures of one visitor.

    Args:
        jobs: the server's queue.
        previews: shared by all visits.
        visitor: the owner's name in the queue.
    """

    def __init__(self, jobs: Jobs, previews: Previews, visitor: str) -> None:
        self.queue = jobs
        self.previews = previews
        self.visitor = visitor
        self.jobs: dict[str, Job] = {}
        self.current: Job | None = None
        self._seen: dict[str, Overview] = {}
        self._noise: dict[str, str] = {}
        self._numbers = itertools.count()

    def take(self, files: list[tuple[str, Path]]) -> list[str]:
        """Take pictures over, by moving their files; the sentences about those that are refused."""
        refused = []
        for name, file in files:
            try:
                with told(name):
                    self._add(name, file)
            except UnnoiseError as error:
                refused.append(str(error).replace(f"{self.queue.folder}/", ""))
            finally:
                file.unlink(missing_ok=True)
        return refused

    def take_sample(self, name: str) -> None:
        """Add a sample picture."""
        folder = self.queue.folder / f"sample-{next(self._numbers)}-{id(self)}"
        try:
            with told("the sample"):
                folder.mkdir()
                file = write_sample(name, folder)
                self._add(file.name, file)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _add(self, name: str, file: Path) -> None:
        if file.stat().st_size > self.queue.limits.upload_bytes:
            raise UnnoiseError(f"{name} has more than {self.queue.limits.upload_megabytes} MB; give a smaller file.")
        job = self.queue.new(self.visitor, name)
        try:
            shutil.move(file, job.source)
            self._seen[job.id] = overview(job.source)
        except UnnoiseError as error:
            self.queue.delete(job)
            raise type(error)(str(error).replace(str(job.source), job.name)) from error
        except BaseException:
            self.queue.delete(job)
            raise
        self.jobs[job.id] = self.current = job

    @property
    def names(self) -> list[tuple[str, str]]:
        """The name and the id of each picture."""
        return [(job.name, id) for id, job in self.jobs.items()]

    def choose(self, id: str | None) -> None:
        """Make a picture the current one."""
        self.current = self.jobs.get(id or "", self.current)

    def seen(self) -> Overview:
        """The current picture, made smaller. Raises `UnnoiseError` where there is none."""
        return self._seen[self.job().id]

    def job(self) -> Job:
        """The current picture. Raises `UnnoiseError` where there is none, or its files were deleted."""
        if self.current is None:
            raise UnnoiseError("There is no picture yet; drop one, or choose a sample.")
        if self.queue.get(self.current.id, self.visitor) is None:
            raise UnnoiseError(f"{self.current.name} was deleted, as nobody used it for long; drop it again.")
        return self.current

    def noise(self) -> str:
        """The noise report of the current picture, as HTML."""
        job = self.job()
        if job.id not in self._noise:
            try:
                with told(job.name):
                    self._noise[job.id] = fragments.noise_table(inspect_file(job.source), job.name)
            except UnnoiseError as error:
                self._noise[job.id] = fragments.error(str(error).replace(str(job.source), job.name))
        return self._noise[job.id]

    def show(self, choices: Choices, across: float, down: float, zoom: str) -> tuple[Shown, str]:
        """The files to show, and a sentence that says what they are.

        Raises:
            UnnoiseError: there is no picture, it cannot be read, or there is no room for the files.
        """
        with told(self.job().name):
            return self._show(choices, across, down, zoom)

    def _show(self, choices: Choices, across: float, down: float, zoom: str) -> tuple[Shown, str]:
        job, seen = self.job(), self.seen()
        if view.is_done(job) and _same_picture(job.choices, choices):
            before, after = view.finished(job, across, down, zoom, seen)
            said = f"The result of {job.name}"
        else:
            place_zoom = zoom if zoom in view.SIDES else next(iter(view.SIDES))
            model = self.previews.models.get(choices.model)
            before, after = view.preview(model, job, choices, across, down, place_zoom, seen)
            said = f"A fast preview of a part of {job.name}, at {place_zoom}; “Denoise” makes the whole picture."
        stack = f" Of {seen.frames} pictures in the file, the first is shown." if seen.frames > 1 else ""
        return view.write_shown(job, before, after, next(self._numbers)), f"{said}.{stack}".replace("..", ".")

    def submit(self, choices: Choices, *, all_pictures: bool) -> list[Job]:
        """Put the current picture, or all, into the queue; those that are being worked on already stay there.

        Raises:
            UnnoiseError: there is no picture, or the queue is full.
        """
        self.job()
        asked = list(self.jobs.values()) if all_pictures else [self.job()]
        for job in asked:
            if job.state not in (State.WAITING, State.RUNNING):
                self.queue.submit(job, choices)
        return asked

    def cancel(self) -> None:
        """Cancel all that waits or runs."""
        for job in self.jobs.values():
            if job.state in (State.WAITING, State.RUNNING):
                self.queue.cancel(job)

    def clear(self) -> None:
        """Delete all pictures."""
        self.queue.leave(self.visitor)
        self.jobs, self.current = {}, None
        self._seen, self._noise = {}, {}


def _same_picture(done: Choices, asked: Choices) -> bool:
    return done.model_copy(update={"report": asked.report}) == asked
