"""Checksums of PyTorch files. These are ZIP archives with a checksum for each record, and torch does not check them."""

from __future__ import annotations

import zipfile
from pathlib import Path


def damaged_record(path: Path) -> str | None:
    """The first record that is compressed, or whose bytes do not match its checksum.

    PyTorch never compresses. A small compressed record can become gigabytes.

    Returns:
        The name of the record. None if all are sound, or if the file is no archive.

    Raises:
        zipfile.BadZipFile: the archive cannot be read. Other damage raises other errors of `zipfile`.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     with zipfile.ZipFile(file.name, "w") as archive:
    ...         archive.writestr("weights", b"1234")
    ...     print(damaged_record(Path(file.name)))
    None
    """
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        for record in archive.infolist():
            if record.compress_type != zipfile.ZIP_STORED:
                return record.filename
        # torch can be set to skip the checksums; they are then all zero
        return archive.testzip() if any(record.CRC for record in archive.infolist()) else None
