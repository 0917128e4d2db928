"""What a JPEG file does to a picture. Nothing is written to disk."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.errors import UnnoiseError

Array = NDArray[Any]


def jpeg_round_trip(picture: Array, quality: int) -> Array:
    """Compress a picture to JPEG and decode it.

    Below a quality of 90, libvips halves the resolution of color (4:2:0), as cameras do.

    Args:
        picture: (H, W, 3) or (H, W), floats in 0..1.
        quality: 1 to 100.

    Returns:
        The decoded picture in steps of 8 bits, of the same shape, type and range.

    Raises:
        UnnoiseError: pyvips is not installed, or cannot load libvips.

    >>> jpeg_round_trip(np.full((8, 8), 0.4), 90)[0, 0].round(3)
    np.float64(0.4)
    """
    try:
        import pyvips
    except Exception as error:  # with a wrong version of libvips it raises its own kinds of error
        raise UnnoiseError(
            "A camera with JPEG needs pyvips, which does not load here; run: pip install 'pyvips[binary]'."
        ) from error

    pixels = np.ascontiguousarray(np.rint(picture * 255).astype(np.uint8))
    data = pyvips.Image.new_from_array(pixels).jpegsave_buffer(Q=quality)
    decoded: NDArray[np.uint8] = pyvips.Image.new_from_buffer(data, "").numpy()
    compressed: Array = decoded.reshape(picture.shape).astype(picture.dtype) / picture.dtype.type(255)
    return compressed
