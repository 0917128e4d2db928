"""MRC of electron microscopy (extra `mrc`): modes 0, 1, 2, 6 and 12, stacks and stacks of volumes, also packed.

Each section is a picture. The result gets a label, and its statistics where the file had some. All else stays.
"""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.errors import UnnoiseError, UnnoiseWarning, UsageError
from unnoise.images.damage import damaged
from unnoise.images.file_array import FileArray
from unnoise.images.science.base import Copy, ScienceFile, Volume, history, require_bytes
from unnoise.images.science.file_copy import Packed, Unpacked, WritableFileArray, copy_bytes
from unnoise.registry import require

HEADER_BYTES = 1024
LABELS, LABEL_BYTES = 10, 80
MODES = {3: "complex integers", 4: "complex numbers", 101: "integers of 4 bits"}
"""Modes that are no pictures, or that mrcfile does not know."""

IMOD_STAMP = 1146047817
IMOD_FIELDS = slice(40, 48)
"""Of the bytes `extra2`: IMOD's stamp and its flags, of which the first says that bytes are signed."""


def open_file(path: Path, letters: str | None) -> MrcFile:
    """UsageError: a mode that is not supported. UnnoiseError: it is damaged, or mrcfile is missing."""
    mrcfile: Any = require("mrcfile", "MRC")
    whole = Unpacked(path)
    try:
        header = _header_of(whole.path, mrcfile)
        mode = int(header.mode)
        if mode in MODES:
            raise UsageError(f"{path} has {MODES[mode]} (mode {mode}), which are not supported; convert it to mode 2.")
        dtype = mrcfile.utils.data_dtype_from_header(header)
        shape = tuple(int(size) for size in mrcfile.utils.data_shape_from_header(header))
        extended = int(header.nsymbt)
        if min(shape) < 1 or extended < 0:
            raise ValueError("its sizes are not positive")
    except UnnoiseError:
        raise
    except Exception as error:  # mrcfile raises ValueError, and numpy others
        raise damaged(path, error) from error
    if mode == 0 and _is_unsigned(header):
        dtype = np.dtype("u1")
    start = HEADER_BYTES + extended
    require_bytes(path, whole.path, start + math.prod(shape) * dtype.itemsize)
    return MrcFile(path, whole, header, FileArray(whole.path, dtype, start, shape), letters)


def _header_of(path: Path, mrcfile: Any) -> Any:
    """The first header, in its own byte order. mrcfile would take the memory that the second one states, unread: up to
    2 GB for a file of 1 kB. So it gets a header that states none."""
    with path.open("rb") as file:
        raw = file.read(HEADER_BYTES)
    kind, place = mrcfile.dtypes.HEADER_DTYPE.fields["nsymbt"][:2]
    stated = slice(place, place + kind.itemsize)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alone = io.BytesIO(raw[: stated.start] + bytes(kind.itemsize) + raw[stated.stop :])
        header = mrcfile.mrcinterpreter.MrcInterpreter(alone, permissive=True, header_only=True).header.copy()
    header.nsymbt = np.frombuffer(raw[stated], header.nsymbt.dtype)[0]
    return header


def _is_unsigned(header: Any) -> bool:
    """Whether IMOD wrote bytes, which it counts from 0 unless its flags say otherwise."""
    order = header.mode.dtype.byteorder
    stamp, flags = np.frombuffer(header.extra2.tobytes()[IMOD_FIELDS], np.dtype("i4").newbyteorder(order))
    return int(stamp) == IMOD_STAMP and not int(flags) & 1


class MrcFile(ScienceFile):
    """An open MRC file, a single volume."""

    kind = "MRC"

    def __init__(self, path: Path, whole: Unpacked, header: Any, array: FileArray, letters: str | None) -> None:
        self.whole, self.header, self.array, self.letters = whole, header, array, letters
        super().__init__(path, [Volume.of(array, letters, str(path))])

    def copy(self, target: Path) -> MrcCopy:
        return MrcCopy(self, target)


class MrcCopy(Copy):
    """A copy of an MRC file with one more label."""

    def __init__(self, source: MrcFile, target: Path) -> None:
        self._source, self._packed = source, Packed(target)
        with self._packed.path.open("wb") as made:
            copy_bytes(source.whole.path, made)
        old = source.array
        self._array = WritableFileArray(self._packed.path, old.dtype, old.offset, old.shape)
        super().__init__(target, [Volume.of(self._array, source.letters, str(source.path))])

    def finish(self) -> None:
        header = self._source.header.copy()
        count = int(header.nlabl)
        if 0 <= count < LABELS:
            header.label[count] = history().encode("ascii").ljust(LABEL_BYTES)
            header.nlabl = count + 1
        else:
            warnings.warn(
                f"All labels of {self._source.path} are in use, so none says that it was denoised.", UnnoiseWarning, 3
            )
        self._measure(header)
        with self._packed.path.open("r+b") as file:
            file.write(header.tobytes()[:HEADER_BYTES])
        self._packed.finish()

    def _measure(self, header: Any) -> None:
        """The statistics anew, where the header has them (a maximum below the minimum and a negative RMS say that it has
        not)."""
        has_ends, has_mean, has_rms = header.dmax >= header.dmin, header.dmean >= min(header.dmin, header.dmax), header.rms >= 0
        if not (has_ends or has_rms):
            return
        low, high, total, squares, count = math.inf, -math.inf, 0.0, 0.0, 0
        shift = float(header.dmean) if math.isfinite(header.dmean) else 0.0  # or squares of large values lose their digits
        for part in _strips(self._array):
            values = part.astype(np.float64)
            values = values[np.isfinite(values)] - shift
            if values.size:
                low, high = min(low, float(values.min())), max(high, float(values.max()))
            total, squares, count = total + float(values.sum()), squares + float((values**2).sum()), count + values.size
        if not count:
            return
        mean = total / count
        if has_ends:
            header.dmin, header.dmax = low + shift, high + shift
        if has_mean:
            header.dmean = mean + shift
        if has_rms:
            header.rms = math.sqrt(max(0.0, squares / count - mean**2))

    def close(self) -> None:
        self._packed.close()


STRIP_PIXELS = 2**20


def _strips(array: FileArray) -> Any:
    """All values, a few rows at a time."""
    *outer, height, width = array.shape
    step = max(1, STRIP_PIXELS // width)
    for place in np.ndindex(*outer):
        for top in range(0, height, step):
            yield array[(*place, slice(top, top + step), slice(None))]
