"""What a run writes down as it goes: a CSV file and TensorBoard events."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import IO, Any

FIELDS = ("step", "minutes", "loss", "learning_rate", "images_per_second", "data_share")


class Log:
    """Rows of `FIELDS` in `log.csv` and, on the same names, in `tensorboard/`.

    A run that goes on from step n drops the rows after n first, so that no step stands there twice.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        path = folder / "log.csv"
        kept = _rows_until(path, first_step)
        self._file: IO[str] = path.open("w", newline="", encoding="utf-8")
        self._csv = csv.DictWriter(self._file, FIELDS)
        self._csv.writeheader()
        self._csv.writerows(kept)
        self._board = SummaryWriter(folder / "tensorboard", purge_step=first_step or None)

    def write(self, **row: float) -> None:
        """Add one row; flushed at once, so that a killed run keeps its log."""
        self._csv.writerow({key: row[key] if isinstance(row[key], int) else f"{row[key]:.6g}" for key in FIELDS})
        self._file.flush()
        for key in FIELDS[2:]:
            self._board.add_scalar(key, row[key], int(row["step"]))

    def picture(self, step: int, pixels: Any) -> None:
        """Add an (H, W, 3) uint8 picture to TensorBoard."""
        self._board.add_image("preview", pixels, step, dataformats="HWC")

    def close(self) -> None:
        self._file.close()
        self._board.close()


def _rows_until(path: Path, last_step: int) -> list[dict[str, str]]:
    if not path.is_file() or not last_step:
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            row
            for row in csv.DictReader(file)
            if (row["step"] or "").isdigit() and int(row["step"]) <= last_step and None not in row.values()
        ]
