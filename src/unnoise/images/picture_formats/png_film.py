"""Animated PNG: frames are cut out as single PNGs for libvips, and put on the canvas here. Source: PNG, third edition.

Frames come back as large as the whole, with their times. Chunks of the file stay as those of a still picture do.
"""

from __future__ import annotations

import struct
import tempfile
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from unnoise.images import png, vips
from unnoise.images.formats import PNG
from unnoise.images.picture import Film, Layout, Metadata, Pixels
from unnoise.images.picture_formats import base
from unnoise.images.picture_formats.base import Opened
from unnoise.images.scratch import Scratch

KEEP, CLEAR, PREVIOUS = 0, 1, 2
"""What becomes of a frame's place when its time is over."""
OVER = 1
"""A frame lies over what was there; 0: in its place."""
USUAL_DELAY = 100
"""The denominator where a file has 0: hundredths of a second."""
MOST_DELAY = 65535


@dataclass(frozen=True)
class Frame:
    """A frame's control chunk, and its packed pixels."""

    width: int
    height: int
    left: int
    top: int
    seconds: Fraction
    dispose: int
    blend: int
    packed: list[bytes]


def open_file(path: Path) -> Opened:
    """ValueError: it is damaged, or its frames are not as many as it says."""
    data = path.read_bytes()
    frames, loops, hidden = _frames(data)
    if len(frames) != png.frames(data) or not all(frame.packed for frame in frames):
        raise ValueError(f"it speaks of {png.frames(data)} pictures and holds {len(frames)}")
    composer = _Composer(data, frames, str(path))
    film = Film(tuple(frame.seconds for frame in frames), loops)
    coding = png.coding(data)
    left = ("the picture for programs that show no films",) if hidden else ()

    def decode(index: int) -> tuple[Scratch, Layout, Metadata]:
        pixels, layout, said = composer.frame(index)
        metadata = replace(
            said,
            coding=coding,
            film=film,
            cicp=png.cicp(data),
            left_behind=left,
            resolution=said.resolution or png.resolution(data),
        )
        return Scratch.of(pixels), layout, metadata

    return Opened(len(frames), decode)


def _frames(data: bytes) -> tuple[list[Frame], int, bool]:
    """The frames, how often the film is shown, and whether a picture is not one of them."""
    frames: list[Frame] = []
    loops, hidden = 0, False
    for kind, start, end in png.chunks(data):
        content = data[start + 8 : end - 4]
        if kind == b"acTL":
            loops = int.from_bytes(content[4:8], "big")
        elif kind == b"fcTL":
            width, height, left, top, above, below, dispose, blend = struct.unpack(">4x4I2H2B", content)
            frames.append(Frame(width, height, left, top, Fraction(above, below or USUAL_DELAY), dispose, blend, []))
        elif kind == b"IDAT" and frames:
            frames[-1].packed.append(content)
        elif kind == b"IDAT":
            hidden = True
        elif kind == b"fdAT" and frames:
            frames[-1].packed.append(content[4:])
    return frames, loops, hidden


