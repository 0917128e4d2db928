"""PSNR and SSIM, computed in float64, one result for each image.

Images are torch tensors (B, C, H, W) with black 0 and white `data_range`. SSIM is our own code. For 1024×1024 RGB in
float64, one core takes 0.2 s and 0.1 GB; torchmetrics takes 25 s and 5 GB, and has no sample covariance. The tests
compare both metrics with scikit-image and torchmetrics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unnoise.deprecated.module_names import renamed
from unnoise.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SSIMWindow:
    """The weights by which SSIM averages a neighborhood: the outer product of `weights` with itself.

    >>> SSIMWindow((0.25, 0.5, 0.25)).size
    3
    """

    weights: tuple[float, ...]
    """One row of the window. Its length is odd, and its sum is 1."""

    sample_covariance: bool = False
    """Divide variances by N − 1 and not by N, where N is the number of the window's pixels."""

    @property
    def size(self) -> int:
        """Side of the window in pixels. A smaller image has no SSIM."""
        return len(self.weights)


def _gaussian(size: int, sigma: float) -> tuple[float, ...]:
    bell = [math.exp(-((i - size // 2) ** 2) / (2 * sigma**2)) for i in range(size)]
    return tuple(weight / sum(bell) for weight in bell)


GAUSSIAN = SSIMWindow(_gaussian(11, 1.5))
"""11×11, sigma 1.5, as in Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity",
2004."""

UNIFORM = SSIMWindow((1 / 7,) * 7, sample_covariance=True)
"""7×7 with equal weights and sample covariance: the default of scikit-image's `structural_similarity`."""


def psnr(restored: Tensor, clean: Tensor, data_range: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio of each image, 10·log₁₀(data_range² / MSE), with the mean over all channels.

    Args:
        restored, clean: (B, C, H, W), of the same shape.
        data_range: the value of white.

    Returns:
        (B,) decibels, float64. +inf for images that are identical.

    Raises:
        UsageError: the shapes differ, or are not (B, C, H, W).

    >>> import torch
    >>> psnr(torch.full((1, 3, 8, 8), 0.6), torch.full((1, 3, 8, 8), 0.5)).round(decimals=3)
    tensor([20.], dtype=torch.float64)
    """
    check_shapes(restored, clean)
    error = (restored.double() - clean.double()).square().mean(dim=(1, 2, 3))  # (B,)
    return (data_range**2 / error).log10() * 10


def ssim(restored: Tensor, clean: Tensor, *, window: SSIMWindow = GAUSSIAN, data_range: float = 1.0) -> Tensor:
    """Structural similarity of each image, with K₁ = 0.01 and K₂ = 0.03.

    The result is the mean over the channels and over the positions at which the whole window lies inside the image.

    Args:
        restored, clean: (B, C, H, W), of the same shape.
        window: the weights of a neighborhood.
        data_range: the value of white.

    Returns:
        (B,) at most 1, float64. NaN where a side is shorter than the window.

    Raises:
        UsageError: the shapes differ, or are not (B, C, H, W).

    >>> import torch
    >>> ramp = torch.linspace(0, 1, 16).expand(1, 1, 16, 16)
    >>> ssim(ramp, ramp).item(), ssim(ramp.flip(-1), ramp).item() < 0
    (1.0, True)
    """
    check_shapes(restored, clean)
    batch, channels, height, width = restored.shape
    result = restored.new_full((batch,), math.nan).double()
    if min(height, width) < window.size or channels == 0:
        return result
    for i in range(batch):  # one channel at a time: the float64 maps of a whole photograph would not fit
        planes = (_ssim_of_plane(restored[i, c].double(), clean[i, c].double(), window, data_range) for c in range(channels))
        result[i] = sum(planes) / channels
    return result


def _ssim_of_plane(x: Tensor, y: Tensor, window: SSIMWindow, data_range: float) -> float:
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    scale = window.size**2 / (window.size**2 - 1) if window.sample_covariance else 1.0
    mean_x, mean_y = _average(x, window), _average(y, window)  # (H − size + 1, W − size + 1), as all that follow
    variance_x = (_average(x * x, window) - mean_x * mean_x) * scale
    variance_y = (_average(y * y, window) - mean_y * mean_y) * scale
    covariance = (_average(x * y, window) - mean_x * mean_y) * scale
    similar = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    different = (mean_x * mean_x + mean_y * mean_y + c1) * (variance_x + variance_y + c2)
    return float((similar / different).mean())


def _average(x: Tensor, window: SSIMWindow) -> Tensor:
    # Sums of shifted slices, first down, then across: torch's float64 convolution would copy the image once a weight.
    for dim in (0, 1):
        length = x.shape[dim] - window.size + 1
        total = x.narrow(dim, 0, length) * window.weights[0]
        for i in range(1, window.size):
            total.add_(x.narrow(dim, i, length), alpha=window.weights[i])
        x = total
    return x


def check_shapes(restored: Tensor, clean: Tensor) -> None:
    """Raise `UsageError` unless both have the same shape (B, C, H, W).

    >>> import torch
    >>> check_shapes(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9))
    Traceback (most recent call last):
    unnoise.errors.UsageError: ...
    """
    if restored.shape != clean.shape or restored.dim() != 4:
        shapes = f"{tuple(restored.shape)} and {tuple(clean.shape)}"
        raise UsageError(f"Scoring takes two tensors of one shape (B, C, H, W), but got {shapes}; crop or stack them to match.")


__getattr__ = renamed(
    __name__,
    {"Window": "SSIMWindow"}
    | {
        name: f"unnoise.evaluation.protocols:{new}"
        for name, new in {
            "Protocol": "ScoringProtocol",
            "Score": "Score",
            "protocol": "lookup",
            "protocols": "names",
        }.items()
    },
)
