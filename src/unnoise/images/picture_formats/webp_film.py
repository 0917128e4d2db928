"""Animated WebP: each frame is encoded as a still picture, and its chunks are put into a film here. Source: RFC 9649."""

from __future__ import annotations

import io
import struct
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from unnoise.images import embedding, vips, webp
from unnoise.images.formats import WEBP
from unnoise.images.picture import Film, Layout, Metadata, Pixels
from unnoise.images.picture_formats import base
from unnoise.images.picture_formats.base import Opened
from unnoise.images.quality_match import Sample, sample_of
from unnoise.images.scratch import Scratch

FILM_FLAG = 0x02
KEEP_NOTHING_BELOW = 0x02
"""The frame takes the place of what was there; it is not laid over it."""
MOST_MILLISECONDS = 2**24 - 1


def open_file(path: Path) -> Opened:
    """vips.DecodingError: it is damaged."""
    data = path.read_bytes()
    film, first_bytes = _described(data)
    frames = vips.pages(path, WEBP)
    if frames != len(film.seconds):
        raise vips.DecodingError(f"it holds {len(film.seconds)} pictures, of which {frames} are found")

    def decode(index: int) -> tuple[Scratch, Layout, Metadata]:
        pixels, layout, metadata = vips.decode(path, WEBP, str(path), index)
        sample = sample_of(pixels, layout, WEBP, first_bytes) if first_bytes and index == 0 else None
        return pixels, layout, replace(metadata, film=film, sample=sample)

    return Opened(frames, decode)


def _described(data: bytes) -> tuple[Film, int]:
    """How frames follow each other, and the bytes of colors of the first one if it is lossy."""
    seconds, loops, first, background = [], 0, 0, bytes(4)
    for kind, content in webp.chunks(data):
        if kind == b"ANIM":
            background, loops = bytes(content[:4]).ljust(4, b"\0"), int.from_bytes(content[4:6], "little")
        elif kind == b"ANMF":
            seconds.append(Fraction(int.from_bytes(content[12:15], "little"), 1000))
            if len(seconds) == 1:
                first = webp.lossy_bytes(bytes(12) + content[16:])
    return Film(tuple(seconds), loops, background), first


class Writer(base.Writer):
    """An animated WebP, frame by frame; all frames have the quality of the first."""

    _added = 0
    _level: int | None = None

    def add(self, pixels: Pixels, layout: Layout, metadata: Metadata) -> None:
        film = metadata.film
        assert film is not None  # see `writing`
        height, width = pixels.shape[:2]
        if not self._added:
            self._level = self._quality(metadata)
            with self.path.open("wb") as file:
                file.write(b"RIFF\0\0\0\0WEBP")
                flags = FILM_FLAG | webp.ICC_FLAG * bool(metadata.icc) | webp.ALPHA_FLAG * bool(layout.alpha)
                flags |= webp.EXIF_FLAG * bool(metadata.exif) | webp.XMP_FLAG * bool(metadata.xmp)
                size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
                file.write(webp.chunk(b"VP8X", bytes([flags, 0, 0, 0]) + size))
                if metadata.icc:
                    file.write(webp.chunk(b"ICCP", metadata.icc))
                file.write(webp.chunk(b"ANIM", film.background + struct.pack("<H", film.loops)))
        with tempfile.TemporaryFile(dir=self.path.parent, prefix=".unnoise-") as bare:
            vips.encode(pixels, layout, Metadata(), WEBP, bare, self._level)
            bare.seek(0)
            data = bare.read()
        wait = min(round(1000 * film.seconds[self._added]), MOST_MILLISECONDS)
        head = bytes(6) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        head += wait.to_bytes(3, "little") + bytes([KEEP_NOTHING_BELOW])
        packed = b"".join(
            webp.chunk(kind, content) for kind, content in webp.chunks(data) if kind in (b"ALPH", b"VP8 ", b"VP8L")
        )
        with self.path.open("ab") as file:
            file.write(webp.chunk(b"ANMF", head + packed))
        self.first = metadata
        self._added += 1

    def _quality(self, metadata: Metadata) -> int | None:
        if self.quality is not None or self.lossless is not None or not isinstance(metadata.sample, Sample):
            return self.quality
        return metadata.sample.quality(_colors_bytes)

    def finish(self) -> None:
        with self.path.open("r+b") as file:
            file.seek(0, io.SEEK_END)
            if self.first.exif:
                file.write(webp.chunk(b"EXIF", self.first.exif))
            if self.first.xmp:
                file.write(webp.chunk(b"XMP ", self.first.xmp))
            size = file.tell() - 8
            file.seek(4)
            file.write(struct.pack("<I", size))


def _colors_bytes(pixels: Pixels, layout: Layout, quality: int) -> int:
    return embedding.encoded_bytes(Metadata(), WEBP, pixels, layout, quality)
