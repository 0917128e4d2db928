"""Missing values: NaN and infinity, a declared value, a mask, and pixels that alpha hides.

They are left as they are, bit for bit. The network gets the picture as if it ended there; see `inference.repair`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import device, is_torch_array, to_device
from numpy.typing import NDArray

from unnoise import images
from unnoise.array_api import array_namespace
from unnoise.errors import UsageError
from unnoise.inference.options import DenoiseOptions, read_mask
from unnoise.inference.sources import PixelSource, RegionReader
from unnoise.photometry.array_ops import to_numpy
from unnoise.photometry.array_windows import convert_like
from unnoise.regions import sample_windows

WINDOW_PIXELS = 256
"""Side of the windows in which a usual value is looked for."""


def find_missing(image: Any, options: DenoiseOptions) -> NDArray[np.bool_] | None:
    """Find the missing values of an array or tensor.

    Args:
        image: as `Model.denoise` takes it.
        options: `missing` and `mask` count.

    Returns:
        Where they are, in the shape of the image; None: there are none, or this is no image.

    Raises:
        UsageError: the mask has another shape, or all values are missing.

    >>> from unnoise.inference.options import DenoiseOptions
    >>> find_missing(np.array([[1.0, np.nan]]), DenoiseOptions())
    array([[False,  True]])
    """
    if not (isinstance(image, np.ndarray) or is_torch_array(image)) or 0 in image.shape:
        return None
    if is_torch_array(image) and not _has_numbers(image):
        return None
    values = to_numpy(image.detach()) if is_torch_array(image) else np.asarray(image)
    if values.dtype.kind not in "fiu":
        return None
    letters = _letters(image, options.axes)
    found = _missing(values, options.missing, letters.find("S"))
    if isinstance(image, np.ma.MaskedArray):
        found = _either(found, np.ma.getmaskarray(image))
    if options.mask is not None:
        found = _either(found, _spread(read_mask(options.mask), image, letters))
    if found is not None and found.all():
        raise UsageError("The image holds no value that is a number and not missing; give it what was measured.")
    return None if found is None or not found.any() else found


def _has_numbers(image: Any) -> bool:
    """Whether NumPy can read the values of a tensor."""
    import torch

    return not image.is_meta and image.layout == torch.strided and image.dtype != torch.bfloat16


def without_mask(image: Any) -> Any:
    """The plain array of a masked one; anything else as it is.

    >>> without_mask(np.ma.MaskedArray([1, 2], [True, False]))
    array([1, 2])
    """
    return image.data if isinstance(image, np.ma.MaskedArray) else image


def filled(image: Any, missing: NDArray[np.bool_]) -> Any:
    """An array or tensor with a usual value in place of missing ones.

    >>> filled(np.array([[1.0, np.nan]]), np.array([[False, True]]))
    array([[1., 1.]])
    """
    values = to_numpy(image.detach()) if is_torch_array(image) else image
    made = np.where(missing, _usual(values[~missing]), values).astype(values.dtype)
    return convert_like(made, image)


def missing_planes(
    missing: NDArray[np.bool_] | None, form: images.Form, options: DenoiseOptions, library: images.Library = "torch"
) -> Any | None:
    """Where values are missing, (B, C, H, W) of bool, as `images.to_tensor` arranges the image; None: nowhere.

    >>> from unnoise.inference.options import DenoiseOptions
    >>> _, form = images.to_tensor(np.zeros((1, 2)))
    >>> missing_planes(np.array([[False, True]]), form, DenoiseOptions())
    tensor([[[[False,  True]]]])
    """
    if missing is None:
        return None
    given: Any = missing.astype(np.uint8)
    if not isinstance(form.dtype, np.dtype):
        import torch

        given = torch.from_numpy(given)
    found, _ = images.to_tensor(given, layout=form.layout, axes=options.axes, group=options.group, library=library)
    return found > 0


class FileGaps:
    """The missing values of a picture file, by region.

    Args:
        frame: the picture.
        value: the value that stands for missing ones; None: the one that the file declares, if it does. NaN and
            infinity do in any case.
        mask: (H, W); what is not 0 is missing. None: there is none.

    Raises:
        UsageError: the mask has another size.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "x.npy"
    ...     np.save(path, np.array([[-1.0, 2.0, np.nan]]))
    ...     with images.open(path) as frames:
    ...         FileGaps(frames[0], -1, None).missing(slice(0, 1), slice(0, 3))
    array([[ True, False,  True]])
    """

    def __init__(self, frame: images.Frame, value: float | None, mask: NDArray[Any] | None) -> None:
        if mask is not None and mask.shape[:2] != frame.shape[:2]:
            raise UsageError(
                f"{frame.name} has {frame.shape[0]} × {frame.shape[1]} pixels, and its mask {mask.shape[0]} × {mask.shape[1]}; "
                "give a mask of the same size."
            )
        self.frame = frame
        self._value = frame.metadata.nodata if value is None else value
        self._mask = None if mask is None else (mask != 0 if mask.ndim == 2 else (mask != 0).any(-1))

    @cached_property
    def are_possible(self) -> bool:
        """Whether there may be any, as the kind of picture tells."""
        return self._value is not None or self._mask is not None or self.frame.layout.alpha == 1 or self.frame.has_floats

    def of(self, frame: images.Frame) -> RegionReader:
        """Read a frame, which may be this one in another type, with a usual value where values are missing."""
        return _Filled(self, frame)

    def missing(self, rows: slice, columns: slice) -> NDArray[np.bool_]:
        """Which values of a region are missing, in its shape."""
        part = self.frame.original((rows, columns))
        found = _missing(part, self._value, 2 if self.frame.layout.colours == "rgb" else -1)
        if self.frame.layout.alpha == 1:
            found = _either(found, np.broadcast_to(part[..., -1:] == 0, part.shape))
        if self._mask is not None:
            own = self._mask[rows, columns]
            found = _either(found, np.broadcast_to(own.reshape(own.shape + (1,) * (part.ndim - 2)), part.shape))
        return np.zeros(part.shape, bool) if found is None else found

    def planes(self, layout: images.Layout, group: int, library: images.Library = "torch") -> Any:
        """A function that reads where they are, (B, C, rows, columns) of bool."""

        def read(rows: slice, columns: slice) -> Any:
            shown = self.missing(rows, columns).astype(np.uint8)
            found, _ = images.to_tensor(shown, layout=layout, group=group, library=library)
            return found > 0

        return read


class _Filled:
    """Regions with a usual value where values are missing."""

    def __init__(self, gaps: FileGaps, frame: images.Frame) -> None:
        self.gaps, self.frame, self.shape, self.dtype = gaps, frame, frame.shape, frame.dtype

    def region(self, rows: slice, columns: slice) -> NDArray[Any]:
        part = self.frame.region(rows, columns)
        missing = self.gaps.missing(rows, columns)
        return np.where(missing, self._usual, part).astype(part.dtype) if missing.any() else part

    @cached_property
    def _usual(self) -> Any:
        for window in sample_windows((self.shape[0], self.shape[1]), WINDOW_PIXELS):
            part, missing = self.frame.region(*window), self.gaps.missing(*window)
            if not missing.all():
                return _usual(part[~missing])
        return _usual(np.zeros(0, self.dtype))


def with_hidden(source: PixelSource, alpha: Any | None) -> PixelSource:
    """A source in which pixels with alpha 0 are missing too; `alpha` is (B, 1, H, W).

    >>> from unnoise.inference.sources import source_of_tensor
    >>> noisy, form = images.to_tensor(np.array([[[5, 0], [6, 255]]], np.uint8))
    >>> with_hidden(source_of_tensor(noisy, form), form.alpha).missing(slice(0, 1), slice(0, 2))
    tensor([[[[ True, False]]]])
    """
    if alpha is None or alpha.shape[1] != 1 or not bool((hidden := alpha == 0).any()):
        return source
    before = source.missing

    def read(rows: slice, columns: slice) -> Any:
        there = source.read(rows, columns)
        own = array_namespace(there).broadcast_to(hidden[..., rows, columns], there.shape)
        return own | to_device(before(rows, columns), device(own)) if before else own

    return replace(source, missing=read)


def _missing(values: NDArray[Any], value: float | None, color_axis: int = -1) -> NDArray[np.bool_] | None:
    """Values that are not finite, and pixels of the declared value: colors in all of theirs. None: there are none."""
    found = ~np.isfinite(values) if values.dtype.kind == "f" else None
    if value is None:
        return found
    same = values == value
    if color_axis >= 0 and values.ndim > color_axis and values.shape[color_axis] in (3, 4):
        colors = np.take(same, range(3), axis=color_axis)
        same = np.broadcast_to(colors.all(color_axis, keepdims=True), values.shape)
    return _either(found, same)


def _either(first: NDArray[np.bool_] | None, second: Any) -> NDArray[np.bool_]:
    return np.asarray(second) if first is None else first | second


def _usual(values: NDArray[Any]) -> Any:
    return np.median(values).astype(values.dtype) if values.size else values.dtype.type(0)


def _letters(image: Any, axes: str | None) -> str:
    """One letter for each axis."""
    count = len(image.shape)
    return axes or ("YX" if count == 2 else "YXS" if isinstance(image, np.ndarray) else "NSYX"[-count:])


def _spread(mask: Any, image: Any, letters: str) -> NDArray[np.bool_]:
    """A mask in the shape of the image."""
    given = np.asarray(mask) != 0
    shape = tuple(image.shape)
    if given.shape == shape:
        return given
    places = [letters.find("Y"), letters.find("X")]
    fits = len(letters) == len(shape) and given.ndim == 2 and min(places) >= 0
    if fits and given.shape == tuple(shape[place] for place in places):
        given = given if places[0] < places[1] else given.T
        full = [length if place in places else 1 for place, length in enumerate(shape)]
        return np.broadcast_to(given.reshape(full), shape)
    raise UsageError(f"The mask has the shape {given.shape}, and the image {shape}; give a mask of its rows and columns.")
