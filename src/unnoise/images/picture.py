"""A picture as it lies in a file: its pixels, and what the file says about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

Pixels = npt.NDArray[Any]
"""(H, W) or (H, W, C), C in 1..4 (2: grey and alpha, 4: RGB and alpha): uint8, uint16, or float with black 0 and white 1."""


@dataclass(frozen=True)
class Metadata:
    """What a file says besides its pixels; only `images` itself looks inside, others hand it on."""

    fields: Mapping[str, bytes | str | int | float] = field(default_factory=dict)
    """Under libvips' names: icc-profile-data, exif-data and its decoded exif-*, xmp-data, iptc-data, orientation …"""

    resolution: tuple[float, float] | None = None
    """Horizontal and vertical, in pixels per millimetre; None: unknown."""


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture; `images.read` makes it, `images.write` takes it."""

    pixels: Pixels
    """As stored: an EXIF orientation is neither applied nor removed."""

    metadata: Metadata = field(default_factory=Metadata)

    path: Path | None = None
    """Where it was read from; None: made from an array."""

    def with_pixels(self, pixels: Pixels) -> Picture:
        """The same picture, metadata and path, with other pixels."""
        return replace(self, pixels=pixels)
