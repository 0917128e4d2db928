"""A picture as a file stores it: pixels, the meaning of the channels, and metadata."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from unnoise.images import tags

Pixels = npt.NDArray[Any]
"""(H, W) or (H, W, C): uint8, uint16, or float with black 0 and white 1."""


@dataclass(frozen=True)
class Layout:
    """The meaning of the channels.

    >>> Layout.of((40, 50, 4))
    Layout(colours='rgb', alpha=1)
    """

    colours: Literal["grey", "rgb", "cmyk", "channels"]
    """`channels`: separate measurements, such as fluorescent dyes. None of them is a colour or alpha."""
    alpha: int = 0
    """How many of the last channels are transparency, which is left as it is; only TIFF has more than one."""

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> Layout:
        """The usual meaning of pixels of this shape: 1 is grey, 3 RGB, with alpha 2 and 4; other counts are mere
        channels."""
        count = shape[2] if len(shape) == 3 else 1
        if count > 4:
            return cls("channels")
        return cls("grey" if count < 3 else "rgb", int(count in (2, 4)))


@dataclass(frozen=True)
class Film:
    """How the pictures of a film follow each other.

    >>> len(Film((Fraction(1, 25), Fraction(1, 25))).seconds)
    2
    """

    seconds: tuple[Fraction, ...]
    """How long each picture is shown."""
    loops: int = 0
    """How often the film is shown; 0: without end."""
    background: bytes = bytes(4)
    """Blue, green, red and alpha of the color that WebP suggests behind the frames."""


@dataclass(frozen=True)
class Metadata:
    """The metadata of a picture file. An empty field is absent.

    Only `images` reads the fields; other code hands them on.

    >>> Metadata(resolution=(300.0, 300.0)).orientation
    1
    """

    exif: bytes = b""
    """The block as cameras write it, from its TIFF header on."""

    xmp: bytes = b""
    icc: bytes = b""

    iptc: bytes = b""
    """Photoshop's image resources (8BIM …), in which JPEG and TIFF keep IPTC."""

    resolution: tuple[float, float] | None = None
    """Horizontal and vertical, in pixels per millimetre; None: unknown."""

    coding: object = None
    """How the file was made, and what only its own format can hold: `jpeg.Coding` and its like. Another format ignores
    it."""

    cicp: tuple[int, int] | None = None
    """Primaries and curve of the colours after ITU-T H.273, such as (9, 16) for BT.2020 and PQ; None: the file does not
    say."""

    left_behind: tuple[str, ...] = ()
    """What else the file holds and no result of it will, by name."""

    nodata: float | None = None
    """The value that stands for missing ones, as the file declares it; None: it declares none."""

    stored: str = ""
    """The type of the values in the file, such as int16, where they are given as floats; empty: they are given as they
    are."""

    description: bytes = field(default=b"", repr=False)
    """What a TIFF says of its pages, in the tag ImageDescription, where the source is none: OME-XML."""

    film: Film | None = None
    """Of the pictures of an animation."""

    sample: object = field(default=None, compare=False, repr=False)
    """A `quality_match.Sample` of a lossy file, which is to be encoded again as well as it was."""

    @property
    def orientation(self) -> int:
        """How the picture is to be turned when it is shown, 1 … 8 after EXIF; 1: as it is."""
        return tags.orientation(self.exif)


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture in memory. `images.read` returns it, and `images.write` takes it.

    >>> Picture(np.zeros((40, 50, 3), np.uint8)).layout
    Layout(colours='rgb', alpha=0)
    """

    pixels: Pixels
    """As stored: an EXIF orientation is neither applied nor removed."""

    metadata: Metadata = field(default_factory=Metadata)

    path: Path | None = None
    """Where it was read from; None: made from an array."""

    stated: Layout | None = None
    """The meaning of the channels that the file states; None: the usual one for their number."""

    @property
    def layout(self) -> Layout:
        return self.stated or Layout.of(self.pixels.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.pixels.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.pixels.dtype

    def with_pixels(self, pixels: Pixels) -> Picture:
        """The same picture, metadata and path, with other pixels."""
        return replace(self, pixels=pixels)


class Described(Protocol):
    """What must be known of a picture to make a file for it: a `Picture` and a `Frame` are such."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def layout(self) -> Layout: ...
    @property
    def metadata(self) -> Metadata: ...
