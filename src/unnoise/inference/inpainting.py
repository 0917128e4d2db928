"""Inpainting: values for pixels that have none, or none that the network should see.

A missing pixel gets the weighted mean of the valid ones around it, by the push-pull pyramid of Gortler et al., "The
lumigraph", SIGGRAPH 1996. Close valid pixels count alone; far from all of them the picture's background is used.

Smooth values alone would mislead the network: it judges the noise from its whole view, and removes less of it where
patches have none. So noise of the level around is added. It depends on the place alone, and no result shows it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from unnoise.array_api import array_namespace
from unnoise.inference.row_blocks import ALIGN_PIXELS
from unnoise.layers.gaussian_blur import gaussian_blur, kernel_radius
from unnoise.photometry.array_ops import clip, upsample_bilinear
from unnoise.photometry.array_windows import block_means, pad_end
from unnoise.rng import PositionalGenerator

LEVELS = 5
"""Halvings of the pyramid; a cell of the coarsest level has the side `ALIGN_PIXELS`."""
EDGE_SIGMA_PIXELS = 1.0
"""Standard deviation of the Gaussian over which valid pixels at the edge of a gap are averaged. With single pixels the
16 columns beside a gap lost 1.0 dB, with these means 0.1."""
MIN_WEIGHT = 0.05
"""Least weight of valid pixels that makes a mean, if that of all is 1."""
NOISE_SEED = 23
"""Seed of the noise that is added."""
REACH_PIXELS = 3 * ALIGN_PIXELS + kernel_radius(EDGE_SIGMA_PIXELS)
"""No pixel further away changes an inpainted value, apart from the background."""


def push_pull(x: Any, valid: Any, background: Any) -> Any:
    """Fill the pixels that are not valid with smooth values.

    Args:
        x: (P, H, W) floats, finite everywhere. Its first row is a multiple of `ALIGN_PIXELS` in the picture.
        valid: (P, H, W) of bool.
        background: (P, h, w), for each square of `ALIGN_PIXELS`, or (P, 1, 1).

    Returns:
        (P, H, W). Valid pixels stay as they are.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 0.0, 3.0]]])
    >>> filled = push_pull(x, np.array([[[True, False, True]]]), np.zeros((1, 1, 1)))
    >>> bool(1 < filled[0, 0, 1] < 3)
    True
    """
    xp = array_namespace(x)
    if bool(xp.all(valid)):
        return x
    height, width = x.shape[-2:]
    below, right = -height % ALIGN_PIXELS, -width % ALIGN_PIXELS
    weight = pad_end(xp.astype(valid, x.dtype), below, right, 0)
    values = pad_end(xp.where(valid, x, 0.0), below, right, 0)
    levels = []
    for _ in range(LEVELS):
        levels.append((values, weight))
        total = block_means(weight, 2, 2)
        values = block_means(values * weight, 2, 2) / clip(total, 1e-12)
        weight = clip(4 * total, None, 1)
    rows, columns = values.shape[-2:]
    filled = values * weight + xp.broadcast_to(background, (len(values), rows, columns)) * (1 - weight)
    for values, weight in reversed(levels):
        coarse = upsample_bilinear(filled[None], 2)[0]
        filled = values * weight + coarse * (1 - weight)
    return xp.where(valid, x, filled[:, :height, :width])


def local_means(x: Any, valid: Any) -> tuple[Any, Any]:
    """The mean of the valid pixels around each pixel, weighted by a Gaussian of `EDGE_SIGMA_PIXELS`.

    Single noisy values at the edge of a gap must not spread into it: the network would see streaks, and keep them.

    Args:
        x: (P, H, W) floats.
        valid: (P, H, W) of bool.

    Returns:
        The means (P, H, W), and where enough valid pixels lie around, of bool.

    >>> import numpy as np
    >>> means, known = local_means(np.array([[[4.0, 0.0, 9.0, 9.0, 9.0, 9.0]]]), np.array([[[True] + [False] * 5]]))
    >>> means[0, 0, :2].tolist(), known[0, 0].tolist()
    ([4.0, 4.0], [True, True, True, False, False, False])
    """
    xp = array_namespace(x)
    weight = gaussian_blur(xp.astype(valid, x.dtype), EDGE_SIGMA_PIXELS)
    means = gaussian_blur(xp.where(valid, x, 0.0), EDGE_SIGMA_PIXELS) / clip(weight, 1e-12)
    return means, weight > MIN_WEIGHT


def noise_at(rows: slice, shape: Sequence[int], sigma: Any) -> Any:
    """White Gaussian noise for rows of a picture.

    Args:
        rows: those of the picture that are wanted.
        shape: (P, rows, W).
        sigma: its standard deviation, (P, rows, W) or less.

    Returns:
        (P, rows, W), the same for a pixel whatever rows are asked for.

    >>> import numpy as np
    >>> whole = noise_at(slice(0, 8), (1, 8, 4), np.ones((1, 1, 1)))
    >>> bool((noise_at(slice(3, 8), (1, 5, 4), np.ones((1, 1, 1))) == whole[:, 3:]).all())
    True
    """
    # The same for each plane, so that neither the order of channels nor the other pages of a stack matter.
    xp = array_namespace(sigma)
    first, second = PositionalGenerator(NOISE_SEED, rows.start).uniform_like((2, *shape[-2:]), sigma)
    normal = xp.sqrt(-2 * xp.log1p(-first)) * xp.cos(2 * math.pi * second)  # Box and Muller
    return xp.broadcast_to(normal * sigma, tuple(shape))
