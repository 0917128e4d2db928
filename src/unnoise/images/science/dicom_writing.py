"""Pixels in copies of DICOM files, and what says that they were derived.

Besides the pixels, the result has a new SOP Instance UID, and says from which image and how it was derived (PS3.3
C.7.6.1 and C.12.1).
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from typing import Any, Literal

import numpy as np

from unnoise.images.picture import Pixels
from unnoise.images.science.base import history

MOST_WORDS = 1024
"""Characters of a derivation description."""


def put_colors(made: Any, values: Pixels) -> None:
    """Put RGB (..., H, W, 3) into a header, in the order that it states, or sample by sample where it was packed."""
    made.PhotometricInterpretation = "RGB"
    packed = made.file_meta.TransferSyntaxUID.is_encapsulated
    made.PlanarConfiguration = 0 if packed else made.get("PlanarConfiguration", 0)
    put_values(made, "PixelData", np.moveaxis(values, -1, -3) if made.PlanarConfiguration else values)


def put_values(made: Any, element: str, values: Pixels) -> None:
    """Put samples, in the order in which the file has them, into an element: PixelData, or one of floats."""
    syntax = made.file_meta.TransferSyntaxUID
    order: Literal["<", ">"] = "<" if syntax.is_encapsulated or syntax.is_little_endian else ">"
    words = _words(made, values, order) if element == "PixelData" else values
    content = words.astype(words.dtype.newbyteorder(order)).tobytes()
    if syntax.is_encapsulated:
        made.file_meta.TransferSyntaxUID = import_module("pydicom.uid").ExplicitVRLittleEndian
        made[element].is_undefined_length = False
    setattr(made, element, content + b"\0" * (len(content) % 2))
    if element != "PixelData":
        return
    made[element].VR = "OW" if values.itemsize > 1 or syntax.is_implicit_VR else "OB"
    for key, value in (("SmallestImagePixelValue", values.min()), ("LargestImagePixelValue", values.max())):
        if key in made:
            setattr(made, key, int(value))


def _words(made: Any, values: Pixels, order: Literal["<", ">"]) -> Pixels:
    """Whole numbers as unsigned words, with the bits above those of the picture as they were."""
    bits = int(made.BitsStored)
    signed = values.dtype.kind == "i"
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    mask = np.array((1 << bits) - 1, f"u{values.itemsize}")
    words: Pixels = np.clip(values, low, high).view(mask.dtype) & mask
    if not made.file_meta.TransferSyntaxUID.is_encapsulated and bits < 8 * values.itemsize and made.SamplesPerPixel == 1:
        before = np.frombuffer(made.PixelData, words.dtype.newbyteorder(order), words.size).reshape(words.shape)
        words = words | (before & ~mask)
    return words


def say_derived(made: Any, element: str) -> None:
    """Give a header a new name, and say from which image and how it was derived."""
    pydicom: Any = import_module("pydicom")
    old = str(made.get("SOPInstanceUID", ""))
    digest = hashlib.sha256(made[element].value).hexdigest()
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
    made.SourceImageSequence = pydicom.Sequence([*(made.get("SourceImageSequence") or ()), item])
