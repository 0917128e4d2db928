"""Copies of DICOM files with other pixels.

Besides the pixels, the result has a new SOP Instance UID, and says from which image and how it was derived (PS3.3
C.7.6.1 and C.12.1).
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np

from unnoise.images.damage import damaged
from unnoise.images.picture import Pixels
from unnoise.images.pixels import narrowed
from unnoise.images.science.base import Copy, history
from unnoise.images.science.dicom import DicomFile, read_header, sentences
from unnoise.images.science.dicom_palette import without_palette

MOST_WORDS = 1024
"""Characters of a derivation description."""


class DicomCopy(Copy):
    """A copy of a DICOM file, which is written when all frames are there."""

    def __init__(self, source: DicomFile, target: Path) -> None:
        self._source, self._target = source, target
        self._stored = np.zeros(source.shape, source.dtype)
        super().__init__(target, [source.described(self._stored)])

    def finish(self) -> None:
        pydicom: Any = import_module("pydicom")
        with sentences(self._source.path):
            made = read_header(self._source.path)
            syntax = made.file_meta.TransferSyntaxUID
            values = self._put_palette(made)
            if values is None:
                self._put_pixels(made, syntax)
            else:
                self._put_words(made, syntax, values)
            self._say_derived(made, pydicom)
        try:
            made.save_as(self._target)
        except OSError:  # such as a full disk
            raise
        except Exception as error:  # values that are encoded otherwise than the header says cannot be encoded again
            raise damaged(self._source.path, error) from error

    def _put_palette(self, made: Any) -> Pixels | None:
        """The numbers of the colors, if all of them are in the source's palette; None: it has none, or the result is RGB."""
        palette = self._source.palette
        if palette is None:
            return None
        frames = self._stored.reshape(-1, *self._stored.shape[-3:])
        numbers = [palette.numbers(frame, self._source.stored_frame(index)) for index, frame in enumerate(frames)]
        found = [each for each in numbers if each is not None]
        if len(found) == len(numbers):
            return np.stack(found).reshape(self._stored.shape[:-1])
        without_palette(made)
        bits = 8 * self._stored.itemsize
        made.BitsAllocated, made.BitsStored, made.HighBit = bits, bits, bits - 1
        made.SamplesPerPixel, made.PixelRepresentation = 3, 0
        return None

    def _put_pixels(self, made: Any, syntax: Any) -> None:
        values = self._stored
        if not self._source.is_color:
            self._put_words(made, syntax, values)
            return
        if self._source.has_samples and self._source.bits < 8 * values.itemsize:
            values = narrowed(values, self._source.bits)
        made.PhotometricInterpretation = "RGB"
        made.PlanarConfiguration = made.get("PlanarConfiguration", 0) if not syntax.is_compressed else 0
        self._put_words(made, syntax, np.moveaxis(values, -1, -3) if made.PlanarConfiguration else values)

    def _put_words(self, made: Any, syntax: Any, values: Pixels) -> None:
        """The samples in the order in which the file has them."""
        order: Literal["<", ">"] = "<" if syntax.is_compressed or syntax.is_little_endian else ">"
        element = self._source.element
        kind = values.dtype.newbyteorder(order)
        if element == "PixelData":
            values = _words(made, syntax, values, order)
            kind = values.dtype.newbyteorder(order)
        content = values.astype(kind).tobytes()
        if syntax.is_encapsulated:
            made.file_meta.TransferSyntaxUID = import_module("pydicom.uid").ExplicitVRLittleEndian
            made[element].is_undefined_length = False
        setattr(made, element, content + b"\0" * (len(content) % 2))
        if element != "PixelData":
            return
        made[element].VR = "OW" if values.itemsize > 1 or syntax.is_implicit_VR else "OB"
        least = self._stored if not self._source.palette else values
        for key, value in (("SmallestImagePixelValue", least.min()), ("LargestImagePixelValue", least.max())):
            if key in made:
                setattr(made, key, int(value))

    def _say_derived(self, made: Any, pydicom: Any) -> None:
        old = str(made.get("SOPInstanceUID", ""))
        digest = hashlib.sha256(made[self._source.element].value).hexdigest()
        made.SOPInstanceUID = pydicom.uid.generate_uid(entropy_srcs=[old, digest])  # equal results have equal names
        if "MediaStorageSOPInstanceUID" in made.file_meta:
            made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
        if made.get("ImageType"):
            kinds = [made.ImageType] if isinstance(made.ImageType, str) else made.ImageType
            made.ImageType = ["DERIVED", *list(kinds)[1:]]
        said = str(made.get("DerivationDescription") or "")
        made.DerivationDescription = f"{said}; {history()}"[-MOST_WORDS:] if said else history()
        item = pydicom.Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = made.get("SOPClassUID", ""), old
        made.SourceImageSequence = pydicom.Sequence([item])


def _words(made: Any, syntax: Any, values: Pixels, order: Literal["<", ">"]) -> Pixels:
    """Whole numbers as unsigned words, with the bits above those of the picture as they were."""
    bits = int(made.BitsStored)
    signed = values.dtype.kind == "i"
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    mask = np.array((1 << bits) - 1, f"u{values.itemsize}")
    words: Pixels = np.clip(values, low, high).view(mask.dtype) & mask
    if not syntax.is_encapsulated and bits < 8 * values.itemsize and made.SamplesPerPixel == 1:
        before = np.frombuffer(made.PixelData, words.dtype.newbyteorder(order), words.size).reshape(words.shape)
        words = words | (before & ~mask)
    return words
