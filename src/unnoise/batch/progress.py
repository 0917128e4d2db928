"""The progress of a list of jobs, by file and by tile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unnoise.files.stamps import stamp

OnTile = Callable[[int, int], None]
"""Called with the number of tiles that are done and the number of all tiles."""


@dataclass(frozen=True)
class RunProgress:
    """The progress of a run.

    >>> RunProgress(file=1, files=2, name="a.png", share=0.25).share
    0.25
    """

    file: int
    """Number of the present file, from 1."""
    files: int
    """Number of all files."""
    name: str
    """Name of the present file."""
    share: float
    """Share of the work that is done, 0..1, weighted by the files' bytes."""


class ProgressMeter:
    """Converts tiles of single files into the share of all work, weighted by the files' bytes.

    >>> meter = ProgressMeter([Path("none.png")], check=lambda: None, progress=None)
    >>> on_tile = meter.begin(Path("none.png"))
    """

    def __init__(
        self, sources: Sequence[Path], check: Callable[[], None], progress: Callable[[RunProgress], None] | None
    ) -> None:
        self.check = check
        self.sizes = [1 + (stamp(source) or [0])[0] for source in sources]
        self.total, self.before = sum(self.sizes), 0
        self.progress = progress
        self.file = 0

    def begin(self, source: Path) -> OnTile:
        """Begin the next file."""
        size, before = self.sizes[self.file], self.before
        self.file, self.before = self.file + 1, before + size
        file = self.file

        def on_tile(done: int, tiles: int) -> None:
            self.check()
            if self.progress:
                self.progress(RunProgress(file, len(self.sizes), source.name, (before + size * done / tiles) / self.total))

        on_tile(0, 1)
        return on_tile
