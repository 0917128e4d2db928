"""Files of PyTorch are ZIP archives with a checksum for each record, which torch itself does not look at."""

from __future__ import annotations

import zipfile
from pathlib import Path


def damaged_record(path: Path) -> str | None:
    """The first record whose bytes are not those that were written; None: all are, or the file is no archive.

    Raises what `zipfile` does of an archive that cannot be read: BadZipFile, and others by the kind of damage.
    """
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        # torch can be told to spare itself the sums, which are then all zero
        return archive.testzip() if any(record.CRC for record in archive.infolist()) else None
