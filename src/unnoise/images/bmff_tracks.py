"""Films in AVIF and HEIC files: how many pictures they have. Source: ISO/IEC 14496-12."""

from __future__ import annotations

from unnoise.images.bmff import boxes
from unnoise.images.tags import Data


def frames(data: Data) -> int:
    """Count the pictures of the longest track of a film. 1: the file is no film."""
    return max((int.from_bytes(data[start + 8 : start + 12], "big") for start in _sample_sizes(data)), default=1)


def first_frame_bytes(data: Data) -> int:
    """Count the bytes of the first picture of a film. 0: unknown."""
    for start in _sample_sizes(data):
        each = int.from_bytes(data[start + 4 : start + 8], "big")
        return each or int.from_bytes(data[start + 12 : start + 16], "big")
    return 0


def _sample_sizes(data: Data) -> list[int]:
    """Where the content of each box begins that says how many pictures a track has, and how many bytes each."""
    inside = [(0, len(data))]
    for wanted in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsz"):
        inside = [(start, end) for outer in inside for kind, start, end in boxes(data, *outer) if kind == wanted]
    return [start for start, _ in inside]
