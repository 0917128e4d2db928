"""Compressed images of FITS (tiles), as the numbers that are stored before BSCALE and BZERO.

Integers come back in the same compression. Floats that were quantized would be quantized again, each time with a small
loss, so they come back in GZIP_2, which loses nothing.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import numpy as np

from unnoise.images.science.base import history
from unnoise.images.science.file_copy import WritableFileArray, copy_bytes
from unnoise.images.science.planes import Planes
from unnoise.images.scratch import Scratch

TYPES = {8: "u1", 16: "i2", 32: "i4", 64: "i8", -32: "f4", -64: "f8"}
BAND_PIXELS = 2**22
"""Decoded at a time."""


def stored(hdu: Any, shape: tuple[int, ...]) -> Planes:
    """The image of a CompImageHDU that was opened with `do_not_scale_image_data`."""
    dtype = np.dtype(TYPES[hdu.header["BITPIX"]])
    tile_rows = max(1, int(hdu.tile_shape[-2]))
    step = max(1, BAND_PIXELS // (shape[-1] * tile_rows)) * tile_rows

    def load(place: tuple[int, ...]) -> Scratch:
        plane = Scratch(shape[-2:], dtype)
        for top in range(0, shape[-2], step):
            rows = slice(top, min(top + step, shape[-2]))
            plane[rows] = np.asarray(hdu.section[(*place, rows, slice(0, shape[-1]))])
        return plane

    return Planes(shape, dtype, load)


class NewImage:
    """Pixels of a compressed image in the making, in a temporary file of `folder`."""

    def __init__(self, hdu: Any, shape: tuple[int, ...], folder: Path) -> None:
        self._hdu = hdu
        dtype = np.dtype(TYPES[hdu.header["BITPIX"]])
        descriptor, name = tempfile.mkstemp(prefix=".unnoise-", dir=folder)
        os.ftruncate(descriptor, int(np.prod(shape, dtype=np.int64)) * dtype.itemsize)
        os.close(descriptor)
        self.array = WritableFileArray(Path(name), dtype, 0, shape)

    def append_to(self, made: IO[bytes]) -> None:
        """Compress, and append the HDU."""
        fits: Any = import_module("astropy.io.fits")
        old, header = self._hdu, self._hdu.header.copy()
        pixels = np.memmap(self.array.path, self.array.dtype, "r", shape=self.array.shape)
        floats = self.array.dtype.kind == "f"
        new = fits.CompImageHDU(
            pixels,
            header,
            compression_type="GZIP_2" if floats else old.compression_type,
            tile_shape=tuple(int(size) for size in old.tile_shape),
            hcomp_scale=0,
            quantize_level=0 if floats else None,
            do_not_scale_image_data=True,
        )
        for key in ("BSCALE", "BZERO"):  # which it takes for a scale of its own
            if key in header and key not in new.header:
                new.header.set(key, header[key], header.comments[key])
        if "EXTNAME" not in header:
            new.header.remove("EXTNAME", ignore_missing=True)
        new.header.add_history(history())
        path = self.array.path.with_name(self.array.path.name + ".fits")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # its words about cards that were in the header before
                fits.HDUList([fits.PrimaryHDU(), new]).writeto(path, checksum=self.has_checksum)
            with fits.open(path, disable_image_compression=True) as file:
                info = file[1].fileinfo()
            copy_bytes(path, made, info["hdrLoc"], info["datLoc"] + info["datSpan"] - info["hdrLoc"])
        finally:
            path.unlink(missing_ok=True)

    @property
    def has_checksum(self) -> bool:
        """Whether the image had a checksum."""
        return bool({"ZHECKSUM", "CHECKSUM", "ZDATASUM", "DATASUM"} & set(self._hdu._bintable.header))

    def close(self) -> None:
        self.array.path.unlink(missing_ok=True)
