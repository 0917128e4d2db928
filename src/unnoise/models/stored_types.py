"""Arrays and tensors of every number type, brought to those that the pipeline takes, and results brought back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import is_torch_array

from unnoise.array_api import array_namespace
from unnoise.errors import UsageError
from unnoise.images.measured_values import FLOATS, LARGEST, whole
from unnoise.images.number_types import factor_to
from unnoise.images.picture import Layout
from unnoise.inference.options import DenoiseOptions


class Prepared(NamedTuple):
    """An image as the pipeline takes it.

    >>> prepare(np.zeros((2, 2), np.uint8), DenoiseOptions()).whole_numbers
    False
    """

    image: Any
    options: DenoiseOptions
    """With axes, where only these say that channels are no colors."""
    restore: Callable[[Any], Any]
    """Brings a result to the type that the caller is to get."""
    whole_numbers: bool
    """Whether results are rounded to whole numbers by `restore`."""


def prepare(image: Any, options: DenoiseOptions) -> Prepared:
    """Convert an image of any number type.

    uint8, uint16 and floats stay as they are, unless `options.dtype` asks for another type. Other whole numbers become
    floats on a scale of their own, and their channels are no colors. What is no array is returned as it is.

    Raises:
        UsageError: `options.dtype` cannot hold the values, or whole numbers exceed what float64 holds.

    >>> made = prepare(np.array([[-3, 4]], np.int16), DenoiseOptions())
    >>> made.image, made.restore(np.array([[-2.6, 4.2]], np.float32))
    (array([[-3.,  4.]], dtype=float32), array([[-3,  4]], dtype=int16))
    """
    is_tensor = is_torch_array(image)
    if not is_tensor and (not isinstance(image, np.ndarray) or isinstance(image, np.ma.MaskedArray)):
        return Prepared(image, options, _same, False)
    own = _name(image.dtype)
    if options.dtype and own in (*FLOATS, "uint8", "uint16", "float16", "float32", "float64"):
        factor = factor_to(own, options.dtype, _layout(image, options))
        image = _cast(image, FLOATS.get(own, "float64") if factor != 1 else options.dtype, factor)
        image, own = _cast(image, options.dtype), options.dtype
    if own in FLOATS:
        if own.endswith("64") and 0 not in image.shape and max(int(image.max()), -int(image.min())) > LARGEST:
            raise UsageError(f"The image has whole numbers beyond {LARGEST}, which floats do not hold; divide them first.")
        axes = options.axes or _channel_axes(image)
        floats = _cast(image, FLOATS[own])
        return Prepared(floats, replace(options, axes=axes), lambda result: _whole(result, own), True)
    if isinstance(image, np.ndarray) and image.dtype == np.longdouble and own not in ("float64", "float32"):
        wide = image.dtype
        return Prepared(image.astype(np.float64), options, lambda result: result.astype(wide), False)
    return Prepared(image, options, _same, False)


def _same(result: Any) -> Any:
    return result


def _name(dtype: Any) -> str:
    return dtype.newbyteorder("=").name if isinstance(dtype, np.dtype) else str(dtype).removeprefix("torch.")


def _cast(image: Any, name: str, factor: float = 1.0) -> Any:
    xp = array_namespace(image)
    made = xp.astype(image, getattr(xp, name))
    return made * factor if factor != 1 else made


def _channel_axes(image: Any) -> str | None:
    """The axes of whole numbers whose channels are no colors; None: the image has no channels, or too many axes."""
    letters = {3: "CYX", 4: "NCYX"} if is_torch_array(image) else {3: "YXC"}
    return letters.get(image.ndim)


def _layout(image: Any, options: DenoiseOptions) -> Layout:
    """The meaning of the channels as `images.to_tensor` finds it."""
    if options.axes:
        letters = options.axes.upper()
        if "C" in letters or "S" not in letters or len(letters) != image.ndim:
            return Layout("channels" if "C" in letters else "grey")
        return Layout.of((0, 0, image.shape[letters.index("S")]))
    if image.ndim < 3:
        return Layout("grey")
    return Layout.of((0, 0, image.shape[-3 if is_torch_array(image) else -1]))


def _whole(result: Any, name: str) -> Any:
    """Round to whole numbers of a type, and clip to its ends."""
    if is_torch_array(result):
        import torch

        ends = np.iinfo(name)
        clipped = result.double().round().clamp(float(ends.min), min(float(ends.max), float(LARGEST)))
        return clipped.to(getattr(torch, name))
    return whole(result, np.dtype(name))
