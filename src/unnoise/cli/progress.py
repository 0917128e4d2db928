"""Progress bars on standard error, and nothing of them where that is no terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from unnoise.batch.threads import begin_thread

if TYPE_CHECKING:
    from unnoise.batch.progress import RunProgress
    from unnoise.training.options import TrainingStatus

FIRST_LINE_SECONDS = 5.0
"""Where there is no terminal, the first line of progress comes after this time. A quick run has none."""
LINE_SECONDS = 30.0
"""Time between two lines after that."""
LAST_LINE_SECONDS = 1.0
"""At the end, a line that is being printed has so much time."""


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar fed by calls with (done, in all)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:  # and no thread, which may wait for ever where memory is short
        yield lambda done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def files_bar() -> Iterator[Callable[[RunProgress], None]]:
    """A bar with the file, the share of all the work and the time left.

    Where standard error is no terminal, there are lines instead: the first after `FIRST_LINE_SECONDS`, then one every
    `LINE_SECONDS`, also while a tile takes long.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    started = time.monotonic()

    def left(report: RunProgress) -> str:
        gone = time.monotonic() - started
        return f"{_duration(gone * (1 - report.share) / report.share)} left" if report.share > 0 else "time left not known yet"

    def text(report: RunProgress) -> str:
        return f"file {report.file} of {report.files}, {report.name}: {report.share:.0%} of all, {left(report)}"

    if not console.is_terminal:
        with _lines(text) as tell:
            yield tell
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %  {task.fields[left]}"))
    # results are told on standard output while the bar is drawn; where that is no terminal, they must not land in the bar
    with Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as progress:
        task = progress.add_task("denoise", total=1.0, left="")
        yield lambda report: progress.update(
            task,
            description=f"{report.file}/{report.files} {escape(report.name)}",
            completed=report.share,
            left=left(report),
        )


@contextmanager
def _lines(text: Callable[[RunProgress], str]) -> Iterator[Callable[[RunProgress], None]]:
    """Print the latest progress from time to time, from a thread of its own."""
    latest: list[RunProgress] = []
    ended = threading.Event()

    def tell() -> None:
        seconds = FIRST_LINE_SECONDS
        while not ended.wait(seconds):
            seconds = LINE_SECONDS
            if latest:
                print(text(latest[-1]), file=sys.stderr, flush=True)

    def keep(report: RunProgress) -> None:
        latest[:] = [report]

    silent = None
    with suppress(RuntimeError):  # no room for a thread; the command goes on without telling
        silent = begin_thread(tell)
    try:
        yield keep
    finally:
        ended.set()
        if silent:
            silent.wait(LAST_LINE_SECONDS)


@contextmanager
def training_bar(*, tell_length: bool = False) -> Iterator[Callable[[TrainingStatus], None]]:
    """A bar with step, loss, images a second and time left; where standard error is no terminal, one line a minute.

    Args:
        tell_length: say once, as soon as it can be told, how long the whole run takes.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    length = _Length() if tell_length else None
    if not console.is_terminal:
        lines = _Lines()

        def line(status: TrainingStatus) -> None:
            if sentence := length and length.sentence(status):
                print(sentence, file=sys.stderr, flush=True)
            lines(status)

        yield line
        return
    columns = (TextColumn("{task.fields[place]}"), BarColumn(), TextColumn("{task.fields[told]}"))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("train", total=1.0, place="", told="")

        def draw(status: TrainingStatus) -> None:
            if sentence := length and length.sentence(status):
                progress.console.print(sentence, highlight=False)
            told = _told(status) if status.stage else f"{100 * status.share:.0f} %  {_told(status)}"
            place = "" if status.stage else f"step {status.step}"
            progress.update(task, completed=status.share, place=place, told=told)

        yield draw


class _Length:
    """How long the whole run takes, told once."""

    def __init__(self) -> None:
        self.is_told = False

    def sentence(self, status: TrainingStatus) -> str | None:
        """The sentence, the first time that it can be told."""
        if self.is_told or not 0 < status.share < 1:
            return None
        self.is_told = True
        steps, whole = round(status.step / status.share), status.seconds_left / (1 - status.share)
        return (
            f"The whole run takes about {in_words(whole)} ({steps:,} steps, {status.images_per_second:.1f} images/s). "
            "Ctrl-C stops it and --resume goes on; --minutes sets another length."
        )


class _Lines:
    """What a log file can hold of a training's progress: one line a minute, the last one, and one for each other work."""

    def __init__(self) -> None:
        self.written = float("-inf")
        self.work = ""

    def __call__(self, status: TrainingStatus) -> None:
        work = status.stage.partition(",")[0]
        if (
            time.monotonic() - self.written < 60
            and (not status.stage or work == self.work)
            and (status.stage or status.share < 1)
        ):
            return
        self.written, self.work = time.monotonic(), work
        place = "" if status.stage else f"step {status.step}, {100 * status.share:.0f} %, "
        print(f"{place}{_told(status)}", file=sys.stderr, flush=True)


def _told(status: TrainingStatus) -> str:
    """What is being done before the first step and after the last. Else loss, once there is one, speed and time left."""
    if status.stage:
        return f"{status.stage} …"
    loss = "" if status.loss is None else f"loss {status.loss:.4g}, "
    return f"{loss}{status.images_per_second:.1f} images/s, {_duration(status.seconds_left)} left"


def in_words(seconds: float) -> str:
    """A length of time, its two largest units.

    >>> in_words(90_000), in_words(3_700), in_words(61), in_words(59)
    ('1 day 1 hour', '1 hour 2 minutes', '1 minute', '1 minute')
    """
    minutes = max(1, round(seconds / 60))
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "day"), (hours, "hour"), (minutes, "minute")]
    largest = next(place for place, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}{'s' * (count > 1)}" for count, unit in parts[largest : largest + 2] if count)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
