"""Which pictures of a source are to be done: those that the account does not know, or that have changed since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from unnoise.batch.cluster.account import WRITTEN, Account, Row
from unnoise.batch.cluster.storage import Storage, StoredFile
from unnoise.batch.run import result_names
from unnoise.errors import UsageError
from unnoise.images.formats import is_picture


@dataclass(frozen=True)
class Picture:
    """A picture to do, and its result."""

    name: str
    """Relative to the source."""
    result: str
    """Relative to the sink."""
    size: int
    """In bytes."""
    stamp: str
    """See `StoredFile.stamp`."""
    ours: str = ""
    """The checksum of an earlier result of ours, which may be replaced."""

    @property
    def folder(self) -> str:
        """The folder that it lies in.

        >>> Picture("a/b/c.png", "a/b/c.png", 1, "").folder
        'a/b'
        """
        return folder_of(self.name)


def folder_of(name: str) -> str:
    """The folder of a name; '': it lies in none.

    >>> folder_of("a/b.png"), folder_of("b.png")
    ('a', '')
    """
    parent = str(PurePosixPath(name).parent)
    return "" if parent == "." else parent


class Plan:
    """The pictures of a source, folder by folder. Never more than one folder's names are in memory.

    Args:
        source, sink: where pictures come from, and results go to.
        settings: the fingerprint of model and options.
        recursive: whether to search folders within folders.
        pattern: which pictures to take, as `*_raw.tif`.
        suffix: of the results, as `.png`; None: as the pictures have.
        overwrite: do all pictures again.

    Raises:
        UsageError: the source is absent, or source and sink are one folder.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (Path(folder) / "in").mkdir()
    ...     _ = (Path(folder) / "in" / "a.png").write_bytes(b"pixels")
    ...     plan = Plan(Storage(f"{folder}/in"), Storage(f"{folder}/out"), "settings", suffix=".tif")
    ...     [picture.result for picture in plan.pictures()]
    ['a.tif']
    """

    def __init__(
        self,
        source: Storage,
        sink: Storage,
        settings: str,
        *,
        recursive: bool = False,
        pattern: str | None = None,
        suffix: str | None = None,
        overwrite: bool = False,
    ) -> None:
        self.source, self.sink, self.settings = source, sink, settings
        self.recursive, self.pattern, self.suffix, self.overwrite = recursive, pattern, suffix, overwrite
        self.account = Account(sink)
        self.done_before = 0
        """Pictures that an earlier call has done."""
        if source.place.rstrip("/") == sink.place.rstrip("/"):
            raise UsageError(f"Results in {sink.place} would replace the pictures; choose another folder with -o.")
        if not source.exists():
            raise UsageError(f"There is no folder {source.place}; check the name.")

    def pictures(self) -> Iterator[Picture]:
        """The pictures that are to be done.

        Raises:
            UsageError: two pictures would become one result.
        """
        for folder in self.source.folders("", recursive=self.recursive):
            if folder and self._holds_results(folder):
                continue
            found = [file for file in self.source.files(folder) if self._is_wanted(file.name)]
            if found:
                yield from self._left(folder, found)

    def _left(self, folder: str, found: list[StoredFile]) -> Iterator[Picture]:
        rows = self.account.rows(folder)
        there = {file.name: file.size for file in self.sink.files(folder)}
        root = Path(self.source.root) if self.source.is_local else Path("/nowhere")
        named = result_names({root / file.name: Path(file.name) for file in found}, self.suffix)
        results = [named[root / file.name].as_posix() for file in found]
        alike = Counter(results)
        for file, result in zip(found, results, strict=True):
            if alike[result] > 1:
                raise UsageError(f"Several pictures would become {self.sink.shown(result)}; denoise them into two folders.")
            row = rows.get(file.name)
            if row and not self.overwrite and self._is_done(row, file, result, there):
                self.done_before += 1
                continue
            ours = row["result_checksum"] if row and row["outcome"] == WRITTEN and row["result"] == result else None
            yield Picture(file.name, result, file.size, file.stamp, ours or "")

    def _is_done(self, row: Row, file: StoredFile, result: str, there: dict[str, int]) -> bool:
        return bool(
            row["outcome"] == WRITTEN
            and row["settings"] == self.settings
            and row["source_stamp"] == file.stamp
            and row["result"] == result
            and there.get(result) == row["result_bytes"]
        )

    def _is_wanted(self, name: str) -> bool:
        last = PurePosixPath(name).name
        fits = self.pattern is None or fnmatch(last, self.pattern) or fnmatch(name, self.pattern)
        return fits and is_picture(last) and not last.startswith(".")

    def _holds_results(self, folder: str) -> bool:
        """Whether a folder of the source is the sink."""
        return f"{self.source.place.rstrip('/')}/{folder}" == self.sink.place.rstrip("/")
