"""PSNR and SSIM, and the named protocols by which the field's papers scored: the same picture reads differently in each.

Images are torch tensors (B, C, H, W) with black 0 and white 1; everything is computed in float64, one result an image.
SSIM is our own: in float64 on one core, 1024×1024 RGB takes 0.2 s and 0.1 GB here, 25 s and 5 GB in torchmetrics, which has no
sample covariance either. The tests check against scikit-image and torchmetrics.
Nothing here imports torch at start-up, so that the command line can list the protocols at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from unnoise.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Window:
    """The weights by which SSIM averages a neighbourhood: the outer product of `weights` with itself."""

    weights: tuple[float, ...]
    """One row of the window, of odd length, summing to one."""

    sample_covariance: bool = False
    """Divide variances by N − 1, N being the window's pixels, rather than N."""

    @property
    def size(self) -> int:
        """Side of the window in pixels; a smaller image has no SSIM."""
        return len(self.weights)


def _gaussian(size: int, sigma: float) -> tuple[float, ...]:
    bell = [math.exp(-((i - size // 2) ** 2) / (2 * sigma**2)) for i in range(size)]
    return tuple(weight / sum(bell) for weight in bell)


GAUSSIAN = Window(_gaussian(11, 1.5))
"""11×11, sigma 1.5, as in Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, 2004."""

UNIFORM = Window((1 / 7,) * 7, sample_covariance=True)
"""7×7, all alike, sample covariance: what scikit-image's `structural_similarity` does when told nothing."""


def psnr(restored: Tensor, clean: Tensor, data_range: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio, 10·log₁₀(data_range² / MSE), of each image; +inf where the two are identical.

    Args:
        restored, clean: (B, C, H, W), white being `data_range`.

    Returns:
        (B,) decibels, float64.

    Raises:
        UsageError: when the two differ in shape or are not (B, C, H, W).
    """
    _check(restored, clean)
    error = (restored.double() - clean.double()).square().mean(dim=(1, 2, 3))  # (B,)
    return (data_range**2 / error).log10() * 10


def ssim(restored: Tensor, clean: Tensor, *, window: Window = GAUSSIAN, data_range: float = 1.0) -> Tensor:
    """Structural similarity of each image, with K₁ = 0.01 and K₂ = 0.03.

    Averaged over the channels and over the positions where the window lies wholly inside the image.

    Args:
        restored, clean: (B, C, H, W), white being `data_range`.

    Returns:
        (B,) at most 1, float64; NaN where a side is shorter than the window.

    Raises:
        UsageError: when the two differ in shape or are not (B, C, H, W).
    """
    _check(restored, clean)
    batch, channels, height, width = restored.shape
    result = restored.new_full((batch,), math.nan).double()
    if min(height, width) < window.size or channels == 0:
        return result
    for i in range(batch):  # one channel at a time: the float64 maps of a whole photograph would not fit
        planes = (_ssim_of_plane(restored[i, c].double(), clean[i, c].double(), window, data_range) for c in range(channels))
        result[i] = sum(planes) / channels
    return result


def _ssim_of_plane(x: Tensor, y: Tensor, window: Window, data_range: float) -> float:
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    scale = window.size**2 / (window.size**2 - 1) if window.sample_covariance else 1.0
    mean_x, mean_y = _average(x, window), _average(y, window)  # (H − size + 1, W − size + 1), as all that follow
    variance_x = (_average(x * x, window) - mean_x * mean_x) * scale
    variance_y = (_average(y * y, window) - mean_y * mean_y) * scale
    covariance = (_average(x * y, window) - mean_x * mean_y) * scale
    similar = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    different = (mean_x * mean_x + mean_y * mean_y + c1) * (variance_x + variance_y + c2)
    return float((similar / different).mean())


def _average(x: Tensor, window: Window) -> Tensor:
    # Sums of shifted slices, first down, then across: torch's float64 convolution would copy the image once a weight.
    for dim in (0, 1):
        length = x.shape[dim] - window.size + 1
        total = x.narrow(dim, 0, length) * window.weights[0]
        for i in range(1, window.size):
            total.add_(x.narrow(dim, i, length), alpha=window.weights[i])
        x = total
    return x


@dataclass(frozen=True)
class Score:
    """How near an image is to the clean one."""

    psnr: float
    """Decibels; +inf when the two are identical under the protocol's rounding."""

    ssim: float
    """At most 1; NaN when a side is shorter than the protocol's window."""


@dataclass(frozen=True)
class Protocol:
    """One way of scoring: how values are rounded first, and over which window and channels SSIM is taken."""

    name: str
    source: str
    """Who scores like this."""

    rounding: Literal["nearest", "half-up", "none"]
    """*nearest*: both images are clipped and rounded to 8 bits, halves to even. *half-up*: the same as ⌊255·x + 0.5⌋ (published
    code does so to the restored one alone, but reads clean ones of 8 bits only). *none*: neither rounded nor clipped."""

    window: Window
    """Neighbourhood of the SSIM."""

    luma: bool = False
    """Take the SSIM on the luma of RGB images rather than as the mean over the channels; the PSNR is on all channels."""

    def score(self, restored: Tensor, clean: Tensor) -> list[Score]:
        """Score each image of `restored` by the same one of `clean`, both (B, C, H, W) in 0..1.

        Raises:
            UsageError: when the two differ in shape or are not (B, C, H, W).
        """
        _check(restored, clean)
        x, y = self._levels(restored), self._levels(clean)
        decibels = psnr(x, y, 255.0)
        if self.luma and x.shape[1] == 3:
            x, y = _luma(x), _luma(y)  # (B, 1, H, W)
        similarities = ssim(x, y, window=self.window, data_range=255.0)
        return [Score(*values) for values in zip(decibels.tolist(), similarities.tolist(), strict=True)]

    def _levels(self, image: Tensor) -> Tensor:
        """The image in 0..255, rounded as the protocol says."""
        levels = image.double() * 255
        if self.rounding == "none":
            return levels
        return ((levels + 0.5).floor() if self.rounding == "half-up" else levels.round()).clamp(0, 255)


def _luma(rgb: Tensor) -> Tensor:
    """Y of BT.601 in studio range, black 16 and white 235, of RGB in 0..255: (B, 3, H, W) → (B, 1, H, W)."""
    red, green, blue = rgb.unbind(1)
    return ((65.481 * red + 128.553 * green + 24.966 * blue) / 255 + 16)[:, None]


_PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("default", "rounded to 8 bits; SSIM 11×11 Gaussian, RGB", "nearest", GAUSSIAN),
        Protocol("ap-bsn", "AP-BSN (Lee et al., CVPR 2022), SS-BSN: half up to 8 bits; SSIM 7×7, RGB", "half-up", UNIFORM),
        Protocol("amsnet", "AMSNet (2024): rounded to 8 bits; SSIM 11×11 Gaussian, RGB", "nearest", GAUSSIAN),
        # Published code takes the luma of a super-resolution toolbox: studio range, yet SSIM's constants for a range of 255.
        Protocol("at-bsn", "AT-BSN (Chen et al., CVPR 2024): not rounded; SSIM 11×11 Gaussian, Y", "none", GAUSSIAN, luma=True),
    )
}


def protocols() -> list[str]:
    """The names that `protocol` takes."""
    return list(_PROTOCOLS)


def protocol(name: str) -> Protocol:
    """The protocol behind a name. Raises `UsageError` for an unknown one."""
    if name not in _PROTOCOLS:
        raise UsageError(f"There is no scoring protocol named '{name}'; choose one of {', '.join(protocols())}.")
    return _PROTOCOLS[name]


def _check(restored: Tensor, clean: Tensor) -> None:
    if restored.shape != clean.shape or restored.dim() != 4:
        shapes = f"{tuple(restored.shape)} and {tuple(clean.shape)}"
        raise UsageError(f"Scoring takes two tensors of one shape (B, C, H, W), but got {shapes}; crop or stack them to match.")
