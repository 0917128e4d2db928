"""Sequences of AVIF: read by imagecodecs, written by Pillow, which takes 8 bits of RGB."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.errors import UsageError
from unnoise.images import bmff, bmff_tracks, tags
from unnoise.images.formats import AVIF
from unnoise.images.picture import Film, Layout, Metadata, Pixels
from unnoise.images.picture_formats import base
from unnoise.images.picture_formats.base import Opened
from unnoise.images.pixels import stretched
from unnoise.images.quality_match import Sample, sample_of
from unnoise.images.scratch import Scratch
from unnoise.images.tags import upright

QUALITY = 95

STAND_IN = 0xFFFE
"""The number of a tag that no program uses, of as many bytes as that of the orientation."""


def open_file(path: Path) -> Opened:
    """Errors of imagecodecs and Pillow: it is damaged."""
    import imagecodecs
    from PIL import Image

    data = path.read_bytes()
    frames, coding = bmff_tracks.frames(data), bmff.coding(data)
    with Image.open(io.BytesIO(data), formats=("AVIF",)) as image:
        said: dict[Any, Any] = dict(image.info)
        if getattr(image, "n_frames", 1) != frames:
            raise ValueError(f"it speaks of {frames} pictures, and others are found")
        seconds = []
        for index in range(frames):
            image.seek(index)
            image.load()
            seconds.append(Fraction(image.info.get("duration", 0) / 1000).limit_denominator(1000))
    exif = bytes(said.get("exif") or b"").removeprefix(b"Exif\0\0")
    metadata = Metadata(
        upright(exif),
        bytes(said.get("xmp") or b""),
        bytes(said.get("icc_profile") or b""),
        coding=coding,
        cicp=coding.cicp,
        film=Film(tuple(seconds), 0),
        left_behind=coding.left_behind,
    )

    whole = np.asarray(imagecodecs.avif_decode(data, numthreads=1))  # (N, H, W[, C]); asked for one picture, it crashes
    if len(whole) != frames:
        raise ValueError(f"it speaks of {frames} pictures and holds {len(whole)}")

    def decode(index: int) -> tuple[Scratch, Layout, Metadata]:
        pixels = whole[index]
        if coding.bits > 8:
            pixels = stretched(pixels.astype(np.uint16), coding.bits)
        if pixels.ndim == 3 and coding.chroma == "400":
            pixels = pixels[..., 0]
        scratch, layout = Scratch.of(np.ascontiguousarray(pixels)), Layout.of(pixels.shape)
        spent = bmff_tracks.first_frame_bytes(data) if index == 0 else 0
        return scratch, layout, replace(metadata, sample=sample_of(scratch, layout, AVIF, spent) if spent else None)

    return Opened(frames, decode)


class Writer(base.Writer):
    """A sequence, which Pillow encodes when all frames are there."""

    def __init__(self, path: Path, name: str, metadata: Metadata, quality: int | None, lossless: bool | None) -> None:
        super().__init__(path, name, metadata, quality, lossless)
        own = metadata.coding if isinstance(metadata.coding, bmff.Coding) else bmff.Coding()
        if own.bits > 8 or own.chroma == "400" or own.cicp:
            what = f"{own.bits} bits" if own.bits > 8 else "gray" if own.chroma == "400" else "colors other than sRGB's"
            raise UsageError(
                f"{name} would be a sequence of AVIF with {what}, which cannot be written here; write .png, .tif or .npy instead."
            )
        self._chroma = own.chroma
        self._frames: list[Any] = []

    def add(self, pixels: Pixels, layout: Layout, metadata: Metadata) -> None:
        from PIL import Image

        if not self._frames and self.quality is None and self.lossless is None and isinstance(metadata.sample, Sample):
            self.quality = metadata.sample.quality(self._bytes) or 100
        self._frames.append(Image.fromarray(np.ascontiguousarray(pixels)).convert("RGBA" if layout.alpha else "RGB"))

    def _bytes(self, pixels: Pixels, layout: Layout, quality: int) -> int:
        from PIL import Image

        made = io.BytesIO()
        Image.fromarray(pixels).convert("RGB").save(made, "AVIF", quality=quality, subsampling=self._subsampling)
        return bmff.picture_bytes(made.getvalue())

    @property
    def _subsampling(self) -> str:
        return ":".join(self._chroma)

    def finish(self) -> None:
        film = self.first.film
        assert film is not None  # see `writing`
        first, *others = self._frames
        options: dict[str, Any] = {
            key: value
            for key, value in {
                "exif": without_orientation(self.first.exif),
                "xmp": self.first.xmp,
                "icc_profile": self.first.icc,
            }.items()
            if value
        }
        with self.path.open("wb") as file:
            first.save(
                file,
                "AVIF",
                save_all=True,
                append_images=others,
                duration=[round(1000 * seconds) for seconds in film.seconds],
                quality=100 if self.lossless else self.quality or QUALITY,
                subsampling="4:4:4" if self.lossless else self._subsampling,
                **options,
            )
        if options.get("exif", b"") != self.first.exif:
            self.path.write_bytes(self.path.read_bytes().replace(options["exif"], self.first.exif, 1))


def without_orientation(exif: bytes) -> bytes:
    """The block with another number for the orientation, for Pillow writes a block that has one anew, without makers' notes."""
    file = tags.File.of(exif)
    if file is None or tags.ORIENTATION not in tags.first(exif):
        return exif
    place = next(file.directories())[0]
    at = place + 2 + 12 * [code for code, _ in file.entries(place)].index(tags.ORIENTATION)
    return exif[:at] + struct.pack(file.order + "H", STAND_IN) + exif[at + 2 :]
