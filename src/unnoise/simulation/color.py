"""The way between a picture as displayed, in sRGB, and linear light as a camera's sensor sees it, in the sensor's own colours.

Both directions are in the manner of Brooks et al., "Unprocessing Images for Learned Raw Denoising", CVPR 2019, without the tone
curve of that paper.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.photometry.srgb import srgb_decode, srgb_encode

Array = NDArray[Any]

__all__ = ["luma", "srgb_decode", "srgb_encode", "to_display_light", "to_sensor"]
_HIGHLIGHT = 0.9


def to_sensor(linear: Array, gains: Array, matrix: Array) -> Array:
    """Linear sRGB (H, W, 3) in 0..1 to what the sensor sees, (H, W, 3) in 0..1: undo the colour matrix, then the white balance.

    Highlights need care. White divided by a red gain of 2 would be half of what the sensor can hold, and noisy; but the
    white of a photograph is nearly always overexposed, the sensor saturated and hardly noisy. So, as Brooks et al. do, the
    division by the gain g fades out where a pixel's mean lies above 0.9: x becomes (1 − α)·x/g + α·x with
    α = ((mean − 0.9) / 0.1)².
    """
    camera = linear @ np.linalg.inv(matrix).T.astype(linear.dtype)  # (H, W, 3)
    divided = camera / gains.astype(linear.dtype)
    blown = np.clip((camera @ np.full((3, 1), 1 / 3, camera.dtype) - _HIGHLIGHT) / (1 - _HIGHLIGHT), 0, 1) ** 2  # (H, W, 1)
    seen: Array = np.clip(divided + blown * (camera - divided), 0, 1)
    return seen


def to_display_light(camera: Array, matrix: Array) -> Array:
    """White-balanced camera colours (H, W, 3) to linear sRGB in 0..1: the colour matrix, then cutting what no display shows."""
    linear: Array = np.clip(camera @ matrix.T.astype(camera.dtype), 0, 1)
    return linear


def luma(picture: Array) -> Array:
    """The brightness of a displayed picture, (H, W, 3) → (H, W), with the weights of ITU-R BT.601 that JPEG uses too."""
    grey: Array = picture @ np.array([0.299, 0.587, 0.114], picture.dtype)
    return grey
