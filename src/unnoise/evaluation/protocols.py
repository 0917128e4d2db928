"""The scoring protocols of the field's papers. The same picture has other scores in each of them.

Importing this module does not import torch, so that the command line can list the protocols at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from unnoise.errors import UsageError
from unnoise.evaluation.metrics import GAUSSIAN, UNIFORM, SSIMWindow, check_shapes, psnr, ssim

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Score:
    """How close an image is to the clean one.

    >>> Score(psnr=30.0, ssim=0.9).ssim
    0.9
    """

    psnr: float
    """Decibels. +inf for images that are identical after the protocol's rounding."""

    ssim: float
    """At most 1. NaN for an image with a side shorter than the protocol's window."""


@dataclass(frozen=True)
class ScoringProtocol:
    """One way of scoring: how values are rounded, and over which window and channels SSIM is taken.

    >>> import torch
    >>> (score,) = lookup("default").score(torch.full((1, 3, 16, 16), 0.6), torch.full((1, 3, 16, 16), 0.5))
    >>> round(score.psnr, 2), round(score.ssim, 2)
    (20.17, 0.98)
    """

    name: str
    source: str
    """Who scores like this."""

    rounding: Literal["nearest", "half-up", "none"]
    """How both images are rounded to 8 bits.

    - *nearest*: clipped and rounded, halves to even;
    - *half-up*: clipped and rounded as ⌊255·x + 0.5⌋. Published code does this to the restored image alone; its clean
      images have 8 bits;
    - *none*: neither rounded nor clipped."""

    window: SSIMWindow
    """The neighborhood of SSIM."""

    luma: bool = False
    """Whether SSIM is taken on the luma of RGB images, and not as the mean over the channels. PSNR is always on all
    channels."""

    def score(self, restored: Tensor, clean: Tensor) -> list[Score]:
        """Score each image of `restored` against the image of `clean` at the same place.

        Args:
            restored, clean: (B, C, H, W) in 0..1, of the same shape.

        Returns:
            B scores.

        Raises:
            UsageError: the shapes differ, or are not (B, C, H, W).
        """
        check_shapes(restored, clean)
        x, y = self._levels(restored), self._levels(clean)
        decibels = psnr(x, y, 255.0)
        if self.luma and x.shape[1] == 3:
            x, y = _luma(x), _luma(y)  # (B, 1, H, W)
        similarities = ssim(x, y, window=self.window, data_range=255.0)
        return [Score(*values) for values in zip(decibels.tolist(), similarities.tolist(), strict=True)]

    def _levels(self, image: Tensor) -> Tensor:
        """The image times 255, rounded as the protocol says."""
        levels = image.double() * 255
        if self.rounding == "none":
            return levels
        return ((levels + 0.5).floor() if self.rounding == "half-up" else levels.round()).clamp(0, 255)


def _luma(rgb: Tensor) -> Tensor:
    """RGB in 0..255, (B, 3, H, W) → Y of BT.601 in studio range, black 16 and white 235, (B, 1, H, W)."""
    red, green, blue = rgb.unbind(1)
    return ((65.481 * red + 128.553 * green + 24.966 * blue) / 255 + 16)[:, None]


_PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        ScoringProtocol("default", "rounded to 8 bits; SSIM 11×11 Gaussian, RGB", "nearest", GAUSSIAN),
        ScoringProtocol(
            "ap-bsn", "AP-BSN (Lee et al., CVPR 2022), SS-BSN: half up to 8 bits; SSIM 7×7, RGB", "half-up", UNIFORM
        ),
        ScoringProtocol("amsnet", "AMSNet (2024): rounded to 8 bits; SSIM 11×11 Gaussian, RGB", "nearest", GAUSSIAN),
        # The published code takes the luma of a super-resolution toolbox. It has studio range, but SSIM's constants are
        # for 255.
        ScoringProtocol(
            "at-bsn", "AT-BSN (Chen et al., CVPR 2024): not rounded; SSIM 11×11 Gaussian, Y", "none", GAUSSIAN, luma=True
        ),
    )
}


def names() -> list[str]:
    """The names that `lookup` takes.

    >>> names()
    ['default', 'ap-bsn', 'amsnet', 'at-bsn']
    """
    return list(_PROTOCOLS)


def lookup(name: str) -> ScoringProtocol:
    """The protocol of this name. Raises `UsageError` for an unknown name.

    >>> lookup("at-bsn").rounding
    'none'
    """
    if name not in _PROTOCOLS:
        raise UsageError(f"There is no scoring protocol named '{name}'; choose one of {', '.join(names())}.")
    return _PROTOCOLS[name]