class _Composer:
    """Draws frames in their order."""

    def __init__(self, data: bytes, frames: list[Frame], name: str) -> None:
        self._frames, self._name = frames, name
        first = next(start for kind, start, _ in png.chunks(data) if kind == b"IDAT")
        self._width, self._height = struct.unpack(">II", data[16:24])
        self._kind = data[24:29]
        self._shared = b"".join(
            data[start:end] for kind, start, end in png.chunks(data)
            if 33 <= start < first and kind not in (b"acTL", b"fcTL")
        )  # fmt: skip
        self._clears = any(frame.dispose != KEEP for frame in frames[:-1]) or any(
            (frame.width, frame.height) != (self._width, self._height) for frame in frames[:1]
        )
        self._next, self._canvas, self._after = 0, None, None  # type: tuple[int, Pixels | None, Pixels | None]

    def frame(self, index: int) -> tuple[Pixels, Layout, Metadata]:
        """The whole canvas while frame `index` is shown."""
        if index < self._next:
            self._next, self._canvas, self._after = 0, None, None
        while self._next <= index:
            pixels, layout, metadata = self._draw(self._frames[self._next])
            self._next += 1
        return pixels.copy(), layout, metadata

    def _draw(self, frame: Frame) -> tuple[Pixels, Layout, Metadata]:
        pixels, layout, metadata = self._decoded(frame)
        if self._clears and not layout.alpha:
            pixels = pixels[..., None] if pixels.ndim == 2 else pixels
            white = np.full((*pixels.shape[:2], 1), np.iinfo(pixels.dtype).max, pixels.dtype)
            pixels, layout = np.concatenate([pixels, white], axis=-1), Layout(layout.colours, 1)
        if self._after is None:
            self._after = np.zeros((self._height, self._width, *pixels.shape[2:]), pixels.dtype)
        before, canvas = self._after, self._after.copy()
        place = slice(frame.top, frame.top + frame.height), slice(frame.left, frame.left + frame.width)
        if canvas[place].shape != pixels.shape:
            raise vips.DecodingError("a frame lies beyond the picture")
        canvas[place] = over(canvas[place], pixels) if frame.blend == OVER and layout.alpha else pixels
        if frame.dispose == KEEP:
            self._after = canvas
        elif frame.dispose == CLEAR or (frame.dispose == PREVIOUS and self._next == 0):
            self._after = canvas.copy()
            self._after[place] = 0
        else:
            self._after = before
        return canvas, layout, metadata

    def _decoded(self, frame: Frame) -> tuple[Pixels, Layout, Metadata]:
        head = png.chunk(b"IHDR", struct.pack(">II", frame.width, frame.height) + self._kind)
        body = b"".join(png.chunk(b"IDAT", part) for part in frame.packed)
        with tempfile.NamedTemporaryFile(prefix=".unnoise-", suffix=".png") as file:
            file.write(png.SIGNATURE + head + self._shared + body + png.chunk(b"IEND", b""))
            file.flush()
            pixels, layout, metadata = vips.decode(Path(file.name), PNG, self._name)
        with pixels:
            return np.array(pixels.array()), layout, metadata


def over(below: Pixels, above: Pixels) -> Pixels:
    """One picture laid over another, both with straight alpha last."""
    white = float(np.iinfo(above.dtype).max)
    upper, lower = above.astype(np.float64) / white, below.astype(np.float64) / white
    a, b = upper[..., -1:], lower[..., -1:] * (1 - upper[..., -1:])
    colors = np.divide(
        upper[..., :-1] * a + lower[..., :-1] * b, a + b, out=np.zeros_like(upper[..., :-1]), where=a + b > 0
    )  # fmt: skip
    made: Pixels = np.rint(np.concatenate([colors, a + b], axis=-1) * white).astype(above.dtype)
    return np.where(above[..., -1:] == np.iinfo(above.dtype).max, above, np.where(above[..., -1:] == 0, below, made))


class Writer(base.Writer):
    """An animated PNG, frame by frame."""

    _added = 0

    def add(self, pixels: Pixels, layout: Layout, metadata: Metadata) -> None:
        film = metadata.film
        assert film is not None  # see `writing`
        with tempfile.TemporaryFile(dir=self.path.parent, prefix=".unnoise-") as bare:
            vips.encode(pixels, layout, Metadata(), PNG, bare)
            bare.seek(0)
            data = bare.read()
        packed = b"".join(data[start + 8 : end - 4] for kind, start, end in png.chunks(data) if kind == b"IDAT")
        number = 2 * self._added - 1
        with self.path.open("ab") as file:
            if not self._added:
                header, _ = png.header(data, metadata)
                file.write(header + png.chunk(b"acTL", struct.pack(">II", len(film.seconds), film.loops)))
            seconds = film.seconds[self._added].limit_denominator(MOST_DELAY)
            if seconds.numerator > MOST_DELAY:
                seconds = Fraction(MOST_DELAY)
            control = struct.pack(
                ">5I2H2B",
                max(0, number),
                pixels.shape[1],
                pixels.shape[0],
                0,
                0,
                seconds.numerator,
                seconds.denominator,
                KEEP,
                0,
            )
            file.write(png.chunk(b"fcTL", control))
            if self._added:
                file.write(png.chunk(b"fdAT", struct.pack(">I", number + 1) + packed))
            else:
                file.write(png.chunk(b"IDAT", packed))
        self._added += 1

    def finish(self) -> None:
        with self.path.open("ab") as file:
            file.write(png.chunk(b"IEND", b""))
