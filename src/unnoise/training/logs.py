"""The log of a run: a CSV file and TensorBoard events."""

from __future__ import annotations

import csv
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from unnoise.errors import UnnoiseError
from unnoise.files.atomic import atomic_write

LOG_FILE = "log.csv"
MAX_STEP_DIGITS = 15
"""A longer number in a log is damage."""
FIELDS = ("step", "minutes", "loss", "learning_rate", "images_per_second", "data_share")


class Log:
    """Rows of `FIELDS` in `log.csv`, and the same values in `tensorboard/`.

    A run that continues from step n removes the rows after n first, so that no step occurs twice.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        path = folder / LOG_FILE
        kept = _rows_until(path, first_step)
        with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(kept)
        self._folder = folder
        with self._writing():
            self._file: IO[str] = path.open("a", newline="", encoding="utf-8")
            self._csv = csv.DictWriter(self._file, FIELDS)
            self._board = SummaryWriter(folder / "tensorboard", purge_step=first_step or None)

    def write(self, **row: float) -> None:
        """Add one row. It is written at once, so that a killed run keeps its log."""
        with self._writing():
            self._csv.writerow({key: row[key] if isinstance(row[key], int) else f"{row[key]:.6g}" for key in FIELDS})
            self._file.flush()
            for key in FIELDS[2:]:
                self._board.add_scalar(key, row[key], int(row["step"]))

    def picture(self, step: int, pixels: Any) -> None:
        """Add an (H, W, 3) uint8 picture to TensorBoard."""
        with self._writing():
            self._board.add_image("preview", pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Close both. Errors of writing were reported before, or will be by the checkpoint that follows."""
        for each in (self._file, self._board):
            with suppress(OSError):
                each.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UnnoiseError(
                f"The log in {self._folder} cannot be written: {error.strerror or error}; free some space, then go on or begin again."
            ) from error


@contextmanager
def silence_tensorboard_thread() -> Iterator[None]:
    """Hide errors of TensorBoard's thread. The next call of `Log` raises the same error."""
    before = threading.excepthook

    def hook(failed: threading.ExceptHookArgs) -> None:
        if not (issubclass(failed.exc_type, OSError) and type(failed.thread).__module__.startswith("tensorboard.")):
            before(failed)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


def is_log(path: Path) -> bool:
    """Whether a run wrote this file."""
    with suppress(OSError), path.open("rb") as file:
        return file.readline().decode("utf-8", "replace").strip() == ",".join(FIELDS)
    return False


def _rows_until(path: Path, last_step: int) -> list[dict[str, str]]:
    if not path.is_file() or not last_step:
        return []
    kept = []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = csv.DictReader(file, FIELDS)  # a damaged first line must not name the columns
        with suppress(csv.Error):  # of a damaged file, the rows before the damage are kept
            for row in rows:
                step = row["step"] or ""
                whole = None not in row and None not in row.values()
                if whole and step.isdecimal() and len(step) <= MAX_STEP_DIGITS and int(step) <= last_step:
                    kept.append(row)
    return kept
