"""Alpha: converts premultiplied colours, as some TIFF files hold them, to straight ones, as all other formats do."""

from __future__ import annotations

import numpy as np

from unnoise.images import tiff
from unnoise.images.picture import Described, Pixels


def is_associated(picture: Described) -> bool:
    """Whether this picture's colours were multiplied by its alpha.

    >>> import numpy as np
    >>> from unnoise.images.picture import Picture
    >>> is_associated(Picture(np.zeros((4, 5, 4), np.uint8)))
    False
    """
    own = picture.metadata.coding
    return picture.layout.alpha == 1 and isinstance(own, tiff.Coding) and 1 in (own.extra or ())


def straight(pixels: Pixels) -> Pixels:
    """Divide colours by alpha, in the same type.

    Integers are rounded to the nearest. Fully transparent pixels become black. No colour goes beyond white.

    Args:
        pixels: (H, W, C), alpha last.
    """
    white = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else 1.0
    values = pixels.astype(np.float64)
    colours, alpha = values[..., :-1], values[..., -1:]
    colours = np.divide(colours * white, alpha, out=np.zeros_like(colours), where=alpha > 0)
    if pixels.dtype.kind == "u":
        colours = np.rint(np.minimum(colours, white))
    else:  # floats may lie beyond white, where the file's own did
        colours = np.minimum(colours, np.maximum(values[..., :-1], white))
    made: Pixels = np.concatenate([colours, values[..., -1:]], axis=-1).astype(pixels.dtype)
    return made
