"""What a training keeps of a frame: pixels as the network will see them, with as many channels as it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise import images
from unnoise.errors import UsageError
from unnoise.images.frames import split_channels
from unnoise.images.pixels import check_range
from unnoise.inference.sources import rescaling_of_file, source_of_file
from unnoise.photometry.normalization import Normalization
from unnoise.photometry.photometry import Photometry
from unnoise.regions import RegionSource

Pixels = NDArray[Any]
BAND_PIXELS = 2**26
"""A larger frame becomes several pictures, bands of rows. So it never lies in memory as a whole."""


def pool_pictures(stack: images.Source, channels: int, normalization: Normalization | None) -> Iterator[Pixels]:
    """The pictures of a file or array, frame by frame.

    Args:
        stack: of any frames. Channels that are no colors become single grey pictures, and alpha is left out.
        channels: of the network. Grey is repeated, and color is averaged for a network with one channel.
        normalization: whether measurements are normalized by their range, as the network will see them.

    Yields:
        (H, W, channels) of uint8 or uint16, or of float32 in about 0..1.

    Raises:
        UsageError, UnnoiseError: a frame cannot be read, has other channels than the network takes, or floats on
            another scale that are not normalized.
    """
    for frame in stack:
        normalized = _normalized(frame, normalization)
        for place, (_, read) in enumerate(split_channels(frame)):
            measured = normalized(place) if normalized else None
            for rows in _bands(frame.height, frame.width):
                whole = rows, slice(0, frame.width)
                pixels = measured(rows) if measured else _checked(read(*whole), frame.name)
                yield _with_channels(pixels, channels, frame.name)


def _normalized(
    frame: images.Frame, normalization: Normalization | None
) -> Callable[[int], Callable[[slice], Pixels] | None] | None:
    """How to read the single pictures of a frame as inference shows them to the network.

    Returns:
        From the number of a picture to a function that reads rows, (rows, W, C) float32; None for a picture that is
        shown as it is. None where no picture of this kind is normalized.
    """
    wanted = normalization.of_kind(frame.layout.colours, frame.dtype) if normalization else None
    if wanted is None:
        return None
    rescaling = rescaling_of_file(frame, frame.layout, wanted)
    source = source_of_file(frame, frame.layout, wanted, name=frame.name, rescaling=rescaling)

    def picture(place: int) -> Callable[[slice], Pixels] | None:
        view = RegionSource(source.size, lambda rows, columns: source.read(rows, columns)[place : place + 1])
        scale = Photometry.decide(view, None, wanted, rescaling).normalization
        if scale is None:
            return None

        def read(rows: slice) -> Pixels:
            shown: Pixels = scale.forward(view.read(rows, slice(0, frame.width)))[0].permute(1, 2, 0).numpy()
            return shown

        return read

    return picture


def _bands(height: int, width: int) -> Iterator[slice]:
    count = -(-height * width // BAND_PIXELS)
    ends = [height * number // count for number in range(count + 1)]
    for first, last in pairwise(ends):
        if first < last:
            yield slice(first, last)


def _checked(pixels: Pixels, name: str) -> Pixels:
    """Pixels that are shown as they are. Raises `UsageError` for floats on another scale than 0..1."""
    if pixels.dtype.kind != "f":
        return pixels
    pixels = pixels.astype(np.float32, copy=False)
    low, high = float(pixels.min()), float(pixels.max())
    bad = pixels.size - int(np.isfinite(pixels).sum())
    check_range(low, high, bad, name, or_else="normalize them by their own range (--set normalization=picture)")
    return pixels


def _with_channels(pixels: Pixels, channels: int, name: str) -> Pixels:
    """(H, W) or (H, W, C) → (H, W, channels)."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]  # (H, W, 1)
    if pixels.shape[2] == channels:
        return pixels
    if pixels.shape[2] == 1:
        return np.repeat(pixels, channels, axis=2)  # (H, W, channels)
    if channels == 1:
        return pixels.mean(axis=2, keepdims=True).astype(pixels.dtype)  # (H, W, 1)
    raise UsageError(f"{name} has {pixels.shape[2]} channels, the network takes {channels}; choose a denoiser with as many.")
