"""The resolution of a picture in pixels per millimetre, and its form in TIFF and EXIF."""

from __future__ import annotations

import struct
from fractions import Fraction

from unnoise.images import tags
from unnoise.images.tags import Tags, Value

MILLIMETRES = {2: 25.4, 3: 10.0}
"""Of TIFF's units; 1 means that there is none."""


def resolution_of(said: Tags) -> tuple[float, float] | None:
    """Read the resolution across and down. None: the tags state none."""
    unit = said.get(tags.RESOLUTION_UNIT)
    length = MILLIMETRES.get(int.from_bytes(unit.data, "little") if isinstance(unit, Value) else 2)
    values = []
    for code in (tags.X_RESOLUTION, tags.Y_RESOLUTION):
        value = said.get(code)
        if length is None or not isinstance(value, Value) or value.kind != 5:
            return None
        above, below = struct.unpack("<II", value.data[:8])
        if not above or not below:
            return None
        values.append(above / below / length)
    return values[0], values[1]


def tags_of(resolution: tuple[float, float]) -> Tags:
    """Make tags that state a resolution in pixels per inch."""
    across, down = (Fraction(25.4 * value).limit_denominator(1000) for value in resolution)
    return {
        tags.X_RESOLUTION: tags.rational(*across.as_integer_ratio()),
        tags.Y_RESOLUTION: tags.rational(*down.as_integer_ratio()),
        tags.RESOLUTION_UNIT: tags.short(2),
    }
