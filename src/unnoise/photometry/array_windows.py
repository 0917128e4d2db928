"""Cells and neighbourhoods of pictures, for NumPy arrays and torch tensors. Importing this module does not load torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from array_api_compat import is_torch_array
from numpy.typing import NDArray

from unnoise.array_api import array_namespace


def convert_like(values: NDArray[Any], other: Any) -> Any:
    """A NumPy array as the kind, type and device of `other`.

    >>> import torch
    >>> convert_like(np.ones(2), torch.zeros(1))
    tensor([1., 1.])
    """
    if is_torch_array(other):
        import torch

        return torch.from_numpy(values).to(other)
    return values.astype(other.dtype, copy=False)


def repeat_each(x: Any, count: int, axis: int) -> Any:
    """Repeat each element along an axis.

    >>> repeat_each(np.array([1, 2]), 2, 0)
    array([1, 1, 2, 2])
    """
    return x.repeat_interleave(count, axis) if is_torch_array(x) else x.repeat(count, axis)


def extend_edges(x: Any, rows: tuple[int, int], columns: tuple[int, int]) -> Any:
    """Repeat the edges of a picture (C, H, W): rows above and below, columns left and right.

    >>> extend_edges(np.array([[[1, 2]]]), (1, 0), (0, 2))
    array([[[1, 2, 2, 2],
            [1, 2, 2, 2]]])
    """
    if is_torch_array(x):
        from torch.nn.functional import pad

        return pad(x[None], (*columns, *rows), mode="replicate")[0]
    return np.pad(x, ((0, 0), rows, columns), mode="edge")


def block_means(x: Any, side: int, stride: int) -> Any:
    """Means of square blocks that lie `stride` apart and wholly inside, (C, H, W) → (C, h, w).

    >>> block_means(np.array([[[0.0, 2.0, 4.0], [0.0, 2.0, 4.0]]]), 2, 1)
    array([[[1., 3.]]])
    """
    if is_torch_array(x):
        from torch.nn.functional import avg_pool2d

        return avg_pool2d(x, side, stride)
    for axis in (-2, -1):
        count = (x.shape[axis] - side) // stride + 1
        starts = np.arange(count) * stride
        x = sum(x.take(starts + step, axis) for step in range(side))
    return x / x.dtype.type(side**2)


def near_means(x: Any, side: int) -> Any:
    """Means of the squares of odd `side` around each pixel, (P, H, W) → the same shape. Zeros lie beyond the edge.

    >>> near_means(np.ones((1, 1, 4)), 3).round(2)
    array([[[0.22, 0.33, 0.33, 0.22]]])
    """
    if is_torch_array(x):
        from torch.nn.functional import avg_pool2d

        return avg_pool2d(x, side, 1, side // 2)
    half = side // 2
    return block_means(np.pad(x, ((0, 0), (half, half), (half, half))), side, 1)


def dilate_mask(x: Any, radius: int) -> Any:
    """Whether any pixel within a square of this radius is true, (…, H, W) of bool → the same shape.

    >>> dilate_mask(np.array([[True, False, False, False]]), 1)
    array([[ True,  True, False, False]])
    """
    if is_torch_array(x):
        import torch
        from torch.nn.functional import max_pool2d

        planes = x.reshape(-1, 1, *x.shape[-2:]).to(torch.float32)
        return (max_pool2d(planes, 2 * radius + 1, 1, radius) > 0).reshape(x.shape)
    for axis in (-2, -1):
        found = x.copy()
        length = x.shape[axis]
        for step in range(1, min(radius, length - 1) + 1):
            first, last = _ends(x.ndim, axis, slice(0, length - step)), _ends(x.ndim, axis, slice(step, length))
            found[first] |= x[last]
            found[last] |= x[first]
        x = found
    return x


def _ends(dimensions: int, axis: int, part: slice) -> tuple[slice, ...]:
    place = [slice(None)] * dimensions
    place[axis] = part
    return tuple(place)


def places_of(x: Any) -> Any:
    """The places where x is true, in order, one row each.

    >>> places_of(np.array([[False, True], [True, False]])).tolist()
    [[0, 1], [1, 0]]
    """
    return x.nonzero() if is_torch_array(x) else np.argwhere(x)


def runs(counts: Sequence[int]) -> Iterator[slice]:
    """Slices of these lengths that follow each other.

    >>> list(runs([2, 1]))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    return (slice(*ends) for ends in pairwise(accumulate(counts, initial=0)))


def softmax(x: Any) -> Any:
    """Exponentials along the last axis, divided by their sum.

    >>> softmax(np.zeros((1, 2)))
    array([[0.5, 0.5]])
    """
    if is_torch_array(x):
        return x.softmax(-1)
    xp = array_namespace(x)
    raised = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return raised / xp.sum(raised, axis=-1, keepdims=True)


def pad_end(x: Any, rows: int, columns: int, value: float) -> Any:
    """Add rows below and columns at the right of (…, H, W), with one value.

    >>> pad_end(np.zeros((1, 1)), 0, 2, 5.0)
    array([[0., 5., 5.]])
    """
    if is_torch_array(x):
        from torch.nn.functional import pad

        return pad(x, (0, columns, 0, rows), value=value)
    return np.pad(x, ((0, 0),) * (x.ndim - 2) + ((0, rows), (0, columns)), constant_values=value)


def planes_of_batch(x: Any) -> Any:
    """All channels of a batch as planes, (B, C, H, W) → (B·C, H, W).

    >>> planes_of_batch(np.zeros((2, 3, 4, 5))).shape
    (6, 4, 5)
    """
    return array_namespace(x).reshape(x, (-1, *x.shape[-2:]))


def median_along(x: Any, axis: int) -> Any:
    """The middle value along an axis, of two middle ones the lower.

    >>> median_along(np.array([[4.0, 1.0, 2.0, 3.0]]), -1)
    array([2.])
    """
    if is_torch_array(x):
        return x.median(axis).values
    return np.sort(x, axis=axis).take((x.shape[axis] - 1) // 2, axis)


def median_of_valid(x: Any, valid: Any) -> Any:
    """The median of the valid values of each row, (P, n) → (P,), of two middle ones the lower; 0 where none is valid.

    >>> median_of_valid(np.array([[3.0, 9.0, 1.0]]), np.array([[True, False, True]]))
    array([1.])
    """
    xp = array_namespace(x)
    if is_torch_array(x):
        return xp.where(valid, x, xp.nan).nanmedian(1).values.nan_to_num(0)
    ranked = np.sort(np.where(valid, x, np.inf), axis=1)
    count = valid.sum(1)
    middle = np.take_along_axis(ranked, np.maximum(count - 1, 0)[:, None] // 2, axis=1)[:, 0]
    return np.where(count > 0, middle, 0).astype(x.dtype)
