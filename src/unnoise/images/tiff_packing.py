"""Packed samples of more than 8 bits in big-endian TIFFs, which tifffile may take for numbers of another byte order.

TIFF packs samples from the highest bit on in files of either order. tifffile 2026.3 reverses the bytes before it packs
them, and after it unpacks those of more than 16 bits. So it is asked once, with a file of two samples.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np

from unnoise.images.picture import Pixels


def to_pack(samples: Pixels, bits: int, byteorder: str) -> Pixels:
    """Samples as tifffile is to be given them, so that it packs them rightly."""
    return samples.byteswap() if byteorder == ">" and samples.itemsize > 1 and _packs_reversed(bits) else samples


def unpacked(samples: Pixels, bits: int, byteorder: str) -> Pixels:
    """Samples that tifffile unpacked, put right."""
    packed = bits not in (8, 16, 32, 64) and samples.dtype.kind == "u" and samples.itemsize > 1
    return samples.byteswap() if packed and byteorder == ">" and _unpacks_reversed(bits) else samples


@lru_cache
def _packs_reversed(bits: int) -> bool:
    import tifffile

    made = io.BytesIO()
    samples = np.array([[1, 0]], np.uint16 if bits <= 16 else np.uint32)
    tifffile.imwrite(made, samples, photometric="minisblack", bitspersample=bits, byteorder=">", metadata=None)
    made.seek(0)
    with tifffile.TiffFile(made) as file:
        page: Any = file.pages[0]
        made.seek(page.dataoffsets[0])
        return made.read(page.databytecounts[0]) != _packed(bits)


@lru_cache
def _unpacks_reversed(bits: int) -> bool:
    import tifffile

    made = io.BytesIO()
    tifffile.imwrite(made, np.frombuffer(_packed(bits), np.uint8)[None], photometric="minisblack", byteorder=">", metadata=None)
    made.seek(0)
    with tifffile.TiffFile(made) as file:
        page: Any = file.pages[0]
        places = {code: page.tags[code].valueoffset for code in (256, 258)}
    made.seek(places[256])
    made.write((2).to_bytes(page.tags[256].valuebytecount, "big"))
    made.seek(places[258])
    made.write(bits.to_bytes(2, "big"))
    made.seek(0)
    with tifffile.TiffFile(made) as file:
        return int(file.pages[0].asarray().ravel()[0]) != 1


def _packed(bits: int) -> bytes:
    """The samples 1 and 0."""
    return ((1 << bits) << (-2 * bits % 8)).to_bytes(-(-2 * bits // 8), "big")
