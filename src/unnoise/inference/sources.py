"""Sources of noisy pixels: a picture or batch in memory, or a file that is read region by region."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from array_api_compat import is_torch_array
from numpy.typing import NDArray

from unnoise import images
from unnoise.array_api import array_namespace
from unnoise.photometry.array_ops import copy
from unnoise.photometry.normalization import Normalization
from unnoise.photometry.rescaling import Rescaling, choose_rescaling
from unnoise.regions import RegionSource

if TYPE_CHECKING:
    import torch

STRIP_PIXELS = 2**20
"""Approximate number of pixels in the strips in which files are read."""
HELD_PIXELS = 2**18
"""Pictures of files with at most so many pixels are converted as a whole, and kept while they are restored."""


class RegionReader(Protocol):
    """Pixels that are read by region, from a file or an array."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, C)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def region(self, rows: slice, columns: slice) -> NDArray[Any]:
        """The pixels of a region, (rows, columns) or (rows, columns, C)."""
        ...


@dataclass(frozen=True, kw_only=True)
class PixelSource(RegionSource):
    """A picture or batch (B, C, H, W), float32 with black at 0 and white at 1, and the facts about its stored
    pixels.

    >>> tensor, form = images.to_tensor(np.zeros((40, 50, 3), np.uint8))
    >>> source_of_tensor(tensor, form, None).size
    (40, 50)
    """

    layout: images.Layout
    """The meaning of the channels."""
    dtype: np.dtype[Any] | torch.dtype
    """The type of the stored pixels."""
    name: str = "The image"
    """The subject of error messages."""
    white: int = 0
    """The integer that means white; 0 for floats."""
    whole_numbers: bool = False
    """Whether floats stand for stored whole numbers, such as int16, to which the result will be rounded."""
    rescaling: Rescaling | None = None
    """The factor that brought the stored values to moderate size; None: they were moderate."""
    missing: Callable[[slice, slice], Any] | None = None
    """Reads which values are missing, (B, C, rows, columns) of bool; they read as any finite values. None: all are
    there."""
    strip_pixels: int | None = None
    """Approximate number of pixels to read at a time; None: the picture is in memory, so any number is possible."""

    @property
    def step(self) -> float | None:
        """The distance of neighbouring whole numbers, in the values of this source; None: it has floats."""
        if self.white:
            return 1 / self.white
        return (self.rescaling.factor if self.rescaling else 1.0) if self.whole_numbers else None

    def strips(self, rows: slice | None = None) -> Iterator[slice]:
        """Divide these rows, or all rows, into strips of about `strip_pixels` pixels."""
        rows = rows or slice(0, self.size[0])
        step = rows.stop - rows.start if self.strip_pixels is None else max(1, self.strip_pixels // self.size[1])
        for first in range(rows.start, rows.stop, step):
            yield slice(first, min(first + step, rows.stop))

    def value_range(self) -> tuple[float, float]:
        """The range to which a result is clipped: 0..1, extended to the lowest and highest noisy value."""
        black, white = 0.0, 1.0
        if self.white:
            return black, white
        for rows in self.strips():
            x = self.read(rows, slice(0, self.size[1]))
            xp = array_namespace(x)
            black, white = min(black, float(xp.min(x))), max(white, float(xp.max(x)))
        return black, white


def source_of_tensor(
    noisy: Any,
    form: images.Form,
    rescaling: Rescaling | None = None,
    *,
    missing: Any | None = None,
    whole_numbers: bool = False,
) -> PixelSource:
    """A source for a tensor in memory.

    Args:
        noisy: (B, C, H, W), as `images.to_tensor` made it.
        form: the description of the input that `images.to_tensor` returned.
        rescaling: applied to the values before; None: none was.
        missing: (B, C, H, W) of bool: the values that are missing; None: none is.
        whole_numbers: as in `PixelSource`.

    >>> noisy, form = images.to_tensor(np.zeros((4, 6), np.uint8))
    >>> source_of_tensor(noisy, form).size
    (4, 6)
    """
    return PixelSource(
        (noisy.shape[-2], noisy.shape[-1]),
        lambda rows, columns: noisy[..., rows, columns],
        layout=form.layout,
        dtype=form.dtype,
        white=form.white,
        whole_numbers=whole_numbers,
        rescaling=rescaling,
        missing=None if missing is None else (lambda rows, columns: missing[..., rows, columns]),
    )


def source_of_file(
    pixels: RegionReader,
    layout: images.Layout,
    normalization: Normalization | None,
    *,
    name: str = "The image",
    group: int = 1,
    rescaling: Rescaling | None = None,
    whole_numbers: bool = False,
    library: images.Library = "torch",
) -> PixelSource:
    """A source for stored pixels, which are read when they are needed.

    Args:
        pixels: the pixels of one picture. An alpha channel is left out.
        layout, group: the meaning and grouping of the channels, as for `images.to_tensor`.
        normalization: taken from the settings. A picture that it normalizes may have values on any scale.
        name: the subject of error messages.
        rescaling: brings the stored values to moderate size; None: they are moderate.
        whole_numbers: as in `PixelSource`.
        library: the kind of the arrays that are read.

    >>> source_of_file(images.Scratch.of(np.zeros((40, 50), np.uint8)), images.Layout("grey"), None).size
    (40, 50)
    """
    read = reader_of(pixels, layout, normalization, name=name, group=group, rescaling=rescaling, library=library)
    _, form = read(slice(0, 1), slice(0, 1))
    size = pixels.shape[0], pixels.shape[1]
    return PixelSource(
        size,
        _held(read, size) if size[0] * size[1] <= HELD_PIXELS else lambda rows, columns: read(rows, columns)[0],
        layout=form.layout,
        dtype=pixels.dtype,
        name=name,
        white=form.white,
        whole_numbers=whole_numbers,
        rescaling=rescaling,
        strip_pixels=STRIP_PIXELS,
    )


def _held(read: Callable[[slice, slice], tuple[Any, images.Form]], size: tuple[int, int]) -> Callable[[slice, slice], Any]:
    """A reader of a small picture, which is converted once, at the first reading. It is read some thirty times."""

    @cache
    def whole() -> Any:
        return read(slice(0, size[0]), slice(0, size[1]))[0]

    return lambda rows, columns: copy(whole()[..., rows, columns])


def reader_of(
    pixels: RegionReader,
    layout: images.Layout | None,
    normalization: Normalization | None,
    *,
    name: str = "The image",
    group: int = 1,
    rescaling: Rescaling | None = None,
    library: images.Library = "torch",
) -> Callable[[slice, slice], tuple[Any, images.Form]]:
    """A function that reads a region as `images.to_tensor` converts it. The arguments are those of `source_of_file`.

    >>> read = reader_of(images.Scratch.of(np.zeros((40, 50), np.uint8)), images.Layout("grey"), None)
    >>> read(slice(0, 4), slice(0, 5))[0].shape
    torch.Size([1, 1, 4, 5])
    """

    def read(rows: slice, columns: slice) -> tuple[Any, images.Form]:
        region = pixels.region(rows, columns)
        region = rescaling.forward(region) if rescaling else region
        return images.to_tensor(
            region, name=name, layout=layout, group=group, normalization=normalization, library=library
        )  # (B, C, h, w)

    return read


def rescaling_of_file(pixels: RegionReader, layout: images.Layout, normalization: Normalization | None) -> Rescaling | None:
    """The rescaling that lets float32 hold the values of a file; None: the values are moderate, as in nearly all
    files.

    >>> rescaling_of_file(images.Scratch.of(np.zeros((40, 50), np.uint8)), images.Layout("grey"), None) is None
    True
    """
    if pixels.dtype.kind != "f" or not _may_be_on_any_scale(layout, pixels.dtype, normalization):
        return None
    height, width = pixels.shape[:2]
    step = max(1, STRIP_PIXELS // width)
    strips = (pixels.region(slice(top, min(top + step, height)), slice(0, width)) for top in range(0, height, step))
    ends = [(float(strip.min()), float(strip.max())) for strip in strips]
    return _span(min(low for low, _ in ends), max(high for _, high in ends))


def rescaling_of_image(image: Any, normalization: Normalization | None, *, axes: str | None, group: int) -> Rescaling | None:
    """The same for an array or tensor, as `images.to_tensor` takes it; None also for anything that is no image.

    >>> rescaling_of_image(np.zeros((40, 50), np.uint8), None, axes=None, group=1) is None
    True
    """
    if normalization is None or not _is_float(image) or 0 in image.shape:
        return None
    span = _span(float(image.min()), float(image.max()))
    if span is None:
        return None
    nothing = image[...] * 0  # the same kind and shape, with valid values
    _, form = images.to_tensor(nothing, axes=axes, group=group, library="numpy")
    return span if _may_be_on_any_scale(form.layout, form.dtype, normalization) else None


def _span(low: float, high: float) -> Rescaling | None:
    return (
        choose_rescaling(low, high) if np.isfinite(low) and np.isfinite(high) else None
    )  # values that are not finite are refused when they are read


def _is_float(image: Any) -> bool:
    if is_torch_array(image):
        import torch

        return image.dtype in (torch.float32, torch.float64) and not image.is_meta and image.layout == torch.strided
    return isinstance(image, np.ndarray) and image.dtype.kind == "f"


def _may_be_on_any_scale(layout: images.Layout, dtype: Any, normalization: Normalization | None) -> bool:
    """Whether values may be on any scale. Pictures with alpha may not, since alpha has a fixed scale."""
    return normalization is not None and not layout.alpha and normalization.of_kind(layout.colours, dtype) is not None
