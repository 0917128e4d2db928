"""FITS (extra `fits`): every image HDU is denoised, and every other byte of the file stays.

BZERO, BSCALE and BLANK are applied. Tables and spectra are copied. Each image gets a HISTORY card, and CHECKSUM and
DATASUM are made anew where they were. Compressed images are in `fits_compressed`.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import numpy as np

from unnoise.errors import UsageError
from unnoise.images.damage import damaged
from unnoise.images.file_array import FileArray
from unnoise.images.science import fits_checksum, fits_compressed
from unnoise.images.science.base import Copy, ScienceFile, Volume, history, require_bytes
from unnoise.images.science.file_copy import Packed, Unpacked, WritableFileArray, copy_bytes
from unnoise.images.science.scaled import scaled
from unnoise.registry import require

BLOCK_BYTES = 2880
CARD_BYTES = 80
END = b"END".ljust(CARD_BYTES)
VALUE_END = 30
"""Where comments usually begin in a card."""
DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
"""BITPIX → how values are stored."""

SCALE: tuple[tuple[str, float | None], ...] = (("BSCALE", 1), ("BZERO", 0), ("BLANK", None))
"""Cards that say what stored numbers mean, and what they mean without them."""


@dataclass(frozen=True, eq=False)
class Unit:
    """A header and its data (HDU), by their places in the file."""

    start: int
    data: int
    end: int
    header: Any
    """Of the image, also if that is compressed."""
    shape: tuple[int, ...] = ()
    """Slowest axis first; (): it is no image of rows and columns."""
    compressed: Any = None
    """The CompImageHDU; None: the image is not compressed."""


def open_file(path: Path, letters: str | None) -> FitsFile:
    """UsageError: it has no image. UnnoiseError: it is damaged, or astropy is missing."""
    require("astropy", "FITS")
    fits: Any = import_module("astropy.io.fits")
    whole = Unpacked(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # astropy's words about what its reader mends
            opened = fits.open(whole.path, memmap=True, lazy_load_hdus=False, do_not_scale_image_data=True)
            units = [_unit(hdu, isinstance(hdu, fits.CompImageHDU)) for hdu in opened]
    except Exception as error:  # astropy raises many kinds on damaged headers
        raise damaged(path, error) from error
    images = [unit for unit in units if unit.shape]
    if not images:
        groups = any(isinstance(hdu, fits.GroupsHDU) for hdu in opened)
        opened.close()
        if groups:
            raise UsageError(f"{path} holds random groups, which are not supported; convert it to an image or a cube.")
        raise UsageError(f"{path} has no image in it, only tables, spectra or headers; give a FITS file with an image.")
    for unit in images:
        require_bytes(path, whole.path, unit.end if unit.compressed else unit.data + _nbytes(unit))
    return FitsFile(path, whole, opened, units, letters)


def _unit(hdu: Any, compressed: bool) -> Unit:
    info = hdu.fileinfo()
    shape = tuple(int(size) for size in hdu.shape) if hdu.is_image else ()
    shape = shape if len(shape) > 1 and 0 not in shape else ()
    place = info["hdrLoc"], info["datLoc"], info["datLoc"] + info["datSpan"]
    return Unit(*place, hdu.header, shape, hdu if compressed and shape else None)


def _number(header: Any, key: str, usual: float | None) -> Any:
    value = header.get(key, usual)
    return value if value is None or isinstance(value, int | float) else float("nan")


def _dtype(unit: Unit) -> np.dtype[Any]:
    return np.dtype(DTYPES[unit.header["BITPIX"]])


def _nbytes(unit: Unit) -> int:
    return math.prod(unit.shape) * _dtype(unit).itemsize


class FitsFile(ScienceFile):
    """An open FITS file; each image HDU is a volume."""

    kind = "FITS"

    def __init__(self, path: Path, whole: Unpacked, opened: Any, units: list[Unit], letters: str | None) -> None:
        self.path, self.whole, self.units, self.letters = path, whole, units, letters
        self._opened = opened
        super().__init__(path, [self.described(unit, self._stored(unit)) for unit in units if unit.shape])
        if all(unit.compressed is None for unit in units):
            opened.close()

    def _stored(self, unit: Unit) -> Any:
        if unit.compressed is not None:
            return fits_compressed.stored(unit.compressed, unit.shape)
        return FileArray(self.whole.path, _dtype(unit), unit.data, unit.shape)

    def described(self, unit: Unit, stored: Any) -> Volume:
        """The stored array with the scale that the header states."""
        name = f"{self.path}, HDU {self.units.index(unit)}"
        slope, intercept, blank = (_number(unit.header, key, usual) for key, usual in SCALE)
        array = scaled(stored, slope, intercept, None if blank is None else int(blank), name=name)
        return Volume.of(array, self.letters, name)

    def copy(self, target: Path) -> FitsCopy:
        return FitsCopy(self, target)


class FitsCopy(Copy):
    """A copy of a FITS file with a HISTORY card in each image's header."""

    def __init__(self, source: FitsFile, target: Path) -> None:
        self._source, self._packed = source, Packed(target)
        self._parts: list[tuple[int, int, int] | fits_compressed.NewImage] = []
        volumes = []
        with self._packed.path.open("wb") as made:
            for unit in source.units:
                stored = self._begin(unit, made)
                if stored is not None:
                    volumes.append(source.described(unit, stored))
            last = made.tell()
            copy_bytes(source.whole.path, made, source.units[-1].end)  # what follows the last unit
            self._parts.append((last, made.tell(), made.tell()))
        super().__init__(target, volumes)

    def _begin(self, unit: Unit, made: IO[bytes]) -> Any:
        """Copy a unit; where its pixels are to be written, None for what is no image."""
        path, start = self._source.whole.path, made.tell()
        if unit.compressed is not None:
            image = fits_compressed.NewImage(unit.compressed, unit.shape, self._packed.path.parent)
            self._parts.append(image)
            return image.array
        if not unit.shape:
            copy_bytes(path, made, unit.start, unit.end - unit.start)
            self._parts.append((start, made.tell(), made.tell()))
            return None
        with path.open("rb") as file:
            file.seek(unit.start)
            header = file.read(unit.data - unit.start)
        try:
            made.write(with_history(header))
        except ValueError as error:
            raise damaged(self._source.path, error) from error
        data = made.tell()
        copy_bytes(path, made, unit.data, unit.end - unit.data)
        made.write(b"\0" * (-made.tell() % BLOCK_BYTES))  # the last block of some files is cut short
        self._parts.append((start, data, made.tell()))
        return WritableFileArray(self._packed.path, _dtype(unit), data, unit.shape)

    def finish(self) -> None:
        path = self._packed.path
        with path.open("r+b") as file:
            for part in self._parts:
                if isinstance(part, tuple) and part[1] < part[2]:
                    _sum(file, *part)
        if not all(isinstance(part, tuple) for part in self._parts):
            whole = path.with_name(path.name + ".whole")
            try:
                with whole.open("wb") as made:
                    for part in self._parts:
                        if isinstance(part, tuple):
                            copy_bytes(path, made, part[0], part[2] - part[0])
                        else:
                            self._compress(part, made)
                whole.replace(path)
            finally:
                whole.unlink(missing_ok=True)
        self._packed.finish()

    def _compress(self, image: fits_compressed.NewImage, made: IO[bytes]) -> None:
        try:
            image.append_to(made)
        except OSError:
            raise
        except Exception as error:  # astropy refuses cards that it has read
            raise damaged(self._source.path, error) from error

    def close(self) -> None:
        self._packed.close()
        for part in self._parts:
            if not isinstance(part, tuple):
                part.close()


