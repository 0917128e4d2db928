"""Pictures of very few photons are restored twice: as they are, and from means of 2×2 pixels.

Where a pixel holds about one photon or less, a network takes single photons for points of light, and keeps them. Means
of 2×2 pixels have four times the photons for each value. They lose detail that cannot be seen at such counts. So dark
places come from the means and bright places from the full picture, with a gradual change between them.

Binning before denoising: Azzari and Foi, "Variance stabilization for noisy+estimate combination in iterative Poisson
image denoising", IEEE Signal Processing Letters, 2016. The mixture by place is our own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.array_api import array_namespace
from unnoise.noise.photon_counts import MOST_COUNTS, are_photon_counts, photon_value
from unnoise.photometry import array_ops
from unnoise.regions import RegionSource

Band = tuple[slice, Any]
"""Rows and their values (N, C, rows, W)."""

BIN_PIXELS = 2
"""Side of the squares whose mean is taken."""
BINNED_PHOTONS, FULL_PHOTONS = 1.0, 3.0
"""Photons a pixel up to which a place comes from the means, and from which on it comes from the full picture."""
DARK_SHARE = 0.05
"""Share of the picture that has to be darker than `FULL_PHOTONS` to be worth the work."""


def photon_step(view: RegionSource) -> float | None:
    """The value of one photon, if a picture has counts of very few photons.

    Args:
        view: (1, 1, H, W), or more channels that are all equal.

    Returns:
        None: the picture has other values, or many photons everywhere.

    >>> counts = np.random.default_rng(0).poisson(0.5, (1, 1, 96, 96)).astype(np.float32)
    >>> photon_step(RegionSource.of(3 * counts))
    3.0
    >>> photon_step(RegionSource.of(100 + counts)) is None
    True
    """
    windows = [np.asarray(array_ops.to_numpy(window))[:, :1] for window in view.sample_windows()]
    values: NDArray[Any] = np.unique(np.concatenate([window.ravel() for window in windows]))
    step = photon_value(values) if len(values) <= MOST_COUNTS else None
    if step is None:
        return None
    dark = np.concatenate([array_ops.average_pool(window, 8).ravel() for window in windows]) < FULL_PHOTONS * step
    if dark.mean() < DARK_SHARE:
        return None
    one = RegionSource(view.size, lambda rows, columns: view.read(rows, columns)[:, :1])
    return step if are_photon_counts(one, values) else None


def binned(view: RegionSource) -> RegionSource:
    """The means of 2×2 pixels of a picture, (B, C, H, W) → (B, C, ⌈H / 2⌉, ⌈W / 2⌉).

    >>> binned(RegionSource.of(np.arange(6.0).reshape(1, 1, 2, 3))).read(slice(0, 1), slice(0, 2))
    array([[[[2. , 3.5]]]])
    """
    height, width = view.size

    def read(rows: slice, columns: slice) -> Any:
        part = view.read(
            *(
                slice(BIN_PIXELS * s.start, min(BIN_PIXELS * s.stop, n))
                for s, n in zip((rows, columns), (height, width), strict=True)
            )
        )
        return array_ops.average_pool(part, BIN_PIXELS)

    return RegionSource((-(-height // BIN_PIXELS), -(-width // BIN_PIXELS)), read)


def mix_binned(
    bands: Iterable[Band], binned_bands: Iterable[Band], size: tuple[int, int], steps: Sequence[float | None]
) -> Iterator[Band]:
    """Restored bands, with the dark places of few-photon pictures from the restored means.

    Args:
        bands: of N pictures, in order.
        binned_bands: of the same pictures after `binned`.
        size: (H, W) of the pictures.
        steps: the value of one photon in each of the N pictures; None: it keeps what it has.

    >>> full, means = np.full((1, 1, 4, 4), 9.0), np.full((1, 1, 2, 2), 0.5)
    >>> [(rows, mixed)] = mix_binned([(slice(0, 4), full)], [(slice(0, 2), means)], (4, 4), [1.0])
    >>> mixed[0, 0, 0]
    array([0.5, 0.5, 0.5, 0.5])
    """
    height, width = size
    last_row = -(-height // BIN_PIXELS)
    coming = iter(binned_bands)
    known: Any = None  # restored means from the row `first` on
    first = 0
    for rows, band in bands:
        top, bottom = max(rows.start // BIN_PIXELS - 1, 0), min(-(-rows.stop // BIN_PIXELS) + 1, last_row)
        while known is None or first + known.shape[-2] < bottom:
            _, more = next(coming)
            known = more if known is None else array_namespace(known).concat([known, more], axis=-2)
        known, first = known[..., top - first :, :], top
        large = array_ops.upsample_bilinear(known[..., : bottom - top, :], BIN_PIXELS)
        start = rows.start - top * BIN_PIXELS
        large = large[..., start : start + rows.stop - rows.start, :width]
        yield rows, _mixed(band, array_ops.match(large, band), steps)


def _mixed(band: Any, means: Any, steps: Sequence[float | None]) -> Any:
    xp = array_namespace(band)
    pictures = [
        one if step is None else array_ops.lerp(mean, one, _full_share(mean / step))
        for one, mean, step in zip(band, means, steps, strict=True)
    ]
    return xp.stack(pictures)


def _full_share(photons: Any) -> Any:
    """The share of the full picture, 0..1, by photons a pixel; any shape."""
    xp = array_namespace(photons)
    place = xp.log(array_ops.clip(photons, BINNED_PHOTONS, FULL_PHOTONS) / BINNED_PHOTONS)
    return place / math.log(FULL_PHOTONS / BINNED_PHOTONS)
