"""A second pass at half the size: it removes coarse noise that the first pass left.

A network sees noise that correlates over some pixels as texture, the more so the weaker it is, and leaves much of it. In means of 2×2
pixels the same noise is nearly white, and a network takes white noise whole. So the first result is made half as large and restored
again, and what that changes is added to it. Fine detail does not take part. White noise is not coarse, and no such pass is made.

Coarse-to-fine denoising: Lebrun, Colom and Morel, "Multiscale image blind denoising", IEEE Transactions on Image Processing, 2015.
They denoise the coarse scale first. Here it comes second and sees a result without fine noise, which harms texture less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from array_api_compat import device, to_device

from unnoise import images
from unnoise.inference.bands import Progress
from unnoise.inference.channels import unfit_channels
from unnoise.inference.photon_binning import BIN_PIXELS, binned
from unnoise.inference.stores import PlanesStore
from unnoise.photometry.array_ops import average_pool, concat, match, upsample_bilinear
from unnoise.photometry.array_windows import convert_like
from unnoise.photometry.photometry import Photometry
from unnoise.regions import RegionSource

LEAST_PIXELS = 64
"""Shortest side of a picture that gets a second pass."""
CELL_MEANS = 16
"""Side of the cells whose mean stays, in means of 2×2 pixels."""


class BandRestorer(Protocol):
    """What restores pictures band by band: `Pipeline`."""

    @property
    def library(self) -> images.Library:
        """The kind of arrays that its network takes."""
        ...

    def views(self, source: RegionSource) -> list[RegionSource]:
        """The pictures of a source, as the network takes them."""
        ...

    def restored_bands(
        self, views: Sequence[RegionSource], photometry: Sequence[Photometry], progress: Progress | None
    ) -> Iterator[tuple[slice, Any]]:
        """Rows and their values, (N, channels, rows, W)."""
        ...


class HalfSizeChange:
    """What a pass at half the size changes in a batch of pictures.

    Args:
        size: height and width of the pictures.
        store: the changes in means of 2×2 pixels, (B, C, ⌈H / 2⌉, ⌈W / 2⌉).
        shares: how much of the change is added to each picture, 0..1.

    >>> with PlanesStore((1, 1, 2, 3), library="numpy") as store:
    ...     store.write(slice(0, 2), np.float32([[[[0, 0, 0], [4, 4, 4]]]]))  # in the mean 2
    ...     HalfSizeChange((4, 5), store, [1.0]).added_to(slice(0, 4), np.zeros((1, 1, 4, 5), np.float32))[0, 0, :, 0].tolist()
    [-2.0, -1.0, 1.0, 2.0]
    """

    def __init__(self, size: tuple[int, int], store: PlanesStore, shares: Sequence[float]) -> None:
        self.size, self.store, self.shares = size, store, shares
        self._means = self._cell_means()

    def added_to(self, rows: slice, restored: Any) -> Any:
        """Rows of the restored pictures with the change, (B, C, rows, W)."""
        top, bottom = max(rows.start // BIN_PIXELS - 1, 0), min(-(-rows.stop // BIN_PIXELS) + 1, self.store.shape[2])
        change = match(self.store.read(slice(top, bottom), slice(0, self.store.shape[3])), restored)
        large = upsample_bilinear(change - self._means_at(slice(top, bottom), restored), BIN_PIXELS)
        start = rows.start - top * BIN_PIXELS
        large = large[..., start : start + rows.stop - rows.start, : self.size[1]]
        return restored + convert_like(np.asarray(self.shares, np.float32)[:, None, None, None], restored) * large

    def _cell_means(self) -> Any:
        """The mean change of each cell, (B, C, h, w). The mean brightness of a place is right already, so it is to stay."""
        height, width = self.store.shape[2:]
        rows = [
            self.store.read(slice(top, min(top + CELL_MEANS, height)), slice(0, width)) for top in range(0, height, CELL_MEANS)
        ]
        return concat([average_pool(row, CELL_MEANS) for row in rows], axis=-2)

    def _means_at(self, rows: slice, like: Any) -> Any:
        """The mean change around each of these rows of means of 2×2 pixels."""
        top, bottom = max(rows.start // CELL_MEANS - 1, 0), min(-(-rows.stop // CELL_MEANS) + 1, self._means.shape[2])
        smooth = upsample_bilinear(match(self._means[:, :, top:bottom], like), CELL_MEANS)
        start = rows.start - top * CELL_MEANS
        return smooth[..., start : start + rows.stop - rows.start, : self.store.shape[3]]

    def __enter__(self) -> HalfSizeChange:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.store.close()


def half_size_change(
    pipeline: BandRestorer, restored: RegionSource, photometry: Sequence[Photometry], progress: Progress | None = None
) -> HalfSizeChange | None:
    """Restore restored pictures again at half the size.

    Args:
        pipeline: whose network does it.
        restored: the first results, (B, C, H, W).
        photometry: of each picture that the network gets.
        progress: called after each tile.

    Returns:
        None where nothing is to be changed: no picture has coarse noise, or they are too small.

    >>> half_size_change(None, RegionSource.of(np.zeros((1, 3, 80, 80), np.float32)), [Photometry()]) is None
    True
    """
    shares = [each.half_size_share for each in photometry]
    like = restored.read(slice(0, 1), slice(0, 1))
    if not any(shares) or len(shares) != len(like) or min(restored.size) < LEAST_PIXELS:
        return None
    half = binned(restored)
    store = PlanesStore((*like.shape[:2], *half.size), library=pipeline.library)
    try:
        again = [Photometry(is_negative=each.is_negative) for each in photometry]
        for rows, band in pipeline.restored_bands(pipeline.views(half), again, progress):
            seen = half.read(rows, slice(0, half.size[1]))
            store.write(rows, unfit_channels(to_device(band, device(seen)), seen.shape) - seen)
        return HalfSizeChange(restored.size, store, shares)
    except BaseException:
        store.close()
        raise
