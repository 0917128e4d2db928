"""Camera raw in linear light: frames of stored values, shown to networks as developed pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unnoise import images
from unnoise.errors import UsageError
from unnoise.images.dng import Coding
from unnoise.photometry.camera_light import CameraLight


def raw_kind(target: Path, mosaic: bool, dtype: str | None = None) -> Literal["developed", "linear", "mosaic"]:
    """How a source is read whose result is `target`.

    Args:
        target: the file of the result.
        mosaic: its mosaic is to be kept.
        dtype: the type of its values; None: any.

    Raises:
        UsageError: the file cannot hold these.

    >>> raw_kind(Path("a.dng"), mosaic=False)
    'linear'
    """
    if target.suffix.lower() == ".dng" and dtype not in (None, "uint16"):
        raise UsageError(f"{target} cannot hold values of type {dtype}; DNG is written in uint16, so leave --dtype out.")
    is_dng = target.suffix.lower() == ".dng"
    if mosaic and not is_dng:
        raise UsageError(f"{target} cannot hold a mosaic; with --mosaic write .dng.")
    return "mosaic" if mosaic else "linear" if is_dng else "developed"


class ShownPixels:
    """Stored values as a network sees them: float32 (H, W, 3)."""

    def __init__(self, frame: images.Frame, light: CameraLight) -> None:
        self.frame, self.light = frame, light
        self.shape, self.dtype = (*frame.shape[:2], 3), np.dtype(np.float32)

    def region(self, rows: slice, columns: slice) -> NDArray[Any]:
        return self.light.forward(self.frame.region(rows, columns))

    def __getitem__(self, window: Any) -> NDArray[Any]:
        return self.light.forward(self.frame[window])

    def close(self) -> None:
        self.frame.pixels.close()


def shown(frame: images.Frame) -> tuple[images.Frame, CameraLight | None]:
    """A frame of camera raw as networks see it, and the curve; any other frame as it is, and None."""
    coding = frame.metadata.coding
    if not isinstance(coding, Coding):
        return frame, None
    light = CameraLight.decide(frame, coding.black, coding.white, coding.neutral)
    return images.Frame(ShownPixels(frame, light), images.Layout("rgb"), frame.metadata, frame.name), light
