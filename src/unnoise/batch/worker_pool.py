"""Processes that do jobs side by side. This process hands the jobs out and records them; the workers do nothing else.

A worker reads, computes and writes one picture at a time. While one waits for the disk, the others compute. A worker
that ends is replaced. Its picture is tried once more, alone, and is then named as the cause.
"""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from unnoise.batch.pool_worker import FAILED, MEMORY, READY, RENAMES, RESULT, TILE, WARNS, serve
from unnoise.batch.progress import OnTile, ProgressMeter
from unnoise.batch.recorder import Recorder, as_sentence
from unnoise.errors import UnnoiseError, UnnoiseWarning
from unnoise.files.attempts import crash_error, note_finished, signal_name
from unnoise.files.temporary_names import remove_file_of

if TYPE_CHECKING:
    from unnoise.batch.jobs import Job

END_SECONDS = 10.0
"""How long workers may take to end. After that they are killed."""
AHEAD = 2
"""Pictures for each worker that the system is told to read ahead."""
THREAD_VARIABLES = "OMP_NUM_THREADS", "VIPS_CONCURRENCY"
"""What libraries read once, when they start: how many threads they may have."""


class Task(Protocol):
    """The work of a pool. It can be pickled."""

    def prepare(self, workers: int, threads: int) -> None:
        """Called once in each worker: how many share the machine, and how many threads each may use."""

    def __call__(self, job: Job, replace: bool, on_tile: OnTile) -> Any:
        """Do one job, as `batch.run.run` takes it."""


class WorkerPool:
    """Workers for `batch.run.run`. They start with the context of the pool and end with it.

    Args:
        task: the work.
        count: number of workers, at least 1.
        threads: that each of them may use.

    >>> WorkerPool(print, 2).count
    2
    """

    def __init__(self, task: Task | Callable[..., Any], count: int, threads: int = 1) -> None:
        self.task, self.count, self.threads = task, count, threads
        self.workers: list[_Worker] = []
        methods = multiprocessing.get_all_start_methods()
        self.context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._close(at_once=kind is not None)

    def run(self, jobs: Sequence[Job], recorder: Recorder, tell: ProgressMeter) -> None:
        """Do the jobs and record each one.

        Raises:
            UnnoiseError: workers end before they begin.
            MemoryError: a picture needs more memory than there is, even alone.
        """
        aside: deque[Job] = deque()
        _Round(self, deque(jobs), recorder, tell, aside.append).run(self.count)
        if aside:
            _Round(self, aside, recorder, tell, None).run(1)

    def start(self) -> _Worker:
        """One more worker."""
        before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(self.threads)))
        try:
            if self.context.get_start_method() == "forkserver":
                self.context.set_forkserver_preload(["__main__", "unnoise.batch.picture_task"])
            worker = _Worker(self)
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        self.workers.append(worker)
        return worker

    def _close(self, *, at_once: bool) -> None:
        for worker in self.workers:
            if at_once:
                worker.process.terminate()
            else:
                with suppress(OSError):
                    worker.connection.send(None)
        for worker in self.workers:
            worker.process.join(END_SECONDS)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.remove_leftover()
        self.workers.clear()


class _Worker:
    """One process, and the job that it does."""

    def __init__(self, pool: WorkerPool) -> None:
        self.connection: Connection
        self.connection, other = pool.context.Pipe()
        self.process = pool.context.Process(
            target=serve, args=(other, pool.task, pool.count, pool.threads), name="unnoise worker", daemon=True
        )
        self.process.start()
        other.close()
        self.is_ready = False
        self.job: Job | None = None
        self.on_tile: OnTile = lambda done, tiles: None

    def remove_leftover(self) -> None:
        """Remove what it had half written when it was killed."""
        if self.job:
            for result in self.job.results:
                remove_file_of(self.process.pid, Path(os.path.realpath(result)))

    def fate(self) -> str:
        """What ended the process."""
        code = self.process.exitcode or 0
        return signal_name(-code) if code < 0 else f"exit status {code}"


