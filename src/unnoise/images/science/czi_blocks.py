"""Heads of the blocks of a CZI, looked at before libCZI reads them: a count below 0 ends its process, and pixels that lack
are made up. (The places are those of Zeiss's description of the format, ZISRAW 1.2.2.)"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

SEGMENT, SEGMENT_BYTES = struct.Struct("<16sqq"), 32
"""Before each segment: its name, the bytes that it may have, and those that it has."""
DIRECTORY_PLACE = 84
ENTRIES_PLACE = SEGMENT_BYTES + 128
"""In the directory, behind its count."""
ENTRY = struct.Struct("<2siqii6xi")
"""Schema, pixel type, place of the block, part of the file, compression, and count of axes."""
AXIS = struct.Struct("<4siifi")
"""Name, first index, size, coordinate, and stored size."""
HEAD = struct.Struct("<iiq")
"""Of a block: bytes of its metadata, attachment and data."""
MOST_AXES = 40
PIXEL_BYTES = {0: 1, 1: 2, 2: 4, 3: 3, 4: 6}
"""By pixel type: gray of 8 and 16 bits and floats, colors of 8 and 16 bits."""


class Blocks:
    """The directory of a CZI.

    Raises:
        ValueError: it is damaged.

    >>> Blocks(Path(__file__))
    Traceback (most recent call last):
    ValueError: its directory is damaged
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: list[tuple[int, dict[str, int], int]] = []
        """Place of each block, its indices, and the bytes of its pixels; 0: they are compressed."""
        try:
            with path.open("rb") as file:
                file.seek(DIRECTORY_PLACE)
                (start,) = struct.unpack("<q", file.read(8))
                file.seek(start)
                name, _, used = SEGMENT.unpack(file.read(SEGMENT_BYTES))
                if not name.startswith(b"ZISRAWDIRECTORY") or used > path.stat().st_size:
                    raise ValueError
                self._read(file.read(max(0, used)))
        except (struct.error, ValueError, OSError, OverflowError) as error:
            raise ValueError("its directory is damaged") from error

    def _read(self, directory: bytes) -> None:
        (count,) = struct.unpack_from("<i", directory)
        place = ENTRIES_PLACE - SEGMENT_BYTES
        for _ in range(count):
            schema, pixel_type, block, part, compression, axes = ENTRY.unpack_from(directory, place)
            if schema != b"DV" or not 0 <= axes <= MOST_AXES:
                raise ValueError
            place += ENTRY.size
            indices, pixels = {}, 1
            for _ in range(axes):
                name, first, _, _, stored = AXIS.unpack_from(directory, place)
                place += AXIS.size
                indices[name.rstrip(b"\0").decode("latin-1")] = first
                pixels *= stored if name[:1] in b"XY" else 1
            if part == 0:  # else it lies in another file
                needed = pixels * PIXEL_BYTES.get(pixel_type, 0) if compression == 0 else 0
                self._places.append((block, indices, needed))

    def check(self, plane: Mapping[str, int]) -> None:
        """Look at the blocks of a plane. Raises `ValueError` if one is damaged.

        Args:
            plane: axis → index, as pylibCZIrw takes it.
        """
        with self._path.open("rb") as file:
            for place, indices, needed in self._places:
                if all(indices.get(axis, index) == index for axis, index in plane.items()):
                    _check_block(file, place, needed)


def _check_block(file: BinaryIO, place: int, needed: int) -> None:
    try:
        file.seek(place)
        head = file.read(SEGMENT_BYTES + HEAD.size + ENTRY.size)
        name, _, _ = SEGMENT.unpack_from(head)
        metadata, attachment, data = HEAD.unpack_from(head, SEGMENT_BYTES)
        axes = ENTRY.unpack_from(head, SEGMENT_BYTES + HEAD.size)[-1]
    except (struct.error, OSError, ValueError, OverflowError) as error:
        raise ValueError("a block is cut short") from error
    if not name.startswith(b"ZISRAWSUBBLOCK") or min(metadata, attachment, data) < 0 or not 0 <= axes <= MOST_AXES:
        raise ValueError("a block is damaged")
    if data < needed:
        raise ValueError(f"a block has {data} bytes for pixels of {needed}")
