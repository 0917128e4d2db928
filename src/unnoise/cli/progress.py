"""Progress bars on standard error, and nothing of them where that is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unnoise.training.loop import Status


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
def training_bar() -> Iterator[Callable[[Status], None]]:
    """A bar with step, loss, images a second and time left; where standard error is no terminal, a line a minute."""
    import time

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("step {task.fields[step]}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %  loss {task.fields[loss]:.4g}  {task.fields[speed]:.1f} images/s  {task.fields[left]} left"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("train", total=1.0, step=0, loss=float("nan"), speed=0.0, left="?")
        last_line = 0.0

        def show(status: Status) -> None:
            nonlocal last_line
            left = _duration(status.seconds_left)
            progress.update(
                task, completed=status.share, step=status.step, loss=status.loss, speed=status.images_per_second, left=left
            )
            if not console.is_terminal and time.monotonic() - last_line >= 60:
                last_line = time.monotonic()
                console.print(
                    f"step {status.step}, {100 * status.share:.0f} %, loss {status.loss:.4g}, "
                    f"{status.images_per_second:.1f} images/s, {left} left"
                )

        yield show


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
