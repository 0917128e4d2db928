"""DICOM of medical imaging (extra `dicom`): gray and color, one or many frames, also compressed.

Rescale slope and intercept are applied, and the padding value is missing. Besides the pixels, the result has a new SOP
Instance UID, and says from which image and how it was derived (PS3.3 C.7.6.1 and C.12.1).
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images.damage import damaged
from unnoise.images.picture import Pixels
from unnoise.images.science.base import Copy, ScienceFile, Volume, history
from unnoise.images.science.planes import Planes
from unnoise.images.science.scaled import scaled
from unnoise.registry import require

GRAY = ("MONOCHROME1", "MONOCHROME2")
COLORS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
MOST_WORDS = 1024
"""Characters of a derivation description."""


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """Errors of pydicom and its decoders, of which there are many kinds, as one of ours; no warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UnnoiseError:
        raise
    except Exception as error:
        raise damaged(path, error) from error


def open_file(path: Path, letters: str | None) -> DicomFile:
    """UsageError: pixels that are not supported. UnnoiseError: it is damaged, or pydicom is missing."""
    require("pydicom", "DICOM")
    pydicom: Any = import_module("pydicom")
    with _sentences(path):
        header = pydicom.dcmread(path, defer_size=4096)
        if "PixelData" not in header:
            raise UsageError(f"{path} has no pixels of whole numbers; give a DICOM file with a picture.")
        kind, bits = str(header.PhotometricInterpretation), int(header.BitsAllocated)
        if kind not in (*GRAY, *COLORS) or bits not in (8, 16, 32) or (kind in COLORS and bits != 8):
            raise UsageError(
                f"{path} has pixels of {bits} bits in {kind}, which are not supported; convert them to MONOCHROME2."
            )
        if int(header.HighBit) != int(header.BitsStored) - 1 or not 0 < int(header.BitsStored) <= bits:
            raise UsageError(f"{path} has {header.BitsStored} bits that end at bit {header.HighBit}, which is not supported.")
        return DicomFile(path, header, letters)


class DicomFile(ScienceFile):
    """An open DICOM file, a single volume of its frames."""

    kind = "DICOM"

    def __init__(self, path: Path, header: Any, letters: str | None) -> None:
        self.path, self.header, self.letters = path, header, letters
        self.is_color = str(header.PhotometricInterpretation) in COLORS
        count = int(header.get("NumberOfFrames") or 1)
        size = (int(header.Rows), int(header.Columns), *([3] if self.is_color else []))
        self.shape = (count, *size) if count > 1 else size
        self.dtype = np.dtype(f"{'i' if header.PixelRepresentation else 'u'}{int(header.BitsAllocated) // 8}")
        super().__init__(path, [self.described(Planes(self.shape, self.dtype, self._load, len(size)))])
        if min(self.shape) < 1:
            raise ValueError("its sizes are not positive")

    def _load(self, place: tuple[int, ...]) -> Pixels:
        pixels: Any = import_module("pydicom.pixels")
        with _sentences(self.path):
            made: Pixels = pixels.pixel_array(self.path, index=place[0] if place else 0, raw=not self.is_color)
            if made.shape != self.shape[len(place) :]:
                raise ValueError("its pixels have other sizes than its header says")
        return made

    def described(self, stored: Any) -> Volume:
        """The stored array with the scale that the header states."""
        header, name = self.header, str(self.path)
        outer = "Z" if len(self.shape) > 2 + self.is_color else ""
        if self.is_color:
            return Volume.of(stored, self.letters or f"{outer}YXS", name)
        slope, intercept, padding = (header.get(key) for key in ("RescaleSlope", "RescaleIntercept", "PixelPaddingValue"))
        scale = 1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept)
        blank = padding if isinstance(padding, int) else None
        return Volume.of(scaled(stored, *scale, blank, name=name), self.letters or f"{outer}YX", name)

    def copy(self, target: Path) -> DicomCopy:
        return DicomCopy(self, target)


class DicomCopy(Copy):
    """A copy of a DICOM file, which is written when all frames are there."""

    def __init__(self, source: DicomFile, target: Path) -> None:
        self._source, self._target = source, target
        self._stored = np.zeros(source.shape, source.dtype)
        super().__init__(target, [source.described(self._stored)])

    def finish(self) -> None:
        pydicom: Any = import_module("pydicom")
        with _sentences(self._source.path):
            made = pydicom.dcmread(self._source.path)
            self._put_pixels(made, made.file_meta.TransferSyntaxUID)
            self._say_derived(made, pydicom)
        made.save_as(self._target)

    def _put_pixels(self, made: Any, syntax: Any) -> None:
        bits = int(made.BitsStored)
        signed = self._stored.dtype.kind == "i"
        low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        values = np.clip(self._stored, low, high)
        words = values.view(f"u{values.itemsize}") & np.array((1 << bits) - 1, f"u{values.itemsize}")
        order = "<" if syntax.is_compressed or syntax.is_little_endian else ">"
        kind = words.dtype.newbyteorder(order)
        if self._source.is_color:
            made.PhotometricInterpretation = "RGB"
            made.PlanarConfiguration = made.get("PlanarConfiguration", 0) if not syntax.is_compressed else 0
            words = np.moveaxis(words, -1, -3) if made.PlanarConfiguration else words
        elif not syntax.is_compressed and bits < 8 * values.itemsize:  # bits above those of the picture stay
            before = np.frombuffer(made.PixelData, kind, words.size).reshape(words.shape)
            words = words | (before & ~np.array((1 << bits) - 1, words.dtype))
        content = words.astype(kind).tobytes()
        if syntax.is_compressed:
            made.file_meta.TransferSyntaxUID = import_module("pydicom.uid").ExplicitVRLittleEndian
            made["PixelData"].is_undefined_length = False
        made.PixelData = content + b"\0" * (len(content) % 2)
        made["PixelData"].VR = "OW" if values.itemsize > 1 or syntax.is_implicit_VR else "OB"
        for key, value in (("SmallestImagePixelValue", values.min()), ("LargestImagePixelValue", values.max())):
            if key in made:
                setattr(made, key, int(value))

    def _say_derived(self, made: Any, pydicom: Any) -> None:
        old = str(made.get("SOPInstanceUID", ""))
        digest = hashlib.sha256(made.PixelData).hexdigest()
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
