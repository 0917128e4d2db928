"""The one Gaussian blur of the library, for NumPy arrays and torch tensors. Importing it does not load torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

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
        x: floats of any shape, a NumPy array or a torch tensor on any device.
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
        blurred = _blur_array(blurred, sigma, axis) if isinstance(x, np.ndarray) else _blur_tensor(blurred, sigma, axis)
    return blurred


def _blur_array(x: NDArray[Any], sigma: float, axis: int) -> NDArray[Any]:
    radius, length = kernel_radius(sigma), x.shape[axis]
    weights = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2)) if radius else np.ones(1)
    weights = (weights / weights.sum()).astype(x.dtype)
    padded = np.take(x, np.clip(np.arange(-radius, length + radius), 0, length - 1), axis)
    slices = (np.moveaxis(padded, axis, 0)[start : start + length] for start in range(2 * radius + 1))
    total: NDArray[Any] = sum(weight * part for weight, part in zip(weights, slices, strict=True))
    return np.moveaxis(total, 0, axis)


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
