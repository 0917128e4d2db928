"""Measurements of extreme values on their way through the chain; see `unnoise.photometry.rescaling`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unnoise import images
from unnoise.photometry.normalization import Levels
from unnoise.photometry.rescaling import Span, span_of

STRIP = 2**20
"""Pixels that are read at a time, about."""


class _Seen:
    """Regions of a picture as `Span.seen` shows them."""

    def __init__(self, pixels: Any, span: Span) -> None:
        self.pixels, self.span = pixels, span
        self.shape, self.dtype = pixels.shape, np.dtype(np.float32)

    def region(self, rows: slice, columns: slice) -> NDArray[Any]:
        return self[rows, columns]

    def __getitem__(self, window: Any) -> NDArray[Any]:
        seen: NDArray[Any] = self.span.forward(self.pixels[window])
        return seen

    def close(self) -> None:
        """Whose the pixels are closes them."""


def moderate_frame(frame: images.Frame, levels: Levels | None) -> tuple[images.Frame, Span | None]:
    """A frame whose values float32 holds well, and how its result goes back; the frame itself and None for nearly all."""
    if frame.dtype.kind != "f" or not _shows_any_scale(levels, frame.layout, frame.dtype):
        return frame, None
    step = max(1, STRIP // frame.width)
    strips = (frame[top : top + step] for top in range(0, frame.height, step))
    ends = [(float(strip.min()), float(strip.max())) for strip in strips]
    span = _span(min(low for low, _ in ends), max(high for _, high in ends))
    return (frame, None) if span is None else (replace(frame, pixels=_Seen(frame.pixels, span)), span)


def span_of_image(image: Any, levels: Levels | None, *, axes: str | None, group: int) -> Span | None:
    """For an array or tensor as `images.to_tensor` takes it; None for what need not be moved, and for what is no image."""
    if levels is None or not _is_float(image) or 0 in image.shape:
        return None
    span = _span(float(image.min()), float(image.max()))
    if span is None:
        return None
    nothing = image[...] * 0  # of its kind and shape, and with values that nobody refuses
    _, form = images.to_tensor(nothing, axes=axes, group=group)
    return span if _shows_any_scale(levels, form.layout, form.dtype) else None


def _span(low: float, high: float) -> Span | None:
    return span_of(low, high) if np.isfinite(low) and np.isfinite(high) else None  # these are refused where they are read


def _is_float(image: Any) -> bool:
    if isinstance(image, torch.Tensor):
        return image.dtype in (torch.float32, torch.float64) and not image.is_meta and image.layout == torch.strided
    return isinstance(image, np.ndarray) and image.dtype.kind == "f"


def _shows_any_scale(levels: Levels | None, layout: images.Layout, dtype: Any) -> bool:
    """Not beside alpha, which has a scale of its own."""
    return levels is not None and not layout.alpha and levels.of_picture(layout, dtype) is not None
