"""The account of a run on many machines: one row for each picture, in Parquet files beside the results.

The rows of a folder lie in parts, `.unnoise-account/FOLDER/*.parquet`. Each part is written whole. Where two rows name
one picture, the later one holds. At the end of a run the parts of each folder become one.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from unnoise.batch.cluster.storage import Storage
from unnoise.errors import UnnoiseError
from unnoise.files.temporary_names import remove_stale_files_in
from unnoise.registry import require

FOLDER = ".unnoise-account"
WRITTEN, FAILED = "written", "failed"

Row = dict[str, Any]

COLUMNS = {
    "picture": "string",
    "result": "string",
    "outcome": "string",
    "reason": "string",
    "warnings": "string",
    "source_bytes": "int64",
    "source_stamp": "string",
    "source_checksum": "string",
    "result_bytes": "int64",
    "result_checksum": "string",
    "settings": "string",
    "seconds": "float64",
    "processor_seconds": "float64",
    "ended": "timestamp[us, UTC]",
    "worker": "string",
}
"""The columns and their types. Names are relative to source and sink; checksums are SHA-256."""


def schema() -> Any:
    """The columns as pyarrow takes them.

    >>> schema().names[:3]
    ['picture', 'result', 'outcome']
    """
    arrow: Any = require("pyarrow", "--engine ray")
    types = {
        "string": arrow.string(),
        "int64": arrow.int64(),
        "float64": arrow.float64(),
        "timestamp[us, UTC]": arrow.timestamp("us", "UTC"),
    }
    return arrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])


class Account:
    """The account of a sink.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     account = Account(Storage(folder))
    ...     account.add("", [{"picture": "a.png", "outcome": FAILED}])
    ...     account.add("", [{"picture": "a.png", "outcome": WRITTEN, "ended": 1}])
    ...     account.merge("")
    ...     [row["outcome"] for row in account.rows("").values()], len(account.parts(""))
    (['written'], 1)
    """

    def __init__(self, sink: Storage) -> None:
        self.sink = sink

    def place(self, folder: str) -> str:
        """Where the parts of a folder lie."""
        return f"{FOLDER}/{folder}".rstrip("/")

    def parts(self, folder: str) -> list[str]:
        """The names of a folder's parts. Hidden ones are on the way, or were when their driver was killed."""
        names = [file.name for file in self.sink.files(self.place(folder))]
        return [name for name in names if name.endswith(".parquet") and not PurePosixPath(name).name.startswith(".")]

    def folders(self) -> Iterator[str]:
        """All folders of which there are rows."""
        for place in self.sink.folders(FOLDER, recursive=True):
            if self.parts(place.removeprefix(FOLDER).strip("/")):
                yield place.removeprefix(FOLDER).strip("/")

    def rows(self, folder: str) -> dict[str, Row]:
        """The last row of each picture of a folder, by the picture's name."""
        return self._rows(self.parts(folder))

    def add(self, folder: str, rows: Iterable[Row]) -> None:
        """Write rows as one more part."""
        arrow: Any = require("pyarrow", "--engine ray")
        parquet: Any = require("pyarrow.parquet", "--engine ray")
        filled = [dict.fromkeys(COLUMNS) | row for row in rows]
        if not filled:
            return
        buffer = io.BytesIO()
        parquet.write_table(arrow.Table.from_pylist(filled, schema=schema()), buffer, compression="zstd")
        self.sink.write(f"{self.place(folder)}/part-{uuid.uuid4().hex}.parquet", buffer.getvalue())

    def merge(self, folder: str) -> None:
        """Make one part of all parts of a folder. If this is interrupted, some rows are there twice, which does no harm.

        Parts have new names each time, so half of one that a killed process left is not replaced: it is removed here.
        """
        if self.sink.is_local:
            remove_stale_files_in(Path(self.sink.path(self.place(folder))))
        parts = self.parts(folder)
        if len(parts) > 1:
            self.add(folder, self._rows(parts).values())
            for part in parts:
                self.sink.remove(part)

    def _rows(self, parts: list[str]) -> dict[str, Row]:
        parquet: Any = require("pyarrow.parquet", "--engine ray")
        rows: list[Row] = []
        for part in parts:
            content = self.sink.read(part)
            if content is None:  # merged meanwhile
                continue
            try:
                rows += parquet.read_table(io.BytesIO(content)).to_pylist()
            except Exception as error:
                raise UnnoiseError(
                    f"The account {self.sink.shown(part)} is damaged; remove it, and its pictures are done again."
                ) from error
        rows.sort(key=lambda row: row["ended"].timestamp() if row["ended"] else 0.0)
        return {row["picture"]: row for row in rows}
