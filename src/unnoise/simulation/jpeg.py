"""What the way through a JPEG file does to a picture; nothing touches the disk."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.errors import UnnoiseError

Array = NDArray[Any]


def jpeg_round_trip(picture: Array, quality: int) -> Array:
    """The picture after JPEG: (H, W, 3) or (H, W) in 0..1, rounded to 8 bits; the result has the same shape, type and range.

    Below a quality of 90, libvips halves the resolution of colour (4:2:0), as cameras do.

    Raises:
        UnnoiseError: where pyvips is not installed or finds no libvips.
    """
    try:
        import pyvips
    except Exception as error:  # where it does not fit its libvips it raises errors of its own kinds
        raise UnnoiseError(
            "A camera with JPEG needs pyvips, which does not load here; run: pip install 'pyvips[binary]'."
        ) from error

    pixels = np.ascontiguousarray(np.rint(picture * 255).astype(np.uint8))
    data = pyvips.Image.new_from_array(pixels).jpegsave_buffer(Q=quality)
    decoded: NDArray[np.uint8] = pyvips.Image.new_from_buffer(data, "").numpy()
    compressed: Array = decoded.reshape(picture.shape).astype(picture.dtype) / picture.dtype.type(255)
    return compressed
