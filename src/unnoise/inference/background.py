"""The background of a measurement and its noise, in squares of 32 pixels.

Each square is described by three numbers: its background, the spread of the smoothed values below it, and the noise of
single pixels. Values far above the background are clipped off again and again before, as SExtractor does (Bertin and
Arnouts, "SExtractor: Software for source extraction", 1996). So stars, beads and cells change none of the three, up to
about a third of a square.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from unnoise.array_api import array_namespace
from unnoise.inference.row_blocks import ALIGN_PIXELS
from unnoise.layers.gaussian_blur import gaussian_blur
from unnoise.photometry.array_ops import clip, concat, median, take_along_last, upsample_bilinear
from unnoise.photometry.array_windows import extend_edges, median_along, near_means, pad_end

CELL_PIXELS = ALIGN_PIXELS
"""Side of a square."""
SMOOTHING_PIXELS = 1.0
"""Standard deviation of the Gaussian by which values are smoothed."""
SMOOTHED_NOISE_SHARE = 0.2821
"""Standard deviation of white noise after smoothing, as a share of that before."""
DETAIL_NOISE_SHARE = 0.872
"""The same for what smoothing takes away."""
CLIP_SPREADS = 2.5
"""Values further above the median are clipped off, in spreads."""
CLIP_ROUNDS = 5
"""How often."""
MIN_VALID_PIXELS = 64
"""A square with fewer valid pixels is described by its neighbors."""


@dataclass(frozen=True)
class Background:
    """What describes each square of `CELL_PIXELS`, (P, h, w) each."""

    level: Any
    """The median of the smoothed values that are no bright structure."""
    spread: Any
    """How far these lie below it: the distance that noise, or texture, gives to one standard deviation."""
    noise: Any
    """Standard deviation of the noise of single pixels."""

    @classmethod
    def measure(cls, x: Any, valid: Any) -> Background:
        """Describe rows of a picture.

        Args:
            x: (P, H, W); its first row is a multiple of `CELL_PIXELS` in the picture.
            valid: (P, H, W) of bool: which pixels count.

        >>> import torch
        >>> x = 5 + torch.randn(1, 64, 64, generator=torch.Generator().manual_seed(0))
        >>> found = Background.measure(x, torch.ones(1, 64, 64, dtype=torch.bool))
        >>> bool((found.level - 5).abs().max() < 0.1), bool((found.noise - 1).abs().max() < 0.15)
        (True, True)
        """
        xp = array_namespace(x)
        smooth = gaussian_blur(x, SMOOTHING_PIXELS)
        cells = sorted_cells(smooth, valid)
        count = valid_count = xp.isfinite(cells).sum(-1)
        for _ in range(CLIP_ROUNDS):
            level, low = nth_value(cells, 0.5 * count), nth_value(cells, 0.159 * count)
            limit = level + CLIP_SPREADS * (level - low)
            count = clip((cells < limit[..., None]).sum(-1), 1)
        level, low = nth_value(cells, 0.5 * count), nth_value(cells, 0.159 * count)
        detail = sorted_cells(xp.abs(x - smooth), valid)
        noise = nth_value(detail, 0.5 * valid_count) * (1.4826 / DETAIL_NOISE_SHARE)
        known = valid_count >= MIN_VALID_PIXELS
        return cls(*(xp.where(known, part, math.nan) for part in (level, level - low, noise)))

    @classmethod
    def join(cls, parts: list[Background]) -> Background:
        """Blocks of rows from top to bottom as one, filled where nothing was known, and smoothed by a median of 3×3."""
        joined = (concat([getattr(part, name) for part in parts], axis=-2) for name in ("level", "spread", "noise"))
        return cls(*(_median_of_nine(_known_everywhere(each)) for each in joined))

    def at(self, rows: slice, width: int) -> tuple[Any, Any, Any]:
        """Level, spread and noise of each pixel of these rows, in straight lines between the middles of squares.

        Args:
            rows: of the picture; the first is a multiple of `CELL_PIXELS`.
            width: of the picture.

        Returns:
            (P, rows, width) each.
        """
        first, last = rows.start // CELL_PIXELS, -(-rows.stop // CELL_PIXELS)
        above, below = max(first - 1, 0), min(last + 1, self.level.shape[-2])
        top = (first - above) * CELL_PIXELS
        stacked = array_namespace(self.level).stack([part[:, above:below] for part in (self.level, self.spread, self.noise)])
        fine = upsample_bilinear(stacked, CELL_PIXELS)
        level, spread, noise = fine[:, :, top : top + rows.stop - rows.start, :width]
        return level, spread, noise

    def cells(self, rows: slice) -> Any:
        """The levels of the squares that these rows touch, (P, h, w)."""
        return self.level[:, rows.start // CELL_PIXELS : -(-rows.stop // CELL_PIXELS)]


def sorted_cells(x: Any, valid: Any) -> Any:
    """The valid values of each square in rising order, (P, h, w, CELL²); infinity stands for the others.

    >>> import numpy as np
    >>> sorted_cells(np.array([[[3.0, 1.0]]]), np.array([[[True, False]]]))[0, 0, 0, :2]
    array([ 3., inf])
    """
    height, width = x.shape[-2:]
    xp = array_namespace(x)
    x = pad_end(xp.where(valid, x, math.inf), -height % CELL_PIXELS, -width % CELL_PIXELS, math.inf)
    rows, columns = (length // CELL_PIXELS for length in x.shape[-2:])
    cells = xp.reshape(x, (len(x), rows, CELL_PIXELS, columns, CELL_PIXELS))
    cells = xp.permute_dims(cells, (0, 1, 3, 2, 4))  # (P, h, w, CELL, CELL)
    return xp.sort(xp.reshape(cells, (len(x), rows, columns, -1)), axis=-1)


def nth_value(cells: Any, place: Any) -> Any:
    """The value at a place of each square's order, (P, h, w).

    >>> import numpy as np
    >>> nth_value(np.array([[[[1.0, 3.0, 4.0]]]]), np.array([[[1.5]]]))
    array([[[3.]]])
    """
    xp = array_namespace(cells)
    index = clip(xp.astype(place, xp.int64), 0, cells.shape[-1] - 1)
    return take_along_last(cells, index[..., None])[..., 0]


def _known_everywhere(mesh: Any) -> Any:
    """Squares that are not known get the mean of their known neighbors, and so on outwards; 0 where none is."""
    xp = array_namespace(mesh)
    while bool(xp.any(unknown := xp.isnan(mesh))):
        if bool(xp.all(unknown)):
            return xp.zeros_like(mesh)
        known = xp.astype(~unknown, mesh.dtype)
        total, count = (near_means(part, 3) for part in (xp.where(unknown, 0.0, mesh), known))
        # A plane without any value takes that of the others.
        spare = median(mesh[~unknown])
        found = xp.where(count > 0, total / clip(count, 1e-6), math.nan)
        lost = xp.all(unknown, axis=(1, 2), keepdims=True)
        mesh = xp.where(lost, spare, xp.where(unknown, found, mesh))
    return mesh


def _median_of_nine(mesh: Any) -> Any:
    around = extend_edges(mesh, (1, 1), (1, 1))
    rows, columns = mesh.shape[-2:]
    nine = [around[:, down : down + rows, right : right + columns] for down in range(3) for right in range(3)]
    return median_along(array_namespace(mesh).stack(nine), 0)
