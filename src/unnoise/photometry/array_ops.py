"""Array operations that the Python array API standard lacks, for NumPy arrays, torch tensors and other such arrays.

Code around the network is written against the standard (https://data-apis.org/array-api), by array-api-compat. It runs
without torch where it gets NumPy arrays. Importing this module does not load torch. A tensor gets torch's own operator,
which is fast and keeps results the same bit for bit. Other arrays get a form that uses only the standard.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from array_api_compat import device, is_numpy_array, is_torch_array, to_device
from numpy.typing import NDArray

from unnoise.array_api import array_namespace

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T", "Tensor", NDArray[Any])
"""An array of one kind. Types name the two kinds in use; other arrays of the standard work too."""
Function = TypeVar("Function", bound=Callable[..., Any])


def average_pool(x: Any, side: int, *, partial: bool = True) -> Any:
    """Average over square cells, from the upper left corner on.

    Args:
        x: floats (B, C, H, W).
        side: of a cell, in pixels.
        partial: whether cells that the picture fills in part count, with the mean of their pixels.

    Returns:
        (B, C, ⌈H / side⌉, ⌈W / side⌉), or rounded down without partial cells.

    >>> average_pool(np.arange(6.0).reshape(1, 1, 2, 3), 2)
    array([[[[2. , 3.5]]]])
    """
    if is_torch_array(x):
        from torch.nn.functional import avg_pool2d

        return avg_pool2d(x, side, ceil_mode=partial, count_include_pad=False)
    if not partial:
        x = x[..., : x.shape[-2] // side * side, : x.shape[-1] // side * side]
    xp = array_namespace(x)
    if not (x.shape[-2] % side or x.shape[-1] % side):
        return xp.sum(split_into_cells(x, side), axis=-1) / side**2
    count = xp.ones((1, 1, *x.shape[-2:]), dtype=x.dtype, device=device(x))
    return xp.sum(split_into_cells(x, side), axis=-1) / xp.sum(split_into_cells(count, side), axis=-1)


def split_into_cells(x: T, side: int) -> T:
    """Split into square cells of `side` pixels: (B, C, H, W) → (B, C, h, w, side²), filled up with zeros.

    >>> split_into_cells(np.arange(6.0).reshape(1, 1, 2, 3), 2)[0, 0, 0]
    array([[0., 1., 3., 4.],
           [2., 0., 5., 0.]])
    """
    xp: Any = array_namespace(x)
    cells: Any = pad_zeros(x, (0, -x.shape[-2] % side), (0, -x.shape[-1] % side))
    images, channels, height, width = cells.shape
    cells = xp.reshape(cells, (images, channels, height // side, side, width // side, side))
    cells = xp.permute_dims(cells, (0, 1, 2, 4, 3, 5))  # (B, C, h, w, side, side)
    return xp.reshape(cells, (*cells.shape[:4], side * side))


def pad_zeros(x: Any, rows: tuple[int, int], columns: tuple[int, int]) -> Any:
    """Add zeros around a picture (…, H, W): rows above and below, columns left and right.

    >>> pad_zeros(np.ones((1, 2)), (0, 1), (1, 0))
    array([[0., 1., 1.],
           [0., 0., 0.]])
    """
    if is_torch_array(x):
        from torch.nn.functional import pad

        return pad(x, (*columns, *rows))
    xp = array_namespace(x)
    for axis, ends in ((x.ndim - 2, rows), (x.ndim - 1, columns)):
        if not any(ends):  # joining would copy the whole
            continue
        above, below = (xp.zeros((*x.shape[:axis], end, *x.shape[axis + 1 :]), dtype=x.dtype, device=device(x)) for end in ends)
        x = xp.concat([above, x, below], axis=axis)
    return x


def convolve(x: Any, kernel: Any, padding: int = 0) -> Any:
    """Sum each pixel's neighbours by the weights of a kernel, which is not turned.

    Args:
        x: floats (…, H, W).
        kernel: (rows, columns), of the same kind and type.
        padding: number of rows and columns of zeros that are put around the picture first.

    Returns:
        (…, H + 2 · padding − rows + 1, W + 2 · padding − columns + 1).

    >>> convolve(np.array([[1.0, 2.0, 4.0]]), np.array([[1.0, -2.0, 1.0]]))
    array([[1.]])
    """
    if is_torch_array(x):
        from torch.nn.functional import conv2d

        found = conv2d(x.reshape(-1, 1, *x.shape[-2:]), kernel[None, None], padding=padding)
        return found.reshape(*x.shape[:-2], *found.shape[-2:])
    x = pad_zeros(x, (padding, padding), (padding, padding))
    rows, columns = kernel.shape
    height, width = x.shape[-2] - rows + 1, x.shape[-1] - columns + 1
    shifted = (
        kernel[row, column] * x[..., row : row + height, column : column + width]
        for row in range(rows)
        for column in range(columns)
    )
    return sum(shifted, start=x[..., :height, :width] * 0)


def upsample_bilinear(x: Any, factor: int) -> Any:
    """Enlarge a picture of cells to pixels by straight lines between the middles of cells; level beyond the outer ones.

    Args:
        x: floats (B, C, h, w).
        factor: side of a cell in pixels, even.

    Returns:
        (B, C, h · factor, w · factor).

    >>> upsample_bilinear(np.array([[[[0.0, 1.0]]]]), 2)[0, 0]
    array([[0.  , 0.25, 0.75, 1.  ],
           [0.  , 0.25, 0.75, 1.  ]])
    """
    if is_torch_array(x):
        from torch.nn.functional import interpolate

        return interpolate(x, scale_factor=factor, mode="bilinear")
    xp = array_namespace(x)
    return upsample_row(xp.matrix_transpose(upsample_row(xp.matrix_transpose(x), factor)), factor)


def upsample_row(x: T, factor: int) -> T:
    """The same along the last axis alone, (…, w) → (…, w · factor).

    >>> upsample_row(np.array([0.0, 1.0]), 2)
    array([0.  , 0.25, 0.75, 1.  ])
    """
    xp: Any = array_namespace(x)
    ends = xp.concat([x[..., :1], x, x[..., -1:]], axis=-1)  # (…, w + 2)
    share = (xp.arange(factor, dtype=x.dtype, device=device(x)) + 0.5) / factor
    between = add_product(ends[..., :-1, None], (ends[..., 1:] - ends[..., :-1])[..., None], share)  # (…, w + 1, factor)
    return xp.reshape(between, (*x.shape[:-1], -1))[..., factor // 2 : -(factor // 2)]


def quantile(x: Any, share: float) -> Any:
    """Give the value below which a share of the values (…, n) lies, between two of them by a straight line, (…).

    >>> float(quantile(np.array([4.0, 1.0, 2.0]), 0.75))
    3.0
    """
    if is_torch_array(x):
        return x.quantile(share, dim=-1)
    values = array_namespace(x).sort(x, axis=-1)
    place = share * (x.shape[-1] - 1)
    low = int(place)
    high = min(low + 1, x.shape[-1] - 1)
    return values[..., low] + (values[..., high] - values[..., low]) * (place - low)


def median(x: Any) -> Any:
    """Give the middle one of the values (n,), of two middle ones the lower, as torch does.

    >>> float(median(np.array([4.0, 1.0, 2.0, 3.0])))
    2.0
    """
    return x.median() if is_torch_array(x) else array_namespace(x).sort(x)[(x.shape[0] - 1) // 2]


def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """Limit values to those from `low` to `high`, which are numbers or arrays of the same kind; None: no limit.

    Much faster than the function of array-api-compat.

    >>> clip(np.array([-1.0, 0.5, 2.0]), 0.0, 1.0)
    array([0. , 0.5, 1. ])
    """
    if is_torch_array(x):
        return x.clamp(low, high)
    xp = array_namespace(x)
    x = x if low is None else xp.maximum(x, low)
    return x if high is None else xp.minimum(x, high)


def add_product(x: Any, factor: Any, other: Any) -> Any:
    """`x + factor · other`; torch computes it in one pass.

    >>> add_product(np.ones(2), np.ones(2), np.array([1.0, 2.0]))
    array([2., 3.])
    """
    if is_torch_array(x):
        return x.addcmul(factor, other)
    return x + factor * other


def lerp(x: Any, other: Any, share: Any) -> Any:
    """`x + share · (other − x)`, of numbers or arrays; torch computes it in one pass.

    >>> lerp(np.zeros(2), np.array([2.0, 4.0]), 0.5)
    array([1., 2.])
    """
    return x.lerp(other, share) if is_torch_array(x) else x + share * (other - x)


def concat(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Join arrays of one kind; a single one stays as it is.

    >>> concat([np.zeros((1, 1)), np.ones((1, 1))], axis=1)
    array([[0., 1.]])
    """
    return arrays[0] if len(arrays) == 1 else array_namespace(*arrays).concat(list(arrays), axis=axis)


