"""One picture of a visitor: its private folder, its state and its progress."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from unnoise.errors import UsageError
from unnoise.images import formats, result_name
from unnoise.quality.report import Report
from unnoise.web.choices import Choices

LONGEST_NAME = 100
"""Bytes of a file's name that are kept."""
TOKEN_BYTES = 24
"""Of a job's id. Nobody can guess it, so who has it may see the job."""


class State(StrEnum):
    """Where a job stands."""

    NEW = "new"
    """It has its picture, and nobody asked for the result yet."""
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self in (State.DONE, State.FAILED, State.CANCELLED)


class CancelledError(Exception):
    """The visitor does not want the result any more."""


@dataclass(eq=False)
class Job:
    """One picture that a visitor sent.

    Attributes:
        source, target: the picture and its result, in a folder that only this job uses.
    """

    visitor: str
    name: str
    choices: Choices
    folder: Path
    id: str = field(default_factory=lambda: secrets.token_urlsafe(TOKEN_BYTES))
    state: State = State.NEW
    share: float = 0.0
    """Share of the work that is done, 0..1."""
    error: str | None = None
    error_status: int | None = None
    """The exit status that the command line has for this error."""
    warnings: list[str] = field(default_factory=list)
    report: Report | None = None
    began: float | None = None
    """When it began to run, by `time.monotonic`."""
    ended: float | None = None
    used: float = field(default_factory=time.monotonic)
    """When somebody last asked for it."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.name = safe_name(self.name)
        self.folder = self.folder / self.id
        self.folder.mkdir(mode=0o700, parents=True)

    @property
    def source(self) -> Path:
        return self.folder / "in" / self.name

    @property
    def target(self) -> Path:
        """Under the name that `unnoise denoise` gives it beside a picture."""
        named = Path(result_name(self.name))
        stem = formats.stem_of(named)
        return self.folder / "out" / f"{stem}_denoised{formats.suffix_of(named)}"

    @property
    def report_stem(self) -> Path:
        """Path of the report's files without their suffixes."""
        return self.target.with_name(f"{formats.stem_of(self.target)}.report")

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the time that the share took. None: not known yet."""
        if self.began is None or self.state is not State.RUNNING or self.share < 0.02:
            return None
        return (time.monotonic() - self.began) * (1 - self.share) / self.share

    def begin_again(self, choices: Choices) -> None:
        """Forget an earlier result, before the job is put into the queue with these choices."""
        shutil.rmtree(self.target.parent, ignore_errors=True)
        self.target.parent.mkdir(mode=0o700)
        self.choices, self.state, self.share = choices, State.WAITING, 0.0
        self.error = self.error_status = self.report = self.began = self.ended = None
        self.warnings = []
        self.cancelled.clear()
        self.finished.clear()

    def check_cancelled(self) -> None:
        """Raise `CancelledError` if the visitor cancelled it."""
        if self.cancelled.is_set():
            raise CancelledError

    def delete_files(self) -> None:
        """Delete all files of the job."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def facts(self, ahead: int = 0) -> dict[str, Any]:
        """What the HTTP API tells of it."""
        left = self.seconds_left
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state.value,
            "ahead": ahead,
            "share": round(self.share, 4),
            "seconds_left": None if left is None else round(left, 1),
            "error": self.error,
            "warnings": self.warnings,
            "result": self.target.name if self.state is State.DONE else None,
            "verdict": self.report.verdict.value if self.report else None,
            "sentence": self.report.sentence() if self.report else None,
            "command": self.choices.command_line(self.name),
        }


def safe_name(name: str) -> str:
    """The last part of a visitor's file name, without characters that file systems or shells treat specially.

    Raises:
        UsageError: the name says no format that is known.

    >>> safe_name("../../etc/a b.png")
    'a b.png'
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    plain = "".join(c if c.isalnum() or c in " ._-()+" else "_" for c in last).strip()
    plain = plain.lstrip(".") if plain.strip(".").count(".") else f"picture.{plain.lstrip('.')}" if plain[:1] == "." else plain
    suffix = formats.suffix_of(Path(plain)).lower()
    if suffix not in formats.SUFFIXES or suffix == ".zarr":
        raise UsageError(
            f"{last[:LONGEST_NAME] or 'A file without a name'} is no picture that is known; give a file such as .jpg, .png, .tif or .dng."
        )
    room = LONGEST_NAME - len(suffix)
    stem = formats.stem_of(Path(plain)).encode()[:room].decode(errors="ignore").strip()
    return (stem or "picture") + plain[-len(suffix) :]
