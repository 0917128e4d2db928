"""Pictures and parts of pictures that never had noise: masks, labels, palettes, dither, line art and screenshots.

A network takes their edges and dots for noise. They are known by their values, which noise would have scattered: there
are few of them, or neighbours are exactly equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from array_api_compat import device
from numpy.typing import NDArray

from unnoise.array_api import array_namespace
from unnoise.noise.photon_counts import are_photon_counts
from unnoise.photometry.array_ops import average_pool, pad_zeros, to_numpy
from unnoise.photometry.array_windows import dilate_mask, repeat_each
from unnoise.regions import RegionSource

Array = NDArray[Any]

COLOURS = 256
"""Most colours of a palette."""
SHADES = 16
"""Most values of dithered grey."""
APART_STEPS = 4
"""Their least distance, in steps of the type. Counts of photons are whole numbers that follow each other."""
PIXELS = 16
"""Times as many pixels as values, at least: in a small picture few values are chance."""
EQUAL = 0.9
"""Share of pairs of neighbours that are equal in label images."""
FIRST = 2**14
"""Pixels that rule out nearly all photographs."""
STRIP_PIXELS = 2**20
"""Pixels that are read at a time, about."""
WHOLE_PIXELS = 2**17
"""Pictures with no more pixels are looked at as a whole."""
CELL = 8
"""Side in pixels of the cells that hold noise or none."""
EXACT = 0.6
"""Share of pairs of neighbours, along rows or along columns, that are equal in a cell without noise."""


def synthetic_kind(view: RegionSource, step: float | None, *, counts: bool = False) -> str | None:
    """What kind of picture this is, as a phrase to follow "it has"; None: its noise may be measured.

    Where neighbours are equal there is no noise. Else a palette may hold a noisy photograph, or dither, which is made
    to look like noise.

    Args:
        view: of the picture, (1, C, H, W).
        step: between values of the picture's type, 1/255 for 8 bits; None for floats.
        counts: whether it may hold counts of photons, which few photons make few values too.

    >>> import torch
    >>> mask = (torch.arange(64)[:, None] > torch.arange(64)).float().expand(1, 1, -1, -1)
    >>> synthetic_kind(RegionSource.of(mask), 1 / 255)
    'only two values, and no noise to remove'
    """
    height, width = view.size
    rows = min(height, max(2, FIRST // width))
    top = (height - rows) // 2
    first = _codes(view.read(slice(top, top + rows), slice(0, width)))
    if len(np.unique(first)) > COLOURS:
        return None
    values: Array = np.empty(0)
    equal = pairs = 0
    grey = True
    rows = max(1, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        strip = view.read(slice(top, min(top + rows, height)), slice(0, width))
        grey = grey and channels_equal(strip)
        codes = _codes(strip)
        values = np.union1d(values, codes)
        if len(values) > COLOURS:
            return None
        for one, other in ((codes[1:], codes[:-1]), (codes[:, 1:], codes[:, :-1])):
            equal, pairs = equal + int((one == other).sum()), pairs + one.size
    count = len(values)
    if count == 1 or height * width < PIXELS * count or (counts and grey and are_photon_counts(view, values)):
        return None
    in_areas = bool(pairs) and equal > EQUAL * pairs
    told = "and no noise to remove" if in_areas else "among which noise cannot be told from dither"
    if count == 2:
        return f"only two values, {told}"
    if not grey:
        return f"only {count} colours, {'in areas of one colour each, ' if in_areas else ''}{told}"
    if in_areas:
        return f"only {count} values, in areas of one value each, {told}"
    if step and count <= SHADES and np.diff(values).min() > (APART_STEPS - 0.5) * step:
        return f"only {count} shades, far apart, {told}"
    return None


def channels_equal(picture: Any) -> bool:
    """Whether all channels of (B, C, H, W) are exactly equal: black and white stored as colour.

    >>> import torch
    >>> channels_equal(torch.rand(1, 1, 4, 4).expand(1, 3, 4, 4))
    True
    """
    return bool((picture[:, 1:] == picture[:, :1]).all())


def all_channels_equal(view: RegionSource) -> bool:
    """The same of a picture that need not be in memory, (1, C, H, W); most colour pictures are told by their first
    rows.

    >>> import torch
    >>> all_channels_equal(RegionSource.of(torch.rand(1, 3, 8, 8)))
    False
    """
    height, width = view.size
    rows = max(1, STRIP_PIXELS // width)
    return all(
        channels_equal(view.read(slice(top, min(top + rows, height)), slice(0, width))) for top in range(0, height, rows)
    )


def noise_free(noisy: Any) -> Any:
    """Where a picture never had noise: (B, C, H, W) → (B, 1, H, W), true or false.

    In cells where most neighbours are exactly equal, with all cells around being so too. Pairs that black or white has
    cut off tell nothing. Cells are counted from the upper left corner.

    >>> import torch
    >>> noise_free(torch.rand(1, 3, 64, 64)).shape
    torch.Size([1, 1, 64, 64])
    """
    height, width = noisy.shape[-2:]
    # Each square of nine cells has one in every third row. Small pictures are faster as a whole.
    rows = [slice(0, height)] if height * width <= WHOLE_PIXELS else _every_third_row(height)
    if not any(bool(_equal_cells(noisy[..., part, :]).any()) for part in rows):
        return array_namespace(noisy).zeros(
            (len(noisy), 1, height, width), dtype=array_namespace(noisy).bool, device=device(noisy)
        )
    around = ~dilate_mask(~_equal_cells(noisy), 1)  # all nine are
    whole = dilate_mask(around, 1)
    return repeat_each(repeat_each(whole, CELL, -2), CELL, -1)[..., :height, :width]


def _every_third_row(height: int) -> Iterator[slice]:
    """Rows of cells of which one is among each three that follow each other, and the last one; with one more row of
    pixels."""
    count = -(-height // CELL)
    for row in sorted({*range(1, count, 3), count - 1}):
        yield slice(row * CELL, min((row + 1) * CELL + 1, height))


def _equal_cells(noisy: Any) -> Any:
    """Cells where most neighbours are exactly equal, (B, C, H, W) → (B, 1, h, w)."""
    xp = array_namespace(noisy)
    height, width = (-(-length // CELL) for length in noisy.shape[-2:])
    found = xp.zeros((len(noisy), 1, height, width), dtype=xp.bool, device=device(noisy))
    cut = xp.all((noisy <= 0) | (noisy >= 1), axis=1, keepdims=True)  # (B, 1, H, W)
    for axis in (-2, -1):
        length = noisy.shape[axis] - 1
        if length < 1:
            continue
        first, second = (_along(axis, part) for part in (slice(0, length), slice(1, length + 1)))
        told = ~(cut[first] & cut[second])
        equal = xp.all(noisy[first] == noisy[second], axis=1, keepdims=True) & told
        equal_share, told_share = (_cells(xp.astype(x, xp.float32), (height, width)) for x in (equal, told))
        found |= (equal_share > EXACT * told_share) & (told_share > 0.25)
    return found


def _along(axis: int, part: slice) -> tuple[Any, ...]:
    """The index of a part of rows (−2) or of columns (−1)."""
    return (..., part, slice(None)) if axis == -2 else (..., part)


def _cells(x: Any, shape: tuple[int, int]) -> Any:
    """Means of each cell, (B, 1, H, W) → (B, 1, *shape)."""
    rows, columns = ((0, count * CELL - length) for count, length in zip(shape, x.shape[-2:], strict=True))
    return average_pool(pad_zeros(x, rows, columns), CELL)


def _codes(picture: Any) -> Array:
    """One number for each colour, (1, C, H, W) → (H, W)."""
    pixels = to_numpy(picture[0]).astype(np.float64)
    factors = np.sqrt([2, 3, 5, 7, 11, 13, 17, 19])
    if len(pixels) == 1 or channels_equal(picture):
        first: Array = pixels[0]
        return first
    return np.tensordot(np.resize(factors, len(pixels)) ** np.arange(1, len(pixels) + 1), pixels, axes=1)
