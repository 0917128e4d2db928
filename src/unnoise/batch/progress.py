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
        self.sizes = {source: 1 + (stamp(source) or [0])[0] for source in sources}
        self.total, self.ended = sum(self.sizes.values()), 0
        self.progress = progress
        self.file = 0
        self._in_work: dict[Path, float] = {}
        """Bytes that are done, of each file in work."""

    def begin(self, source: Path, *, alone: bool = True) -> OnTile:
        """Begin the next file.

        Args:
            source: the file.
            alone: whether it is the only one in work. Files that began before then have ended.
        """
        if alone:
            for other in list(self._in_work):
                self.end(other)
        self.file += 1
        self._in_work[source] = 0.0
        file = min(self.file, len(self.sizes))  # a file that is tried again counts once

        def on_tile(done: int, tiles: int) -> None:
            self.check()
            self._in_work[source] = self.sizes[source] * done / tiles
            if self.progress:
                share = (self.ended + sum(self._in_work.values())) / self.total
                self.progress(RunProgress(file, len(self.sizes), source.name, share))

        on_tile(0, 1)
        return on_tile

    def end(self, source: Path) -> None:
        """A file has ended, well or not."""
        if self._in_work.pop(source, None) is not None:
            self.ended += self.sizes[source]
