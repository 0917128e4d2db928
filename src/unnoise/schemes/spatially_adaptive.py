"""The spatially adaptive scheme: a student learns flat regions from one teacher and texture from another.

Li et al., "Spatially Adaptive Self-Supervised Learning for Real-World Image Denoising", CVPR 2023, section 3.4. The
first teacher is blind to a neighbourhood: right where the picture is flat, too smooth in texture. The second sees a few
pixels alone: it keeps texture, and some noise. The deviation within 7×7 pixels of the first one's result tells which
region is which.
"""

from __future__ import annotations

from typing import Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.errors import UsageError
from unnoise.schemes.base import Network, TeacherLoader
from unnoise.schemes.distillation import Distillation

WINDOW_PIXELS = 7
"""Side of the window that the deviation is taken in."""
FLAT_BELOW, TEXTURE_ABOVE = 1.0, 5.0
"""Deviations in steps of 255: below the first a region counts as flat, above the second as texture."""


class SpatiallyAdaptive(Distillation):
    """Two teachers, in this order: one for flat regions (BNN), one for texture (LAN) → any student.

    >>> from unnoise.schemes.teachers import TeacherChoice
    >>> SpatiallyAdaptive(teachers=(TeacherChoice(model="bnn"), TeacherChoice(model="lan"))).name
    'spatially-adaptive'
    """

    name: Literal["spatially-adaptive"] = "spatially-adaptive"  # type: ignore[assignment]

    def bind(self, load_teachers: TeacherLoader, network: Denoiser) -> Self:
        bound = super().bind(load_teachers, network)
        if (count := bound._bound().count) != 2:
            raise UsageError(
                f"The scheme needs two targets, of one teacher for flat regions and one for texture, and got {count}; give "
                "--teacher twice."
            )
        return bound

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """mean |(1 − α)(y − flat)| + mean |α (y − texture)|, the paper's Eq. 6."""
        noisy, (flat, texture) = self._with_targets(noisy, generator)
        low, high = self._values
        share, restored = texture_share((flat - low) * (255 / (high - low))), network(noisy)
        return ((1 - share) * (restored - flat)).abs().mean() + (share * (restored - texture)).abs().mean()


def texture_share(image: Tensor) -> Tensor:
    """The paper's α, by the deviation σ around each pixel: (B, C, H, W) in 0..255 → (B, 1, H, W).

    sigmoid(σ − 1) where σ < 1, sigmoid(σ − 5) where σ > 5, else a half.

    Args:
        image: at least four pixels high and wide.

    Example:
        >>> texture_share(torch.zeros(1, 3, 8, 8))[0, 0, 0, 0]
        tensor(0.2689)
    """
    grey = image.mean(1, keepdim=True)
    grey = F.pad(grey - grey.mean((2, 3), keepdim=True), (WINDOW_PIXELS // 2,) * 4, mode="reflect")
    mean, square = (F.avg_pool2d(values, WINDOW_PIXELS, stride=1) for values in (grey, grey.square()))
    deviation = (square - mean.square()).clamp_min(0).sqrt()
    share = torch.where(deviation > TEXTURE_ABOVE, torch.sigmoid(deviation - TEXTURE_ABOVE), 0.5)
    return torch.where(deviation < FLAT_BELOW, torch.sigmoid(deviation - FLAT_BELOW), share)
