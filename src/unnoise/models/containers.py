"""Pictures in other containers than arrays and tensors: files, PIL images, dask and xarray arrays.

None of these libraries is imported here: who has such an object has its library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unnoise import images
from unnoise.errors import UsageError
from unnoise.images.arrays_on_disk import Axes
from unnoise.images.frame_axes import frame_axes
from unnoise.images.measured_values import whole
from unnoise.inference.frame_grid import grid_of
from unnoise.inference.missing_values import FileGaps

DIMENSIONS = {
    "Y": ("y", "row", "rows", "lat", "latitude", "height", "northing"),
    "X": ("x", "col", "cols", "column", "columns", "lon", "longitude", "width", "easting"),
    "C": ("c", "channel", "channels", "band", "bands", "wavelength"),
    "S": ("s", "sample", "samples", "rgb", "rgba"),
}
"""Axis → the names that dimensions of xarray have for it, in lower case."""
PLAIN_MODES = ("L", "LA", "RGB", "RGBA", "F", "I", "CMYK")
"""Modes of PIL images that are restored as they are. `I;16` becomes uint16, and palettes become RGB or RGBA."""

Denoise = Callable[..., Any]
"""Denoises a NumPy array: `denoise(array, axes=...)`."""


class Near(NamedTuple):
    """Which frames help each other.

    >>> Near(2, "T").each_side
    2
    """

    each_side: int
    """Number of neighbours on each side."""
    along: str | None
    """The letter of the axis; None: the usual one."""


ALONE = Near(0, None)
FRAMES_FOR_A_NEIGHBOUR = 8
"""Frames in a chunk of a dask array, for each neighbour on a side. Neighbours of a chunk are restored twice."""


def adapter_of(image: Any) -> Callable[..., Any] | None:
    """The function that denoises such a container; None: the image is an array, a tensor, or nothing known.

    The function takes the container, a function that denoises arrays, the axes, the type that the result is to have
    (None: that of the container), and which frames help each other. It returns a container of the same kind.

    >>> adapter_of(np.zeros((4, 4))) is None, adapter_of("a.png").__name__
    (True, 'denoise_path')
    """
    if isinstance(image, str | Path):
        return denoise_path
    library = type(image).__module__.split(".")[0]
    if library == "PIL" and hasattr(image, "mode"):
        return denoise_pil
    if library == "dask" and hasattr(image, "map_blocks"):
        return denoise_dask
    if library == "xarray" and hasattr(image, "dims") and hasattr(image, "dtype"):
        return denoise_xarray
    return None


def denoise_path(
    path: str | Path, denoise: Denoise, axes: str | None = None, dtype: str | None = None, near: Near = ALONE
) -> Any:
    """Denoise a file. The result is an array: (H, W), (H, W, C), or a stack of these.

    Raises:
        UsageError: there is no such file, or the pictures of a stack have different sizes.

    >>> denoise_path("missing.png", lambda array, **options: array)
    Traceback (most recent call last):
    unnoise.errors.UsageError: There is no file missing.png; check the name.
    """
    made = []
    with images.open(path, axes=axes) as source:
        if near.each_side:
            return _denoise_stack(source, denoise, near)
        for frame in source:
            given, missing, there = _taken(frame)
            letters = "YXC" if given.ndim == 3 and frame.layout.colours in ("cmyk", "channels") else None
            if missing is None:
                made.append(denoise(given, axes=letters))
                continue
            result = np.asarray(denoise(np.ma.MaskedArray(given, missing), axes=letters))
            made.append(np.where(missing, there.astype(result.dtype), result))
        outer = source.outer
    return made[0] if outer is None else _stacked(made, path).reshape(*outer, *made[0].shape)


def _denoise_stack(source: images.Source, denoise: Denoise, near: Near) -> Any:
    """Denoise all frames of a file together."""
    letters, shape = frame_axes(source)
    grid_of(letters, shape, near.each_side, near.along, str(source.path))
    taken, inside = [], "YX"
    for frame in source:
        taken.append(_taken(frame))
        is_color = frame.layout.colours not in ("cmyk", "channels")
        inside = "YX" if len(frame.shape) == 2 else "YXS" if is_color else "YXC"
    given, gaps, there = zip(*taken, strict=True)
    whole_shape = (*shape, *given[0].shape)
    stack = _stacked(given, source.path).reshape(whole_shape)
    named = letters.replace("C", next(letter for letter in "NMLKJ" if letter not in letters)) + inside
    if all(each is None for each in gaps):
        return denoise(stack, axes=named)
    missing = np.stack([np.zeros(given[0].shape, bool) if each is None else each for each in gaps]).reshape(whole_shape)
    result = np.asarray(denoise(np.ma.MaskedArray(stack, missing), axes=named))
    return np.where(missing, np.stack(there).reshape(whole_shape).astype(result.dtype), result)


def _taken(frame: images.Frame) -> tuple[Any, Any | None, Any]:
    """A frame in its stored type, which values of it are missing (None: none is), and the values as stored."""
    pixels, stored = frame[...], frame.metadata.stored
    given = whole(pixels, np.dtype(stored)) if stored else pixels
    gaps = FileGaps(frame, None, None)
    missing = gaps.missing(slice(0, frame.height), slice(0, frame.width)) if gaps.are_possible else None
    if missing is None or not missing.any():
        return given, None, given
    return given, missing, given if stored else frame.picture().pixels  # with values that are no numbers


def _stacked(pictures: Sequence[Any], path: Path | str) -> Any:
    if len({(each.shape, each.dtype) for each in pictures}) > 1:
        raise UsageError(f"{path} holds pictures of different sizes or types, which make no array; read them one by one.")
    return np.stack(pictures)


def denoise_pil(image: Any, denoise: Denoise, axes: str | None = None, dtype: str | None = None, near: Near = ALONE) -> Any:
    """Denoise a PIL image. The result has its mode and its `info`, with the EXIF in it.

    >>> from PIL import Image
    >>> denoise_pil(Image.new("L", (6, 4)), lambda array, **options: array + 1).getpixel((0, 0))
    1
    """
    if dtype is not None:
        raise UsageError(f"A PIL image cannot be made finer; give np.asarray(image) to get the type {dtype}.")
    known = image
    if image.mode not in PLAIN_MODES and not image.mode.startswith("I;16"):
        known = image.convert("RGBA" if image.has_transparency_data else "L" if image.mode == "1" else "RGB")
    result = denoise(np.array(known), axes="YXC" if known.mode == "CMYK" else None)
    made = _pil_from(result, known.mode)
    made.info = dict(image.info)
    return made


def _pil_from(pixels: Any, mode: str) -> Any:
    from PIL import Image

    if mode in ("LA", "CMYK"):  # arrays of two and four channels have no single mode
        return Image.merge(mode, [Image.fromarray(np.ascontiguousarray(pixels[..., band])) for band in range(pixels.shape[2])])
    return Image.fromarray(pixels)


def denoise_dask(image: Any, denoise: Denoise, axes: str | None = None, dtype: str | None = None, near: Near = ALONE) -> Any:
    """Denoise a dask array, lazily: each picture when it is computed. The result has chunks of whole pictures.

    >>> import dask.array
    >>> lazy = denoise_dask(dask.array.zeros((3, 8, 8), chunks=4), lambda array, **options: array + 1, "ZYX")
    >>> lazy.chunks, float(lazy.mean().compute())
    (((1, 1, 1), (8,), (8,)), 1.0)
    """
    letters = Axes.of(tuple(image.shape), axes, "The image").letters
    whole_pictures = {axis: -1 if letter in "YXCS" else 1 for axis, letter in enumerate(letters)}
    wanted = np.dtype(dtype) if dtype else image.dtype
    if near.each_side:
        outer = [axis for axis, letter in enumerate(letters) if letter not in "YXCS"]
        named, shape = "".join(letters[axis] for axis in outer), tuple(image.shape[axis] for axis in outer)
        along = outer[grid_of(named, shape, near.each_side, near.along, "The image").axis]
        chunks = whole_pictures | {along: FRAMES_FOR_A_NEIGHBOUR * near.each_side}
        return image.rechunk(chunks).map_overlap(
            denoise,
            depth={along: near.each_side},
            boundary="none",
            axes=letters,
            dtype=wanted,
            meta=np.empty((0,) * image.ndim, wanted),
        )
    return image.rechunk(whole_pictures).map_blocks(
        denoise, axes=letters, dtype=wanted, meta=np.empty((0,) * image.ndim, wanted)
    )


def denoise_xarray(image: Any, denoise: Denoise, axes: str | None = None, dtype: str | None = None, near: Near = ALONE) -> Any:
    """Denoise an xarray `DataArray`. The result has its dimensions, coordinates, name and attributes.

    The names of the dimensions tell the axes, unless `axes` does: y and x, lat and lon, channel, band …

    >>> import xarray
    >>> image = xarray.DataArray(np.zeros((2, 4, 4)), dims=("time", "lat", "lon"), name="flux")
    >>> denoise_xarray(image, lambda array, axes: array + len(axes)).name
    'flux'
    """
    letters = axes or axes_of_dimensions([str(name) for name in image.dims])
    inner = adapter_of(image.data)
    result = inner(image.data, denoise, letters, dtype, near) if inner else denoise(image.data, axes=letters)
    return image.copy(data=result)


def axes_of_dimensions(names: list[str]) -> str:
    """One letter for each dimension of an xarray, by its name. Names that are unknown number pictures.

    Raises:
        UsageError: the names do not say which are the rows and columns.

    >>> axes_of_dimensions(["time", "band", "lat", "lon"])
    'ACYX'
    """
    found = {name: letter for letter, known in DIMENSIONS.items() for name in names if name.lower() in known}
    letters = list(found.values())
    if sorted(letter for letter in letters if letter in "YX") != ["X", "Y"] or len(set(letters)) < len(letters):
        raise UsageError(
            f"The dimensions {', '.join(names)} do not say which are rows and columns; name them y and x, or give a letter for "
            "each, as axes='ZYX'."
        )
    others = iter("ABDEFGHIJKLMNOPQRTUVWZ")
    return "".join(found.get(name) or next(others) for name in names)
