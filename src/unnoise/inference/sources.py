"""Where noisy pixels come from: a picture or batch in memory, or a file that is read region by region."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unnoise import images
from unnoise.photometry.normalization import Normalization
from unnoise.photometry.rescaling import Rescaling, choose_rescaling
from unnoise.regions import RegionSource

STRIP_PIXELS = 2**20
"""Pixels of the strips in which files are read, about."""


class RegionReader(Protocol):
    """The pixels of a file, or of an array as if it were one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, C)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def region(self, rows: slice, columns: slice) -> NDArray[Any]:
        """The pixels there, (rows, columns) or (rows, columns, C)."""
        ...


@dataclass(frozen=True, kw_only=True)
class PixelSource(RegionSource):
    """A picture or batch (B, C, H, W), float32 with black 0 and white 1, and what is known of its pixels."""

    layout: images.Layout
    """What the channels are."""
    dtype: np.dtype[Any] | torch.dtype
    """Of the pixels as they are stored."""
    name: str = "The image"
    """The subject of error messages."""
    white: int = 0
    """The whole number that is white; 0 for floats."""
    rescaling: Rescaling | None = None
    """How the stored values were brought to moderate ones; None: they were moderate."""
    strip_pixels: int | None = None
    """Pixels that are read at a time, about; None: the picture lies in memory, and any number can be."""

    def strips(self, rows: slice | None = None) -> Iterator[slice]:
        """These rows, or all, in portions of about `strip_pixels`."""
        rows = rows or slice(0, self.size[0])
        step = rows.stop - rows.start if self.strip_pixels is None else max(1, self.strip_pixels // self.size[1])
        for first in range(rows.start, rows.stop, step):
            yield slice(first, min(first + step, rows.stop))

    def value_range(self) -> tuple[float, float]:
        """What a result is clipped to: 0 and 1, or the lowest and highest value where they lie beyond."""
        black, white = 0.0, 1.0
        if self.white:
            return black, white
        for rows in self.strips():
            low, high = self.read(rows, slice(0, self.size[1])).aminmax()
            black, white = min(black, low.item()), max(white, high.item())
        return black, white


def source_of_tensor(noisy: Tensor, form: images.Form, rescaling: Rescaling | None = None) -> PixelSource:
    """A source of what `images.to_tensor` made."""
    return PixelSource(
        (noisy.shape[-2], noisy.shape[-1]),
        lambda rows, columns: noisy[..., rows, columns],
        layout=form.layout,
        dtype=form.dtype,
        white=form.white,
        rescaling=rescaling,
    )


def source_of_file(
    pixels: RegionReader,
    layout: images.Layout,
    normalization: Normalization | None,
    *,
    name: str = "The image",
    group: int = 1,
    rescaling: Rescaling | None = None,
) -> PixelSource:
    """A source of stored pixels, which are read as they are needed.

    Args:
        pixels: of one picture; an alpha channel is left out.
        layout, group: of the channels, as for `images.to_tensor`.
        normalization: of the settings; pictures that it normalizes may have values on any scale.
        name: the subject of error messages.
        rescaling: brings the stored values to moderate ones.
    """
    read = reader_of(pixels, layout, normalization, name=name, group=group, rescaling=rescaling)
    _, form = read(slice(0, 1), slice(0, 1))
    return PixelSource(
        (pixels.shape[0], pixels.shape[1]),
        lambda rows, columns: read(rows, columns)[0],
        layout=form.layout,
        dtype=pixels.dtype,
        name=name,
        white=form.white,
        rescaling=rescaling,
        strip_pixels=STRIP_PIXELS,
    )


def reader_of(
    pixels: RegionReader,
    layout: images.Layout | None,
    normalization: Normalization | None,
    *,
    name: str = "The image",
    group: int = 1,
    rescaling: Rescaling | None = None,
) -> Callable[[slice, slice], tuple[Tensor, images.Form]]:
    """Reads regions as `images.to_tensor` makes them; arguments as for `source_of_file`."""

    def read(rows: slice, columns: slice) -> tuple[Tensor, images.Form]:
        region = pixels.region(rows, columns)
        region = rescaling.forward(region) if rescaling else region
        return images.to_tensor(region, name=name, layout=layout, group=group, levels=normalization)  # (B, C, h, w)

    return read


def rescaling_of_file(pixels: RegionReader, layout: images.Layout, normalization: Normalization | None) -> Rescaling | None:
    """How values of a file are brought to where float32 holds them; None for nearly all files, whose values are moderate."""
    if pixels.dtype.kind != "f" or not _may_be_on_any_scale(layout, pixels.dtype, normalization):
        return None
    height, width = pixels.shape[:2]
    step = max(1, STRIP_PIXELS // width)
    strips = (pixels.region(slice(top, min(top + step, height)), slice(0, width)) for top in range(0, height, step))
    ends = [(float(strip.min()), float(strip.max())) for strip in strips]
    return _span(min(low for low, _ in ends), max(high for _, high in ends))


def rescaling_of_image(image: Any, normalization: Normalization | None, *, axes: str | None, group: int) -> Rescaling | None:
    """The same for an array or tensor as `images.to_tensor` takes it; None too for what is no image."""
    if normalization is None or not _is_float(image) or 0 in image.shape:
        return None
    span = _span(float(image.min()), float(image.max()))
    if span is None:
        return None
    nothing = image[...] * 0  # of its kind and shape, and with values that nobody refuses
    _, form = images.to_tensor(nothing, axes=axes, group=group)
    return span if _may_be_on_any_scale(form.layout, form.dtype, normalization) else None


def _span(low: float, high: float) -> Rescaling | None:
    return (
        choose_rescaling(low, high) if np.isfinite(low) and np.isfinite(high) else None
    )  # these are refused where they are read


def _is_float(image: Any) -> bool:
    if isinstance(image, torch.Tensor):
        return image.dtype in (torch.float32, torch.float64) and not image.is_meta and image.layout == torch.strided
    return isinstance(image, np.ndarray) and image.dtype.kind == "f"


def _may_be_on_any_scale(layout: images.Layout, dtype: Any, normalization: Normalization | None) -> bool:
    """Not beside alpha, which has a scale of its own."""
    return normalization is not None and not layout.alpha and normalization.of_kind(layout.colours, dtype) is not None
