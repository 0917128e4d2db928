"""Sizes that a file states, compared with the bytes that it has, before a decoder takes memory for them."""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from pathlib import Path

from unnoise.files.limits import DEFLATE_RATIO, HUFFMAN_JPEG_RATIO, PIXELS
from unnoise.files.memory import check_memory
from unnoise.images import bmff, jpeg, webp
from unnoise.images.formats import AVIF, HEIC, JPEG, PNG, WEBP, Format
from unnoise.images.tags import Data

HEADER_BYTES = 4096
"""Allowed beyond the ratio, so that files of few pixels need no exact count."""
PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples of a pixel by PNG's color type."""
WHOLE_BYTES = {AVIF: (20, 27), HEIC: (10, 19), WEBP: (11, 11)}
"""Memory for each pixel of formats that are decoded in one piece, of 8 bits and of more. Measured with 9 megapixels of
RGB: 19.4 and 26.3, 9.3 and 18.3, 10.8 bytes."""
TIFF_RATIOS = {5: 2559, 8: DEFLATE_RATIO, 32946: DEFLATE_RATIO, 32773: 64}
"""Bytes that one byte can become, by TIFF's number of the compression: LZW (a code of 12 bits stands for 3838 bytes at most),
Deflate (two numbers) and PackBits."""
HUFFMAN_FRAMES = (0xC0, 0xC1, 0xC2)
"""Markers of JPEGs with Huffman codes. Arithmetic codes may take less than a bit for a block."""


def check_claim(path: Path, form: Format) -> None:
    """Check that a PNG or JPEG has enough bytes for the pixels that it states, and that memory is there for a format
    that is decoded in one piece. Other formats pass.

    Raises:
        ValueError: it has too few bytes. No encoder makes so few.
        UnnoiseError: it states more pixels than `limits.PIXELS`, or than memory has room for.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     png = Path(folder) / "a.png"
    ...     _ = png.write_bytes(b"\\x89PNG\\r\\n\\x1a\\n" + b"\\0\\0\\0\\rIHDR" + bytes([0, 0, 99, 0] * 2) + b"\\x08\\0")
    ...     check_claim(png, PNG)
    Traceback (most recent call last):
    ValueError: it states 25344 × 25344 pixels, which its 26 bytes cannot hold
    """
    if form not in (PNG, JPEG, *WHOLE_BYTES):
        return
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if form in WHOLE_BYTES:
            width, height, is_deep = _webp(data) if form is WEBP else bmff.largest_picture(data)
            most = width * height
        else:
            width, height, most = (_png if form is PNG else _jpeg)(data)
        size = len(data)
    PIXELS.check(width * height, str(path))
    if form in WHOLE_BYTES:
        check_memory(
            width * height * WHOLE_BYTES[form][is_deep], str(path), "save it as a PNG or TIFF, which is read in strips"
        )
    if width * height > most:
        raise ValueError(f"it states {width} × {height} pixels, which its {size} bytes cannot hold")


def check_packed(bits: int, compression: int, counts: Sequence[int]) -> None:
    """Check that the strips or tiles of a TIFF's page have enough bytes for its samples. Raises `ValueError`.

    Args:
        bits: of all samples of the page.
        compression: TIFF's number of it. Others than those of `TIFF_RATIOS` pass.
        counts: bytes of each strip or tile. Where some have none (a sparse file), or it is empty, the page passes.

    >>> check_packed(8 * 10**9, 8, [300, 300])
    Traceback (most recent call last):
    ValueError: it states 1000000000 bytes of pixels, which 600 bytes cannot hold
    """
    most = (sum(counts) + HEADER_BYTES) * TIFF_RATIOS.get(compression, 0)
    if most and counts and all(counts) and bits > 8 * most:
        raise ValueError(f"it states {bits // 8} bytes of pixels, which {sum(counts)} bytes cannot hold")


def _png(data: Data) -> tuple[int, int, int]:
    """Width, height, and how many pixels the bytes can hold."""
    header = bytes(data[16:26])
    if len(header) < 10:
        return 0, 0, 0
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    bits = header[8] * PNG_SAMPLES.get(header[9], 1)
    return width, height, (len(data) + HEADER_BYTES) * DEFLATE_RATIO * 8 // max(1, bits)


def _jpeg(data: Data) -> tuple[int, int, int]:
    """Width, height, and how many pixels the bytes can hold."""
    for marker, content in jpeg.segments(data):
        if marker in HUFFMAN_FRAMES and len(content) > 5:
            height, width = int.from_bytes(content[1:3], "big"), int.from_bytes(content[3:5], "big")
            return width, height, (len(data) + HEADER_BYTES) * HUFFMAN_JPEG_RATIO
    return 0, 0, 0


def _webp(data: Data) -> tuple[int, int, bool]:
    """Width and height of the largest picture that is stated, and False: no WebP has more than 8 bits. (RFC 9649, 2.5 to
    2.7.)"""
    sizes = [(0, 0)]
    for kind, content in webp.chunks(data):
        if kind == b"VP8X":
            sizes.append((int.from_bytes(content[4:7], "little") + 1, int.from_bytes(content[7:10], "little") + 1))
        elif kind == b"VP8L":
            both = int.from_bytes(content[1:5], "little")
            sizes.append(((both & 0x3FFF) + 1, (both >> 14 & 0x3FFF) + 1))
        elif kind == b"VP8 ":
            sizes.append((int.from_bytes(content[6:8], "little") & 0x3FFF, int.from_bytes(content[8:10], "little") & 0x3FFF))
    return (*max(sizes, key=math.prod), False)
