"""Pairs of files, of which one is the header and the other holds the values: NIfTI and Analyze (.hdr and .img)."""

from __future__ import annotations

import zlib
from pathlib import Path

from unnoise.files.paths import path_kind
from unnoise.files.stamps import stamp
from unnoise.images.formats import recognise
from unnoise.images.science import file_copy

HEADER, VALUES = ".hdr", ".img"
HEADER_BYTES = 348
"""Of NIfTI-1 and Analyze; the mark stands in the last four of them."""


def partner(path: Path, suffix: str) -> Path | None:
    """The other file of a pair, whose suffix (and packing) may be written in capitals; None: there is none.

    >>> partner(Path("none.hdr"), ".img") is None
    True
    """
    name, _ = _split(path)
    places = [path.with_name(f"{name}{case}{packing}") for case in (suffix, suffix.upper()) for packing in ("", ".gz", ".GZ")]
    return next((place for place in places if path_kind(place) == "file"), None)


def header_of(path: Path) -> Path:
    """The header of a pair where the file with the values is named and is nothing else; any other path as it is.

    >>> str(header_of(Path("brain.nii")))
    'brain.nii'
    """
    if _split(path)[1] != VALUES or path_kind(path) != "file" or recognise(_start(path)):
        return path
    header = partner(path, HEADER)
    return header if header and is_header(header) else path


def is_header(path: Path) -> bool:
    """Whether a file is the header of a pair. Damage does not raise.

    >>> is_header(Path("none.hdr"))
    False
    """
    if _split(path)[1] not in (HEADER, VALUES) or path_kind(path) != "file":
        return False
    start = _start(path)
    return start[344:348] == b"ni1\0" or start[4:8] == b"ni2\0" or is_analyze(start)


def is_analyze(start: bytes) -> bool:
    """Whether the first bytes of a file are a header of Analyze 7.5: its length, and 1 to 7 axes.

    >>> is_analyze(bytes(348))
    False
    """
    order = {HEADER_BYTES.to_bytes(4, "little"): "little", HEADER_BYTES.to_bytes(4, "big"): "big"}.get(start[:4])
    axes = int.from_bytes(start[40:42], "big" if order == "big" else "little")
    return order is not None and 1 <= axes <= 7 and start[344:347] not in (b"n+1", b"ni1")


def is_named_as_pair(path: Path) -> bool:
    """Whether a path ends in one of the suffixes of pairs.

    >>> is_named_as_pair(Path("brain.img.gz"))
    True
    """
    return _split(path)[1] in (HEADER, VALUES)


def result_suffix(path: Path) -> str | None:
    """The suffix of the result for a file of a pair: that of a single file with header and values. None: it is of no pair.

    >>> result_suffix(Path("none.hdr")) is None
    True
    """
    return f".nii{_packing(path).lower()}" if is_header(header_of(path)) else None


def stamps(path: Path) -> list[int] | None:
    """The stamp of a file, and of a pair those of both of its files. None: nothing is there.

    >>> stamps(Path("none.hdr")) is None
    True
    """
    found = stamp(path)
    other = partner(path, VALUES if _split(path)[1] == HEADER else HEADER) if is_named_as_pair(path) else None
    return found + (stamp(other) or []) if found and other else found


def _packing(path: Path) -> str:
    return path.suffix if path.suffix.lower() == ".gz" else ""


def _split(path: Path) -> tuple[str, str]:
    """The name without suffix and packing, and the suffix in lower case."""
    name = path.name.removesuffix(_packing(path))
    return Path(name).stem, Path(name).suffix.lower()


def _start(path: Path) -> bytes:
    try:
        if file_copy.packing(path):
            return file_copy.first_bytes(path, HEADER_BYTES)
        with path.open("rb") as file:
            return file.read(HEADER_BYTES)
    except (OSError, EOFError, zlib.error):  # damage, which whoever opens the file will report
        return b""
