"""DICOM of medical imaging (extra `dicom`): gray, color and palettes, whole numbers and floats, one or many frames, also
compressed.

Rescale slope and intercept are applied, and the padding value is missing.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images.damage import damaged
from unnoise.images.picture import Pixels
from unnoise.images.pixels import narrowed, stretched
from unnoise.images.science import dicom_writing
from unnoise.images.science.base import Copy, ScienceFile, Volume
from unnoise.images.science.dicom_palette import Palette, without_palette
from unnoise.images.science.planes import Planes
from unnoise.images.science.scaled import scaled
from unnoise.registry import require

GRAY = ("MONOCHROME1", "MONOCHROME2")
COLORS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
PALETTE = "PALETTE COLOR"
FLOATS = {"FloatPixelData": "float32", "DoubleFloatPixelData": "float64"}
"""Elements that hold floats in place of PixelData."""
DEPTHS = {**dict.fromkeys(GRAY, (8, 16, 32)), **dict.fromkeys(COLORS, (8,)), "RGB": (8, 16), PALETTE: (8, 16)}
"""Kinds of pixels → the bits that are allocated for one sample."""
NEEDED = ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation", "BitsStored", "HighBit", "PixelRepresentation")
"""What a header must say of its pixels; of floats the first three alone."""


@contextmanager
def sentences(path: Path) -> Iterator[None]:
    """Errors of pydicom and its decoders, of which there are many kinds, as one of ours; no warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UnnoiseError:
        raise
    except Exception as error:
        raise damaged(path, error) from error


def read_header(path: Path, **options: Any) -> Any:
    """A file as pydicom reads it. Where it does not say how it is encoded, pydicom has found out, and it is said here."""
    pydicom: Any = import_module("pydicom")
    header = pydicom.dcmread(path, force=True, **options)
    if "TransferSyntaxUID" not in header.file_meta:
        implicit, little = header.original_encoding
        big = pydicom.uid.ExplicitVRBigEndian
        header.file_meta.TransferSyntaxUID = (
            (pydicom.uid.ImplicitVRLittleEndian if implicit else pydicom.uid.ExplicitVRLittleEndian) if little else big
        )
    return header


def open_file(path: Path, letters: str | None) -> DicomFile:
    """UsageError: pixels that are not supported. UnnoiseError: it is damaged, or pydicom is missing."""
    require("pydicom", "DICOM")
    with sentences(path):
        header = read_header(path, defer_size=4096)
        element = next((key for key in ("PixelData", *FLOATS) if key in header), None)
        if element is None:
            raise UsageError(f"{path} has no pixels; give a DICOM file with a picture.")
        lacking = [key for key in NEEDED if key not in header and (element == "PixelData" or key in NEEDED[:3])]
        if lacking:
            raise UsageError(f"{path} does not say its {', '.join(lacking)}, without which it is no picture; add them.")
        if element == "PixelData":
            _check_bits(path, header)
        return DicomFile(path, header, letters, element)


def _check_bits(path: Path, header: Any) -> None:
    kind, bits = str(header.PhotometricInterpretation), int(header.BitsAllocated)
    if bits == 1:
        raise UsageError(f"{path} is a mask of one bit, which has no noise; give the picture that it belongs to.")
    if bits not in DEPTHS.get(kind, ()):
        told = "MONOCHROME2 or RGB" if kind not in DEPTHS else f"{' or '.join(map(str, DEPTHS[kind]))} bits"
        raise UsageError(f"{path} has pixels of {bits} bits in {kind}, which are not supported; convert them to {told}.")
    if int(header.HighBit) != int(header.BitsStored) - 1 or not 0 < int(header.BitsStored) <= bits:
        raise UsageError(f"{path} has {header.BitsStored} bits that end at bit {header.HighBit}, which is not supported.")


class DicomFile(ScienceFile):
    """An open DICOM file, a single volume of its frames."""

    kind = "DICOM"

    def __init__(self, path: Path, header: Any, letters: str | None, element: str) -> None:
        self.path, self.header, self.letters, self.element = path, header, letters, element
        photometric = str(header.get("PhotometricInterpretation", ""))
        self.has_samples = photometric in COLORS
        self.palette = Palette.of(header, str(path)) if photometric == PALETTE else None
        self.is_color = self.has_samples or self.palette is not None
        self.bits = int(header.get("BitsStored", 0))
        count = int(header.get("NumberOfFrames") or 1)
        size = (int(header.Rows), int(header.Columns), *([3] if self.is_color else []))
        self.shape = (count, *size) if count > 1 else size
        if min(self.shape) < 1:
            raise ValueError("its sizes are not positive")
        whole = f"{'i' if header.get('PixelRepresentation') else 'u'}{int(header.BitsAllocated) // 8}"
        self.dtype = self.palette.colors.dtype if self.palette else np.dtype(FLOATS.get(element, whole))
        super().__init__(path, [self.described(Planes(self.shape, self.dtype, self._load, len(size)))])

    def _load(self, place: tuple[int, ...]) -> Pixels:
        with sentences(self.path):
            stored = self.stored_frame(place[0] if place else 0)
            made = self.palette.presented(stored) if self.palette else stored
            if made.shape != self.shape[len(place) :]:
                raise ValueError("its pixels have other sizes than its header says")
            return stretched(made, self.bits) if self.has_samples and self.bits < 8 * made.itemsize else made

    def stored_frame(self, index: int) -> Pixels:
        """One frame as it is stored, but YBR as RGB: (H, W) or (H, W, 3)."""
        pixels: Any = import_module("pydicom.pixels")
        raw = not self.has_samples
        try:
            made: Pixels = pixels.pixel_array(self.path, index=index, raw=raw)
        except Exception:  # files that are deflated, or encoded otherwise than they say, are read as a whole alone
            try:
                made = pixels.pixel_array(self._whole, index=index, raw=raw)
            except RuntimeError as error:  # pydicom lists what each of its decoders said
                name = self.header.file_meta.TransferSyntaxUID.name
                raise ValueError(f"no decoder reads its pixels, packed as {name}") from error
        return made

    @cached_property
    def _whole(self) -> Any:
        return read_header(self.path)

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
        with sentences(self._source.path):
            made = read_header(self._source.path)
            self._put(made)
            dicom_writing.say_derived(made, self._source.element)
        try:
            made.save_as(self._target)
        except OSError:  # such as a full disk
            raise
        except Exception as error:  # values that are encoded otherwise than the header says cannot be encoded again
            raise damaged(self._source.path, error) from error

    def _put(self, made: Any) -> None:
        source, values = self._source, self._stored
        if source.palette:
            numbers = self._numbers(source.palette)
            if numbers is not None:
                dicom_writing.put_values(made, "PixelData", numbers)
                return
            without_palette(made)
            bits = 8 * values.itemsize
            made.BitsAllocated, made.BitsStored, made.HighBit = bits, bits, bits - 1
            made.SamplesPerPixel, made.PixelRepresentation = 3, 0
        if source.is_color:
            is_narrow = source.has_samples and source.bits < 8 * values.itemsize
            dicom_writing.put_colors(made, narrowed(values, source.bits) if is_narrow else values)
            return
        dicom_writing.put_values(made, source.element, values)

    def _numbers(self, palette: Palette) -> Pixels | None:
        """The numbers of the colors; None: some are not in the palette."""
        made = []
        for index, frame in enumerate(self._stored.reshape(-1, *self._stored.shape[-3:])):
            numbers = palette.numbers(frame, self._source.stored_frame(index))
            if numbers is None:
                return None
            made.append(numbers)
        return np.stack(made).reshape(self._stored.shape[:-1])