class _Round:
    """Jobs that are handed out to workers until none is left.

    Args:
        put_aside: called with the job of a worker that ended, or whose memory ran out, to try it later; None: this was
            its last attempt.
    """

    def __init__(
        self,
        pool: WorkerPool,
        waiting: deque[Job],
        recorder: Recorder,
        tell: ProgressMeter,
        put_aside: Callable[[Job], None] | None,
    ) -> None:
        self.pool, self.waiting, self.recorder, self.tell, self.put_aside = pool, waiting, recorder, tell, put_aside

    def run(self, most: int) -> None:
        """Do all jobs, at most so many at a time."""
        while self.waiting or any(worker.job for worker in self.pool.workers):
            while len(self.pool.workers) < min(most, len(self.waiting) + self._busy()):
                self.pool.start()
            for worker in self.pool.workers[:most]:
                while worker.is_ready and worker.job is None and self.waiting:
                    self._hand_out(worker)
            handles: dict[Any, _Worker] = {worker.connection: worker for worker in self.pool.workers}
            handles |= {worker.process.sentinel: worker for worker in self.pool.workers}
            for worker in {id(handles[ready]): handles[ready] for ready in wait(list(handles), 1.0)}.values():
                self._listen(worker)
            self.tell.check()

    def _busy(self) -> int:
        return sum(worker.job is not None for worker in self.pool.workers)

    def _hand_out(self, worker: _Worker) -> None:
        job = self.waiting.popleft()
        try:
            replaces = self.recorder.begin(job)
        except UnnoiseError as error:
            self.recorder.fail(job, error)
            return
        worker.job, worker.on_tile = job, self.tell.begin(job.source, alone=False)
        with suppress(OSError):  # it has ended, which its sentinel tells
            worker.connection.send((job, replaces))
        for later in list(self.waiting)[: AHEAD * self.pool.count]:
            _read_ahead(later.source)

    def _listen(self, worker: _Worker) -> None:
        """Take all messages of a worker, and then its end."""
        alive = worker.process.is_alive()
        try:
            while worker.connection.poll():
                self._take(worker, *worker.connection.recv())
        except (EOFError, OSError):
            worker.process.join(END_SECONDS)
            alive = False
        if not alive:
            self._replace(worker)

    def _take(self, worker: _Worker, kind: str, *told: Any) -> None:
        job = worker.job
        if kind == READY:
            worker.is_ready = True
            return
        assert job is not None
        if kind == TILE:
            worker.on_tile(*told)
        elif kind == WARNS:
            warnings.warn(str(told[0]), UnnoiseWarning, stacklevel=2)
        elif kind == RENAMES:
            worker.connection.send(self._refusal(*told))
        else:
            worker.job = None
            self.tell.end(job.source)
            if kind == RESULT:
                note_finished(job.source)
                self.recorder.end(job, *told)
            elif kind == FAILED:
                self.recorder.fail(job, *told)
            elif kind == MEMORY:
                if self.put_aside is None:
                    raise MemoryError
                self.put_aside(job)

    def _refusal(self, temporary: Path, target: Path) -> UnnoiseError | None:
        """Why a result may not get its name; None: it may."""
        try:
            if self.recorder.may_rename:
                self.recorder.may_rename(temporary, target)
        except UnnoiseError as error:
            return error
        return None

    def _replace(self, worker: _Worker) -> None:
        """Forget a worker that has ended; another one is started where jobs are left."""
        self.pool.workers.remove(worker)
        worker.remove_leftover()
        if not worker.is_ready:
            raise UnnoiseError(
                f"A worker process ended before it began ({worker.fate()}); close other programs, or give --workers 1."
            )
        if (job := worker.job) is None:
            return
        self.tell.end(job.source)
        if self.recorder.manifest and self.recorder.manifest.is_made(job.target):  # it ended just after its last picture
            note_finished(job.source)
            self.recorder.end(job)
        elif self.put_aside:
            self.put_aside(job)
        else:
            self.recorder.fail(job, as_sentence(job, crash_error(job.source, worker.fate())))


def _read_ahead(path: Path) -> None:
    """Let the system read a file before a worker asks for it."""
    if not hasattr(os, "posix_fadvise"):
        return
    with suppress(OSError, ValueError):
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(file)
