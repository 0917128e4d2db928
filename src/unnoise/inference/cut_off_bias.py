"""Cut-off bias: where black or white cuts noise off, its mean is no longer 0, and a result is too bright or too dark.

Noise of the standard deviation σ on black has the mean 0.4·σ, since its lower half is missing. Photographs are corrected
in cells of linear light (`unnoise.photometry.bias_correction`). Where noise was added to coded values, its level tells
the bias of each pixel. Foi, "Clipped noisy images", Signal Processing, 2009, inverts the mean of clipped noise the same
way.
"""

from __future__ import annotations

from typing import Any

from unnoise.noise.noise_model import NoiseModel
from unnoise.photometry.array_ops import clip, match
from unnoise.photometry.photometry import is_added_noise

SHIFT_FACTOR = 1.25
"""The bias is taken for somewhat larger than it is. Plain black and white are more common than what lies just beside them, and the
inverse doubles what the mean of noise is off by."""


def without_cut_off_bias(restored: Any, noise: NoiseModel) -> Any:
    """The result with the mean that noise has before black and white cut it off.

    Args:
        restored: (1, C, H, W), with the C channels of `noise`.
        noise: of the picture, in its unit.

    Returns:
        (1, C, H, W) within `noise.low` and `noise.high`; `restored` itself if the noise is that of a sensor, or of a
        measurement.

    >>> import torch
    >>> from unnoise.noise.noise_estimation import estimate_noise
    >>> from unnoise.regions import RegionSource
    >>> light = torch.linspace(0.3, 0.6, 256).expand(1, 3, 256, 256).clone()
    >>> light[..., :64] = 0
    >>> noisy = (light + 0.05 * torch.randn(light.shape, generator=torch.Generator().manual_seed(0))).clip(0, 1)
    >>> model = estimate_noise(RegionSource.of(noisy))
    >>> mean = noisy[..., :64].mean().expand(1, 3, 8, 8)
    >>> bool(mean.max() > 0.015), bool(without_cut_off_bias(mean, model).max() < 0.01)
    (True, True)
    """
    if noise.is_none or not is_added_noise(noise.bent):
        return restored
    seen = restored[0]
    return clip(seen - SHIFT_FACTOR * noise.at(match(noise.below + noise.above, seen), seen), noise.low, noise.high)[None]
