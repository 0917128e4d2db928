"""Pixels, and PNG files made without libvips."""

from __future__ import annotations

import struct
import zlib

import numpy as np


def random_pixels(dtype: str, channels: int, size: tuple[int, int] = (17, 8)) -> np.ndarray:
    shape = size if channels == 1 else (*size, channels)
    values = np.random.default_rng(channels).random(shape)
    return values.astype(dtype) if dtype.startswith("f") else (values * (np.iinfo(dtype).max + 1)).astype(dtype)


def png(pixels: np.ndarray) -> bytes:
    """A PNG without filters after the specification, so that libvips does not judge itself."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = pixels.shape[:2]
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[pixels.size // (height * width)]
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, colour_type, 0, 0, 0)
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
