"""Removal of row and column noise before a network sees the picture, since a network takes stripes for structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.errors import UsageError
from unnoise.inference.sources import PixelSource
from unnoise.noise.row_noise import measure_row_noise
from unnoise.photometry.array_windows import convert_like
from unnoise.regions import RegionSource

CHOICES = "auto", "remove", "keep"
"""*auto* removes row noise from measurements alone."""


def check_row_noise(choice: str | None) -> None:
    """Raise `UsageError` unless the choice is None or one of `CHOICES`.

    >>> check_row_noise("auto")
    """
    if choice is not None and choice not in CHOICES:
        raise UsageError(f"The row noise can be {', '.join(CHOICES[:-1])} or {CHOICES[-1]}, not '{choice}'.")


def without_row_noise(source: PixelSource) -> PixelSource:
    """Subtract the row and column noise of each picture and channel. The mean of each stays as it is.

    Args:
        source: a picture or batch, (B, C, H, W). It is read once.

    Returns:
        `source` itself, if there is no more of such noise than chance gives.

    >>> from unnoise import images
    >>> from unnoise.inference.sources import source_of_tensor
    >>> noisy, form = images.to_tensor(np.zeros((80, 80), np.uint16))
    >>> source = source_of_tensor(noisy, form)
    >>> without_row_noise(source) is source
    True
    """
    count = len(source.read(slice(0, 1), slice(0, 1)))

    def picture(number: int) -> RegionSource:
        return RegionSource(source.size, lambda rows, columns: source.read(rows, columns)[number : number + 1])

    found = [measure_row_noise(picture(number)) for number in range(count)]
    if all(channel.is_none for channels in found for channel in channels):
        return source
    height, width = source.size
    rows = _stack([[channel.rows for channel in channels] for channels in found], height)[..., None]  # (B, C, H, 1)
    columns = _stack([[channel.columns for channel in channels] for channels in found], width)[..., None, :]  # (B, C, 1, W)

    def read(part: slice, across: slice) -> Any:
        noisy = source.read(part, across)
        return noisy - convert_like(rows[:, :, part], noisy) - convert_like(columns[..., across], noisy)

    return replace(source, read=read)


def _stack(offsets: Sequence[Sequence[Any]], length: int) -> NDArray[np.float32]:
    """Offsets of all pictures and channels, (B, C, length) float32. None counts as 0."""
    return np.stack([np.stack([np.zeros(length, np.float32) if x is None else x for x in one]) for one in offsets])
