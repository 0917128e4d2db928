"""Pictures that need not fit into memory: read region by region, restored in bands, handed on in strips of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unnoise import images
from unnoise.denoisers.base import Denoiser
from unnoise.inference.apply import fit_channels, unfit_channels
from unnoise.inference.bands import Progress, restore_bands
from unnoise.inference.chain import Chain
from unnoise.inference.settings import InferenceSettings
from unnoise.photometry.clipped_regions import REACH, clipped, left_clipped
from unnoise.photometry.integer_steps import warn_of_few_steps
from unnoise.photometry.transfer_function import shown
from unnoise.regions import RegionSource
from unnoise.schemes.base import Scheme

STRIP = 2**20
"""Pixels of a strip, about."""


class Regions(Protocol):
    """The pixels of a picture, wherever they lie."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, C)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def region(self, rows: slice, columns: slice) -> NDArray[Any]:
        """The pixels there, (rows, columns) or (rows, columns, C)."""
        ...


class InMemory:
    """An array as regions."""

    def __init__(self, pixels: NDArray[Any]) -> None:
        self.pixels, self.shape, self.dtype = pixels, pixels.shape, pixels.dtype

    def region(self, rows: slice, columns: slice) -> NDArray[Any]:
        return self.pixels[rows, columns]


def restore_regions(
    network: Denoiser,
    scheme: Scheme,
    pixels: Regions,
    settings: InferenceSettings,
    progress: Progress | None = None,
    *,
    name: str = "The image",
    layout: images.Layout | None = None,
    group: int = 1,
) -> Iterator[tuple[slice, NDArray[Any]]]:
    """What `Model.denoise` makes of a whole array, strip by strip.

    Args:
        network, scheme, settings, progress: as for `inference.apply.restore`.
        pixels: uint8, uint16, or floats in 0..1, with `settings.normalization` on any scale; an alpha channel stays as it is.
        name: the subject of error messages.
        layout, group: of the channels, as for `images.to_tensor`.

    Yields:
        Rows, each once and in order, and their pixels in the type and with the channels of `pixels`. Floats are clipped to 0..1, or
        to the picture's own range if wider.

    Raises:
        UsageError: for pixels of another kind or shape, or values that are no numbers.
        UnnoiseError: when memory does not suffice for the smallest tile.
    """
    height, width = pixels.shape[:2]
    everything = slice(0, width)

    def read(rows: slice, columns: slice) -> tuple[Tensor, images.Form]:
        return images.to_tensor(
            pixels.region(rows, columns), name=name, layout=layout, group=group, levels=settings.normalization
        )  # (B, C, h, w)

    black, white = 0.0, 1.0
    if np.issubdtype(pixels.dtype, np.floating):
        for rows in _strips(slice(0, height), width):
            noisy, _ = read(rows, everything)
            black, white = min(black, noisy.min().item()), max(white, noisy.max().item())
    channels = network.sizes.get("channels", 3)
    corner, form = read(slice(0, 1), slice(0, 1))
    settings = settings.of_picture(form.layout, pixels.dtype)

    def view(number: int) -> RegionSource:
        def fitted(rows: slice, columns: slice) -> Tensor:
            return fit_channels(read(rows, columns)[0], channels)[number : number + 1]

        return shown(RegionSource((height, width), fitted), settings.normalization)

    whole = RegionSource((height, width), lambda rows, columns: read(rows, columns)[0])
    if settings.measures and form.white:
        warn_of_few_steps(whole, form.white, name)
    cut = settings.cut_of(whole)
    views = [view(number) for number in range(len(fit_channels(corner, channels)))]
    for band_rows, on_device in restore_bands(Chain(network, scheme, settings), views, progress):
        band = on_device.cpu()
        for rows in _strips(band_rows, width):
            noisy, form = read(rows, everything)
            restored = unfit_channels(band[:, :, rows.start - band_rows.start : rows.stop - band_rows.start], noisy.shape)
            first = max(rows.start - REACH, 0)
            kept = clipped(read(slice(first, min(rows.stop + REACH, height)), everything)[0], cut)[:, :, rows.start - first :]
            restored = left_clipped(noisy, restored.clamp(black, white), kept[:, :, : noisy.shape[2]])
            yield rows, form.restore(restored)


def _strips(rows: slice, width: int) -> Iterator[slice]:
    step = max(1, STRIP // width)
    for first in range(rows.start, rows.stop, step):
        yield slice(first, min(first + step, rows.stop))