def take(x: Any, places: Any) -> Any:
    """The rows of x (n, …) at places (m,), which are 0 or more.

    >>> take(np.array([5.0, 6.0, 7.0]), np.array([2, 0]))
    array([7., 5.])
    """
    return x.index_select(0, places) if is_torch_array(x) else array_namespace(x).take(x, places, axis=0)


def take_along_last(x: Any, places: Any) -> Any:
    """The values of x (…, n) at places (…, m), for each row its own.

    >>> take_along_last(np.array([[5.0, 6.0], [7.0, 8.0]]), np.array([[1], [0]]))
    array([[6.],
           [7.]])
    """
    return x.gather(-1, places) if is_torch_array(x) else array_namespace(x).take_along_axis(x, places, axis=-1)


def searchsorted(rows: Any, x: Any) -> Any:
    """For each value of x (…, n), count the smaller values in its row of `rows` (…, k), which rises.

    >>> searchsorted(np.array([[0.0, 1.0], [5.0, 6.0]]), np.array([[0.5], [9.0]]))
    array([[1],
           [2]])
    """
    if is_torch_array(x):
        import torch

        return torch.searchsorted(rows, x.contiguous())
    xp = array_namespace(x)
    lines, values = xp.reshape(rows, (-1, rows.shape[-1])), xp.reshape(x, (-1, x.shape[-1]))
    found = [xp.searchsorted(lines[number, :], values[number, :]) for number in range(lines.shape[0])]
    return xp.reshape(xp.stack(found), x.shape)


