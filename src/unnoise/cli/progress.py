"""Progress bars on standard error, and nothing of them where that is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unnoise.batch.run import Report
    from unnoise.training.options import TrainingStatus


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar fed by calls with (done, in all)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def files_bar() -> Iterator[Callable[[Report], None]]:
    """A bar with the file, the share of all the work and the time left; where standard error is no terminal, a line a minute."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    started = time.monotonic()
    written = started

    def left(report: Report) -> str:
        gone = time.monotonic() - started
        return f"{_duration(gone * (1 - report.share) / report.share)} left" if report.share > 0 else ""

    if not console.is_terminal:

        def line(report: Report) -> None:
            nonlocal written
            if time.monotonic() - written > 60:
                written = time.monotonic()
                place = f"file {report.file} of {report.files}, {report.name}"
                print(f"{place}: {100 * report.share:.0f} % of all, {left(report)}", file=sys.stderr, flush=True)

        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %  {task.fields[left]}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("denoise", total=1.0, left="")
        yield lambda report: progress.update(
            task,
            description=f"{report.file}/{report.files} {escape(report.name)}",
            completed=report.share,
            left=left(report),
        )


@contextmanager
def training_bar() -> Iterator[Callable[[TrainingStatus], None]]:
    """A bar with step, loss, images a second and time left; where standard error is no terminal, a line a minute instead."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (
        TextColumn("step {task.fields[step]}"),
        BarColumn(),
        TextColumn(
            "{task.percentage:.0f} %  loss {task.fields[loss]:.4g}  {task.fields[speed]:.1f} images/s  {task.fields[left]} left"
        ),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("train", total=1.0, step=0, loss=float("nan"), speed=0.0, left="?")
        yield lambda status: progress.update(
            task,
            completed=status.share,
            step=status.step,
            loss=float("nan") if status.loss is None else status.loss,
            speed=status.images_per_second,
            left=_duration(status.seconds_left),
        )


class _Lines:
    """What a log file can hold of a training's progress: one line a minute, and the last."""

    def __init__(self) -> None:
        self.written = float("-inf")

    def __call__(self, status: TrainingStatus) -> None:
        if time.monotonic() - self.written < 60 and status.share < 1:
            return
        self.written = time.monotonic()
        print(
            f"step {status.step}, {100 * status.share:.0f} %, loss {status.loss or float('nan'):.4g}, "
            f"{status.images_per_second:.1f} images/s, {_duration(status.seconds_left)} left",
            file=sys.stderr,
            flush=True,
        )


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