def with_history(header: bytes) -> bytes:
    """The header with one more card at its end; no other card changes."""
    cards = header
    while cards and not cards.endswith(END):
        cards = cards[:-CARD_BYTES]
    if not cards:
        raise ValueError("a header has no end")
    cards = cards[:-CARD_BYTES]
    cards += b"HISTORY " + history().encode("ascii").ljust(CARD_BYTES - 8) + END
    return cards + b" " * (-len(cards) % BLOCK_BYTES)


def _sum(file: IO[bytes], start: int, data: int, end: int) -> None:
    """Make DATASUM and CHECKSUM anew where a header has them."""
    file.seek(start)
    header = bytearray(file.read(data - start))
    places = {key: _card(header, key) for key in (b"DATASUM ", b"CHECKSUM")}
    if all(place is None for place in places.values()):
        return
    total = fits_checksum.summed(file, data, end - data)
    if (place := places[b"DATASUM "]) is not None:
        _put(header, place, f"'{total}'".encode("ascii"))
    if (place := places[b"CHECKSUM"]) is not None:
        _put(header, place, b"'" + b"0" * 16 + b"'")
        whole = fits_checksum.summed(io.BytesIO(header), 0, len(header), total)
        _put(header, place, b"'" + fits_checksum.encoded(whole) + b"'")
    file.seek(start)
    file.write(header)


def _put(header: bytearray, place: int, value: bytes) -> None:
    """Replace a value of up to 20 characters, and leave the comment where it is usual."""
    comment = bytes(header[place + VALUE_END : place + CARD_BYTES])
    comment = comment if comment.startswith(b" /") else b""
    header[place + len(b"CHECKSUM= ") : place + CARD_BYTES] = (value.ljust(VALUE_END - 10) + comment).ljust(CARD_BYTES - 10)


def _card(header: bytes | bytearray, key: bytes) -> int | None:
    """Where the card of this keyword begins."""
    found = re.search(rb"(?s)\A(?:.{80})*?(?=" + re.escape(key) + b"=)", header)
    return found.end() if found else None
