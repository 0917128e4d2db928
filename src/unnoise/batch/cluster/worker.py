"""What a worker of a cluster does with pictures: fetch, denoise, put, and tell the row of the account."""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
import time
import warnings
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from weakref import finalize

from unnoise import images
from unnoise.batch.cluster.account import COLUMNS, FAILED, FOLDER, WRITTEN, Row, schema
from unnoise.batch.cluster.plan import Picture
from unnoise.batch.cluster.storage import Storage, checksum_of
from unnoise.batch.jobs import Job
from unnoise.batch.progress import OnTile
from unnoise.batch.recorder import as_sentence
from unnoise.errors import UnnoiseError, UnnoiseWarning
from unnoise.files.vanishing import vanishing_folder
from unnoise.images.formats import format_of
from unnoise.registry import require

LARGE = "large"
"""Outcome of a picture that is left for tiles."""
MOST_ATTEMPTS = 3
"""So often a picture may end its worker. Then it is named as the cause. Workers may also end for other reasons."""
LARGE_FILE_BYTES = 2**23
"""Smaller files are not looked into before they are read."""


class Task(Protocol):
    """The work on one picture, such as `PictureTask`."""

    def prepare(self, workers: int, threads: int) -> None: ...

    def __call__(self, job: Job, replace: bool, on_tile: OnTile) -> Any: ...


@dataclass(frozen=True)
class Order:
    """What all workers of a run know.

    >>> Order(print, Storage("in"), Storage("out"), "settings").large_pixels
    67108864
    """

    task: Any
    source: Storage
    sink: Storage
    settings: str
    workers: int = 1
    """That share one machine."""
    threads: int = 1
    """Of each worker."""
    overwrite: bool = False
    large_pixels: int = 2**26
    """Pictures with more are left for tiles."""
    takes_large: bool = True
    """Whether this one does large pictures itself."""


class PictureWorker:
    """Does pictures one after the other. Ray Data calls it with tables of them.

    >>> PictureWorker(Order(print, Storage("in"), Storage("out"), "settings")).order.settings
    'settings'
    """

    def __init__(self, order: Order) -> None:
        self.order = order
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._made = ExitStack()
        self._folder: Path | None = None
        finalize(self, self._made.close)
        if prepare := getattr(order.task, "prepare", None):
            prepare(order.workers, order.threads)

    def _scratch(self) -> Path:
        """Where its pictures lie while they are worked on. It is gone after this process, also after one that was killed."""
        if self._folder is None:
            self._folder = self._made.enter_context(vanishing_folder("unnoise-"))
        return self._folder

    def __call__(self, table: Any) -> Any:
        """A table of pictures to one of their rows in the account."""
        arrow: Any = require("pyarrow", "--engine ray")
        rows = self.rows(Picture(**row) for row in table.to_pylist())
        return arrow.Table.from_pylist(rows, schema=schema())

    def rows(self, pictures: Iterable[Picture]) -> list[Row]:
        """Do pictures, and give their rows."""
        return [self.row(picture) for picture in pictures]

    def row(self, picture: Picture) -> Row:
        """Do a picture, and give its row. Whatever is wrong with it is told there."""
        began, processor = time.monotonic(), time.process_time()
        row: Row = dict.fromkeys(COLUMNS) | {
            "picture": picture.name,
            "result": picture.result,
            "source_bytes": picture.size,
            "source_stamp": picture.stamp,
            "settings": self.order.settings,
            "worker": self.name,
        }
        noted: list[str] = []
        attempts = Attempts(self.order.sink, picture.name)
        try:
            attempts.begin(self.order.source.shown(picture.name))
            with tempfile.TemporaryDirectory(dir=self._scratch()) as folder:
                row |= self._denoised(picture, Path(folder), noted)
        except UnnoiseError as error:
            row |= {"outcome": FAILED, "reason": str(error)}
        attempts.end()
        return row | {
            "seconds": time.monotonic() - began,
            "processor_seconds": time.process_time() - processor,
            "ended": datetime.now(UTC),
            "warnings": "\n".join(noted) or None,
        }

    def _denoised(self, picture: Picture, folder: Path, noted: list[str]) -> Row:
        source, sink = self.order.source, self.order.sink
        (folder / "in").mkdir()
        (folder / "out").mkdir()
        local = source.fetch(picture.name, folder / "in")
        job = Job(local, folder / "out" / PurePosixPath(picture.result).name)
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", UnnoiseWarning)
                if not self.order.takes_large and self._is_large(local, picture.size):
                    return {"outcome": LARGE}
                self.order.task(job, False, _no_progress)
        except Exception as error:  # one bad file must not stop the others
            sentence = as_sentence(job, error)
            said = str(sentence).replace(str(job.target), sink.shown(picture.result))
            raise type(sentence)(said.replace(str(local), source.shown(picture.name))) from error
        noted += [str(each.message) for each in caught if issubclass(each.category, UnnoiseWarning)]
        made = checksum_of(job.target)
        there = sink.checksum(picture.result)
        if there != made:
            if there not in (None, picture.ours) and not self.order.overwrite:
                raise UnnoiseError(
                    f"{sink.shown(picture.result)} is there already, and the account does not know it; add --overwrite to replace "
                    "it, or choose another sink."
                )
            sink.put(job.target, picture.result)
        return {
            "outcome": WRITTEN,
            "source_checksum": checksum_of(local),
            "result_bytes": job.target.stat().st_size,
            "result_checksum": made,
        }

    def _is_large(self, local: Path, size: int) -> bool:
        least = min(LARGE_FILE_BYTES, self.order.large_pixels // 8)  # the best compression of photographs
        if size < least or format_of(local).name == "npy":
            return False
        with images.open(local) as frames:
            return len(frames) == 1 and frames[0].height * frames[0].width > self.order.large_pixels


class Attempts:
    """Counts how often a picture was begun and not ended, so that one that ends its worker is not tried for ever.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     attempts = Attempts(Storage(folder), "a.png")
    ...     for _ in range(MOST_ATTEMPTS):
    ...         attempts.begin("a.png")
    ...     attempts.begin("a.png")
    Traceback (most recent call last):
    unnoise.errors.UnnoiseError: a.png has ended its worker 3 times, ...
    """

    def __init__(self, sink: Storage, name: str) -> None:
        digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        self.sink, self.mark = sink, f"{FOLDER}/.attempts/{digest}"

    def begin(self, shown: str) -> None:
        """Note that the picture is begun. Raises `UnnoiseError` if that was done too often."""
        before = int(self.sink.read(self.mark) or b"0")
        if before >= MOST_ATTEMPTS:
            raise UnnoiseError(
                f"{shown} has ended its worker {before} times, most likely since memory ran out; give a smaller --tile, or leave "
                "it out."
            )
        self.sink.write(self.mark, b"%d" % (before + 1))

    def end(self) -> None:
        """Note that the worker has lived on."""
        self.sink.remove(self.mark)


def _no_progress(done: int, tiles: int) -> None:
    """Nobody looks at the tiles of a worker."""
