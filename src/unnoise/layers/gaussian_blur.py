"""The one Gaussian blur of the library, for torch tensors and other arrays. Importing it does not load torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from array_api_compat import device, is_torch_array
from numpy.typing import NDArray

from unnoise.array_api import array_namespace

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T", "Tensor", NDArray[Any])

TRUNCATION_SIGMAS = 3
"""The kernel ends at this many standard deviations."""


def kernel_radius(sigma: float) -> int:
    """Distance in pixels to the farthest neighbour that `gaussian_blur` averages over.

    >>> kernel_radius(0.5), kernel_radius(2.0)
    (2, 6)
    """
    return math.ceil(TRUNCATION_SIGMAS * sigma)


def gaussian_blur(x: T, sigma: float, axes: tuple[int, int] = (-1, -2)) -> T:
    """Average each pixel with its neighbours, weighted by a Gaussian; pixels outside repeat the edge.

    Args:
        x: floats of any shape, a torch tensor on any device, a NumPy array, or another array of the array API standard.
        sigma: standard deviation in pixels, 0 or more; 0 changes nothing.
        axes: the two axes to blur along, in this order. (-1, -2) fits (…, H, W), the only order that tensors take; (0,
            1) fits (H, W, C).

    Returns:
        The same kind, shape and type. The sum of the weights is 1.

    >>> import numpy as np
    >>> gaussian_blur(np.array([[0.0, 0.0, 1.0, 0.0, 0.0]]), 0.5).round(2)
    array([[0.  , 0.11, 0.79, 0.11, 0.  ]])
    """
    blurred: Any = x
    for axis in axes:
        blurred = (_blur_tensor if is_torch_array(x) else _blur_array)(blurred, sigma, axis)
    return blurred


def _blur_array(x: Any, sigma: float, axis: int) -> Any:
    xp = array_namespace(x)
    radius, length = kernel_radius(sigma), x.shape[axis]
    weights = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2)) if radius else np.ones(1)
    places = [min(max(place, 0), length - 1) for place in range(-radius, length + radius)]
    padded = xp.moveaxis(xp.take(x, xp.asarray(places, device=device(x)), axis=axis), axis, 0)
    total = sum(float(weight) * padded[start : start + length, ...] for start, weight in enumerate(weights / weights.sum()))
    return xp.moveaxis(total, 0, axis)


def _blur_tensor(x: Tensor, sigma: float, axis: int) -> Tensor:
    import torch
    import torch.nn.functional as F

    radius, length = kernel_radius(sigma), x.shape[axis]
    steps = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    weights = torch.exp(-steps.square() / (2 * sigma**2)) if radius else torch.ones_like(steps)
    weights = weights / weights.sum()
    places = torch.arange(-radius, length + radius, device=x.device).clamp(0, length - 1)
    padded = x.index_select(axis, places)
    planes = padded.reshape(-1, 1, *padded.shape[-2:])  # (…, 1, H, W)
    kernel = weights[None] if axis == -1 else weights[:, None]
    return F.conv2d(planes, kernel[None, None]).reshape(x.shape)
