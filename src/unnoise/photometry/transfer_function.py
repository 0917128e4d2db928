"""The transfer function of a grey 8-bit picture, linear or display, as its noise tells.

The file does not say it. Photographs are coded about as sRGB is, and microscopes write what they counted. Photon noise
grows with the square root of brightness: in linear values it is twice as strong where a picture is four times as
bright. The display curve more than evens that out. Noise of one strength everywhere, such as an amplifier's, lies
between the two.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.deprecated.module_names import renamed
from unnoise.regions import RegionSource

BLOCK_PIXELS = 8
"""Side in pixels of the blocks in which noise and brightness are measured."""
BINS = 8
"""Of brightness, each of at least `MIN_BLOCKS` blocks."""
MIN_BLOCKS = 32
QUIET_QUANTILE = 0.25
"""Quantile of the blocks of one brightness, by how much changes in them, that holds noise alone."""
UNCLIPPED_RANGE = 0.02, 0.9
"""Brightness of blocks that black and white leave alone."""
MIN_LOG_SPREAD = 0.045
"""Standard deviation of the logarithm of brightness from which on a slope can be told."""
LINEAR_EXPONENT = 0.38
"""Exponent of brightness from which on noise is that of light itself, 0.5: simulated counts have 0.41 to 0.66, white noise up to 0.33,
nine of ten photographs of SIDD and PolyU in grey less than 0.4."""


def is_linear(view: RegionSource) -> bool:
    """Whether noise grows with brightness as that of light does; no where it cannot be told."""
    brightness, noise = _blocks(view.sample_windows())
    if len(brightness) < 2 * MIN_BLOCKS:
        return False
    order = brightness.argsort()
    bins = order.tensor_split(min(BINS, len(order) // MIN_BLOCKS))
    x = torch.stack([brightness[chosen].mean() for chosen in bins]).log()
    y = torch.stack([noise[chosen].quantile(QUIET_QUANTILE) for chosen in bins])
    if not (y > 0).all() or x.std(correction=0) < MIN_LOG_SPREAD:
        return False
    x = x - x.mean()
    return bool((x * y.log()).mean() / x.square().mean() > LINEAR_EXPONENT)


def _blocks(windows: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Brightness of the blocks of all windows (1, C, h, w), and how strongly neighbouring pixels differ in them; (n,) each."""
    second = torch.tensor([1.0, -2.0, 1.0])  # blind to slopes
    kernel = second[:, None] * second
    found = []
    for window in windows:
        planes = window.cpu().flatten(0, 1)[:, None]  # (C, 1, h, w)
        if min(planes.shape[-2:]) < BLOCK_PIXELS + 2:
            continue
        changes = F.conv2d(planes, kernel[None, None]).abs()
        found.append(torch.stack([F.avg_pool2d(x, BLOCK_PIXELS).flatten() for x in (planes[..., 1:-1, 1:-1], changes)]))
    brightness, noise = torch.cat(found, dim=-1) if found else torch.zeros(2, 0)
    inside = (brightness > UNCLIPPED_RANGE[0]) & (brightness < UNCLIPPED_RANGE[1])
    return brightness[inside], noise[inside]


__getattr__ = renamed(__name__, {"is_in_proportion": "is_linear"})
