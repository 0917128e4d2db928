"""NIfTI of medical imaging (extra `nifti`): NIfTI-1 and NIfTI-2 in one file or as a pair (.hdr, .img), also packed.

A pair becomes a single file. Pictures are the slices of the two fastest axes. `scl_slope` and `scl_inter` are applied.
The result gets a comment as one more header extension, so its data begin later; other bytes of the header stay.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any, Literal

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images.damage import damaged
from unnoise.images.file_array import FileArray
from unnoise.images.science import pairs
from unnoise.images.science.base import LETTERS, Copy, ScienceFile, Volume, history, require_bytes
from unnoise.images.science.file_copy import Packed, Unpacked, WritableFileArray, copy_bytes
from unnoise.images.science.scaled import scaled
from unnoise.registry import require

PAIRS = {b"ni1\0": b"n+1\0", b"ni2\0": b"n+2\0"}
"""Marks of the headers of pairs → those of single files."""
COLOURS = {128: 3, 2304: 4}
"""Data types whose values are colours of bytes → how many samples they have."""

COMMENT = 6
"""The code of header extensions that are plain text."""

LEAST_STEP_BYTES = 16
"""Extensions are a multiple of this long."""


def open_file(path: Path, letters: str | None) -> NiftiFile:
    """UsageError: a pair of files, or values that are no pixels. UnnoiseError: it is damaged, or nibabel is missing."""
    nibabel: Any = require("nibabel", "NIfTI")
    head = Unpacked(path)
    try:
        with head.path.open("rb") as file:
            start = file.read(348)
            kind = nibabel.Nifti2Header if start[4:8] in (b"n+2\0", b"ni2\0") else nibabel.Nifti1Header
            file.seek(0)
            header = kind.from_fileobj(file, check=False)
        body = head if header["magic"].item().ljust(4, b"\0") not in PAIRS else _values_of(path)
        found = NiftiFile(path, head, body, header, letters)
    except UnnoiseError:
        raise
    except Exception as error:  # nibabel has errors of its own, and lets those of struct and numpy through
        raise damaged(path, error) from error
    require_bytes(body.source, body.path, found.array.offset + math.prod(found.array.shape) * found.array.dtype.itemsize)
    return found


def _values_of(path: Path) -> Unpacked:
    """The other file of a pair. UsageError: it is missing."""
    other = pairs.partner(path, pairs.VALUES)
    if other is None:
        raise UsageError(f"{path} is the header of a NIfTI pair, whose values are missing; put the .img file beside it.")
    return Unpacked(other)


class NiftiFile(ScienceFile):
    """An open NIfTI file, a single volume."""

    kind = "NIfTI"

    def __init__(self, path: Path, head: Unpacked, body: Unpacked, header: Any, letters: str | None) -> None:
        self.path, self.head, self.body, self.header, self.letters = path, head, body, header, letters
        shape = tuple(int(size) for size in header.get_data_shape()[::-1])
        if any(size < 1 for size in shape) or len(shape) < 2:
            raise UsageError(f"{path} has the sizes {shape[::-1]}, which hold no picture; give at least two axes.")
        code = int(header["datatype"])
        self.samples = COLOURS.get(code, 0)
        stored = np.dtype("u1") if self.samples else header.get_data_dtype()
        shape = (*shape, self.samples) if self.samples else shape
        self.array = FileArray(body.path, stored, int(header["vox_offset"]), shape)
        super().__init__(path, [self.described(self.array)])

    def described(self, stored: Any) -> Volume:
        """The stored array with the scale that the header states."""
        if self.samples:
            usual = LETTERS.get(len(stored.shape) - 1)
            return Volume.of(stored, self.letters or (usual and f"{usual}S"), str(self.path))
        slope, intercept = (float(self.header[key]) for key in ("scl_slope", "scl_inter"))
        if not math.isfinite(slope) or slope == 0:  # the format's way to say that there is no scale
            slope, intercept = 1.0, 0.0
        array = scaled(stored, slope, intercept if math.isfinite(intercept) else 0.0, name=str(self.path))
        return Volume.of(array, self.letters, str(self.path))

    def copy(self, target: Path) -> NiftiCopy:
        return NiftiCopy(self, target)


class NiftiCopy(Copy):
    """A copy of a NIfTI file with a comment."""

    def __init__(self, source: NiftiFile, target: Path) -> None:
        if pairs.is_named_as_pair(target):
            raise UsageError(f"{target} would be one half of a NIfTI pair, and these are only read; write .nii or .nii.gz.")
        self._packed = Packed(target)
        old = source.array
        with source.head.path.open("rb") as file:
            before = file.read(old.offset if source.body is source.head else -1)
        header = _with_comment(before, source.header)
        with self._packed.path.open("wb") as made:
            made.write(header)
            copy_bytes(source.body.path, made, old.offset)
        array = WritableFileArray(self._packed.path, old.dtype, len(header), old.shape)
        super().__init__(target, [source.described(array)])

    def finish(self) -> None:
        self._packed.finish()

    def close(self) -> None:
        self._packed.close()


def _with_comment(before: bytes, header: Any) -> bytes:
    """All bytes before the data, with one more extension at their end."""
    order: Literal["<", ">"] = "<" if header.endianness == "<" else ">"
    size = int(header["sizeof_hdr"])
    text = history().encode("ascii")
    length = -(-(8 + len(text)) // LEAST_STEP_BYTES) * LEAST_STEP_BYTES
    extension = struct.pack(f"{order}ii", length, COMMENT) + text.ljust(length - 8, b"\0")
    end = _end_of_extensions(before, size, order)
    made = bytearray(before[:end].ljust(size + 4, b"\0") + extension)
    made[size] = 1  # there are extensions
    mark = 4 if size == 540 else 344
    made[mark : mark + 4] = PAIRS.get(bytes(made[mark : mark + 4]), made[mark : mark + 4])
    made += b"\0" * (-len(made) % LEAST_STEP_BYTES)
    place, kind = (168, "q") if size == 540 else (108, "f")
    struct.pack_into(f"{order}{kind}", made, place, len(made))
    return bytes(made)


def _end_of_extensions(before: bytes, size: int, order: str) -> int:
    """Where the last extension ends; just behind the four bytes that announce them, if there is none."""
    end = size + 4
    if len(before) <= size or not before[size]:
        return end
    while end + 8 <= len(before):
        (length,) = struct.unpack_from(f"{order}i", before, end)
        if length < 8 or end + length > len(before):
            break
        end += length
    return end
