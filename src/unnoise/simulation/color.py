"""The way from a displayed picture in sRGB to linear light in a camera sensor's own colors, and back.

Both directions follow Brooks et al., "Unprocessing Images for Learned Raw Denoising", CVPR 2019, without its tone
curve.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.photometry.srgb import srgb_decode, srgb_encode

Array = NDArray[Any]

__all__ = ["luma", "srgb_decode", "srgb_encode", "to_display_light", "to_sensor"]
_HIGHLIGHT = 0.9
"""Mean value above which white balance is no longer undone."""


def to_sensor(linear: Array, gains: Array, matrix: Array) -> Array:
    """Linear sRGB to what the sensor sees: undo the color matrix, then the white balance.

    Highlights need care. White divided by a red gain of 2 would be half of what the sensor can hold, and noisy. But
    white in a photograph is nearly always overexposed: the sensor is saturated and has little noise. So, as in Brooks
    et al., the division by the gain g fades out where a pixel's mean is above 0.9. There x becomes (1 − α)·x/g + α·x
    with α = ((mean − 0.9) / 0.1)².

    Args:
        linear: (H, W, 3) in 0..1.
        gains: (3,), of the white balance.
        matrix: (3, 3), from white-balanced camera colors to linear sRGB.

    Returns:
        (H, W, 3) in 0..1.

    >>> gray = np.full((1, 1, 3), 0.4)
    >>> to_sensor(gray, np.array([2.0, 1.0, 1.6]), np.eye(3)).round(3).tolist()
    [[[0.2, 0.4, 0.25]]]
    """
    camera = linear @ np.linalg.inv(matrix).T.astype(linear.dtype)  # (H, W, 3)
    divided = camera / gains.astype(linear.dtype)
    blown = np.clip((camera @ np.full((3, 1), 1 / 3, camera.dtype) - _HIGHLIGHT) / (1 - _HIGHLIGHT), 0, 1) ** 2  # (H, W, 1)
    seen: Array = np.clip(divided + blown * (camera - divided), 0, 1)
    return seen


def to_display_light(camera: Array, matrix: Array) -> Array:
    """White-balanced camera colors to linear sRGB: apply the color matrix, then clip what no display shows.

    Args:
        camera: (H, W, 3).
        matrix: (3, 3).

    Returns:
        (H, W, 3) in 0..1.

    >>> to_display_light(np.array([[[0.5, 0.2, 1.4]]]), np.eye(3)).tolist()
    [[[0.5, 0.2, 1.0]]]
    """
    linear: Array = np.clip(camera @ matrix.T.astype(camera.dtype), 0, 1)
    return linear


def luma(picture: Array) -> Array:
    """The brightness of a displayed picture, with the weights of ITU-R BT.601, which JPEG also uses: (H, W, 3) → (H,
    W).

    >>> luma(np.array([[[1.0, 0.0, 0.0], [0.5, 0.5, 0.5]]])).round(3).tolist()
    [[0.299, 0.5]]
    """
    grey: Array = picture @ np.array([0.299, 0.587, 0.114], picture.dtype)
    return grey
