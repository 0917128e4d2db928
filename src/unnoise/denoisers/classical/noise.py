"""The noise that a classical denoiser is told: its level and correlation, channel by channel.

Demosaicking makes the noises of red, green and blue alike. So for colors the noise is also measured in the channels that
BM3D works in: brightness and two differences of colors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.noise.autocovariance import autocovariance
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.regions import RegionSource

OPPONENT = torch.tensor([[1 / 3, 1 / 3, 1 / 3], [1 / 2, 0.0, -1 / 2], [1 / 4, -1 / 2, 1 / 4]], dtype=torch.float64)
"""Brightness and two differences of colors, from red, green and blue (Dabov et al., ICIP 2007)."""
_ZERO = torch.tensor([0.0, 0.5, 0.5])
"""What is added to them so that they lie in 0..1."""
SMOOTHING_PIXELS = 8
"""Side of the means that stand for the brightness without noise."""


@dataclass(frozen=True)
class Noise:
    """Stationary noise.

    >>> Noise.white(0.1, channels=3).sigma.round(decimals=3).tolist()
    [0.1..., 0.1..., 0.1...]
    """

    sigma: Tensor
    """(C,), standard deviations of a pixel, float64."""
    correlation: Tensor
    """(C, R, R), float64: the correlation at shifts of 0, 1 … R − 1 rows and columns, 1 at (0, 0), and 0 beyond. The sign
    of a shift does not matter."""
    opponents: Noise | None = None
    """The noise of the `OPPONENT` channels; None: it follows from the others, which count as independent."""

    @classmethod
    def white(cls, sigma: float, channels: int) -> Noise:
        """White noise of one standard deviation in all channels."""
        return cls(torch.full((channels,), sigma, dtype=torch.float64), torch.ones(channels, 1, 1, dtype=torch.float64))

    def as_white(self) -> Noise:
        """White noise of the same level."""
        return Noise(self.sigma, self.correlation[:, :1, :1], self.opponents and self.opponents.as_white())

    def of_channel(self, channel: int) -> Noise:
        """The noise of one channel."""
        return Noise(self.sigma[channel : channel + 1], self.correlation[channel : channel + 1])

    def of_opponents(self) -> Noise:
        """The noise of the `OPPONENT` channels of three."""
        if self.opponents is not None:
            return self.opponents
        weights = OPPONENT.square() * self.sigma.square()  # (C', C)
        variance = weights.sum(1)
        shares = weights / variance[:, None].clamp(min=1e-300)
        return Noise(variance.sqrt(), torch.einsum("ij,jyx->iyx", shares, self.correlation))


def measure(view: RegionSource) -> Noise | None:
    """Measure the noise of a picture, (1, C, H, W) with most values in 0..1. Its mean variance over the picture counts.

    None: the picture is too small to tell, or its noise cannot be told from structure.

    >>> noisy = 0.5 + 0.05 * torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    >>> found = measure(RegionSource.of(noisy))
    >>> found is not None and abs(found.sigma.item() - 0.05) < 0.002
    True
    """
    found = _measure(view)
    if found is None or len(found.sigma) != 3:
        return found
    return replace(found, opponents=_measure(RegionSource(view.size, lambda *part: to_opponents(view.read(*part)))))


def to_opponents(colors: Tensor) -> Tensor:
    """The `OPPONENT` channels of pictures, (B, 3, H, W) → the same shape, in 0..1.

    >>> to_opponents(torch.full((1, 3, 1, 1), 0.25)).flatten().tolist()
    [0.25, 0.5, 0.5]
    """
    mixed = torch.einsum("ij,bjyx->biyx", OPPONENT.to(colors), colors)
    return mixed + _ZERO.to(colors)[:, None, None]


def _measure(view: RegionSource) -> Noise | None:
    model = estimate_noise(view)
    if model is None or model.is_none:
        return None
    means = [F.avg_pool2d(window[0], min(SMOOTHING_PIXELS, *window.shape[-2:])) for window in view.sample_windows()]
    variance = torch.cat([model.variance_at(mean).double().flatten(1) for mean in means], dim=1).mean(1)  # (C,)
    covariance = torch.from_numpy(np.stack([autocovariance(spectrum) for spectrum in model.spectrum.double().numpy()]))
    power = covariance[:, 0, 0].clamp(min=0)
    correlation = covariance / power[:, None, None].clamp(min=1e-12)
    return Noise((variance * power).sqrt(), correlation)
