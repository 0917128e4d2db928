"""ScoreDVI's idea: a trained denoiser tells which pictures are likely, and a network finds the likely one behind the noise.

Cheng, Liu and Tan, "Score Priors Guided Deep Variational Inference for Unsupervised Real-World Single Image Denoising",
ICCV 2023. The gradient of the log probability of pictures, smoothed by white noise of deviation τ, is what a denoiser of
that noise takes away, over τ². The paper models the noise by mixtures of Gaussians. Here its variance is the residual's,
averaged around each pixel and taken anew in each step.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unnoise.schemes.base import Network
from unnoise.schemes.distillation import Distillation

LEAST_VARIANCE = (0.5 / 255) ** 2
"""Of the noise, in values of 0..1."""


class ScorePrior(Distillation):
    """Learns from one picture, with a denoiser of white noise as its teacher. It restores by one call.

    >>> ScorePrior(deviation=0.1).name
    'score-prior'
    """

    name: Literal["score-prior"] = "score-prior"  # type: ignore[assignment]
    deviation: Annotated[float, Field(gt=0, le=1)] = 15 / 255
    """τ, the deviation of the white noise that is added to each estimate, in values of 0..1."""
    prior: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the prior."""
    window: Annotated[int, Field(ge=1, le=63)] = 15
    """Side of the window in which the noise's variance is taken, odd."""

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """mean (y − x)² / 2s² + prior · mean (x − D(x + τε))² / 2τ², where s² and D(…) count as constants.

        Its gradient is that of the log likelihood, and of the log probability of the smoothed pictures.
        """
        low, high = self._values
        draws = generator if generator is not None else torch.Generator().manual_seed(0)
        estimate = network(noisy)
        with torch.no_grad():
            variance = local_variance(noisy - estimate, self.window).clamp_min(LEAST_VARIANCE * (high - low) ** 2)
            deviation = self.deviation * (high - low)
            smoothed = estimate + deviation * torch.randn(estimate.shape, generator=draws).to(estimate)
            likely = self._bound()(smoothed, self._values, generator).mean(0)
        likelihood = ((noisy - estimate).square() / (2 * variance)).mean()
        return likelihood + self.prior * (estimate - likely).square().mean() / (2 * deviation**2)


def local_variance(residual: Tensor, window: int) -> Tensor:
    """The mean square around each pixel, (B, C, H, W) → the same shape; at the edges of what there is.

    Args:
        residual: picture less estimate.
        window: side in pixels, odd.

    Example:
        >>> local_variance(torch.tensor([[[[1.0, -1.0, 2.0]]]]), 3)
        tensor([[[[1.0000, 2.0000, 2.5000]]]])
    """
    return F.avg_pool2d(residual.square(), window, stride=1, padding=window // 2, count_include_pad=False)