def add_at(x: Any, places: Any, values: Any) -> Any:
    """Add values (m,) to those of x (n,) at places (m,), which rise. x is overwritten where its kind allows it.

    >>> add_at(np.zeros(3), np.array([0, 2]), np.array([1.0, 5.0]))
    array([1., 0., 5.])
    """
    if is_torch_array(x) or is_numpy_array(x):
        x[places] += values
        return x
    if not places.shape[0]:
        return x
    xp = array_namespace(x)
    all_places = xp.arange(x.shape[0], dtype=places.dtype, device=device(x))
    position = xp.minimum(xp.searchsorted(places, all_places), places.shape[0] - 1)
    return xp.where(xp.take(places, position) == all_places, x + xp.take(values, position), x)


def positive_or(x: Any, other: float) -> Any:
    """Values above 0, and `other` in place of the rest.

    >>> positive_or(np.array([-1.0, 2.0]), 7.0)
    array([7., 2.])
    """
    if is_torch_array(x):
        from torch.nn.functional import threshold

        return threshold(x, 0.0, other)
    return array_namespace(x).where(x > 0, x, other)


def is_positive(x: Any) -> Any:
    """1 where values lie above 0, else 0, of the same type. Tensors are overwritten: a comparison takes longer.

    >>> is_positive(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 1.])
    """
    return x.sign_().clamp_(min=0) if is_torch_array(x) else array_namespace(x).astype(x > 0, x.dtype)


def copy(x: Any) -> Any:
    """A copy that shares no memory with `x`.

    >>> import numpy as np
    >>> x = np.zeros(3)
    >>> np.shares_memory(copy(x), x)
    False
    """
    return x.clone() if is_torch_array(x) else array_namespace(x).asarray(x, copy=True)


def match(x: Any, other: Any) -> Any:
    """`x` with the type and on the device of `other`.

    >>> import numpy as np
    >>> match(np.zeros(3), np.ones(2, np.float32)).dtype
    dtype('float32')
    """
    if is_torch_array(x):
        return x.to(other)
    return to_device(array_namespace(x).astype(x, other.dtype, copy=False), device(other))


def to_numpy(x: Any) -> NDArray[Any]:
    """The same values as a NumPy array, which shares the memory of `x` if it can.

    >>> import torch
    >>> to_numpy(torch.ones(2))
    array([1., 1.], dtype=float32)
    """
    if is_torch_array(x):
        array: NDArray[Any] = x.cpu().numpy()
        return array
    return np.asarray(x) if is_numpy_array(x) else np.from_dlpack(x)


def device_kind(x: Any) -> str:
    """Name the kind of device without its number, such as "cpu" or "cuda".

    >>> device_kind(np.ones(1))
    'cpu'
    """
    return str(device(x)).partition(":")[0]


def full_precision(x: Any) -> AbstractContextManager[Any]:
    """A context in which torch's autocast does not round; nothing for other arrays.

    >>> import numpy as np
    >>> with full_precision(np.ones(2)):
    ...     pass
    """
    if not is_torch_array(x):
        return nullcontext()
    import torch

    return torch.autocast(x.device.type, enabled=False)


def without_gradients(function: Function) -> Function:
    """Wrap a function or generator: torch, where it is loaded, notes no gradients in it.

    >>> import torch
    >>> without_gradients(lambda x: 2 * x)(torch.ones(2, requires_grad=True)).requires_grad
    False
    """
    torch = sys.modules.get("torch")
    return torch.inference_mode()(function) if torch else function
