"""Whether a grey picture of 8 bits is coded for display, as its noise tells.

The file does not say it: photographs are coded about as by sRGB, microscopes write what they counted. But the noise of light grows with
its square root. In proportion to light it is twice as strong where a picture is four times as bright, while the curve for display
evens it out, and more; noise of one strength everywhere, as of an amplifier, lies between them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.regions import RegionSource

BLOCK = 8
"""Side in pixels of the blocks in which noise and brightness are measured."""
BINS = 8
"""Of brightness, each of at least `FEW` blocks."""
FEW = 32
QUIET = 0.25
"""Quantile of the blocks of one brightness, by how much changes in them, that holds noise alone."""
INSIDE = 0.02, 0.9
"""Brightness of blocks that black and white leave alone."""
SPREAD = 0.045
"""Standard deviation of the logarithm of brightness from which on a slope can be told."""
STEEP = 0.38
"""Exponent of brightness from which on noise is that of light itself, 0.5: simulated counts have 0.41 to 0.66, white noise up to 0.33,
nine of ten photographs of SIDD and PolyU in grey less than 0.4."""


def is_in_proportion(view: RegionSource) -> bool:
    """Whether noise grows with brightness as that of light does; no where it cannot be told."""
    brightness, noise = _blocks(view.sample_windows())
    if len(brightness) < 2 * FEW:
        return False
    order = brightness.argsort()
    bins = order.tensor_split(min(BINS, len(order) // FEW))
    x = torch.stack([brightness[chosen].mean() for chosen in bins]).log()
    y = torch.stack([noise[chosen].quantile(QUIET) for chosen in bins])
    if not (y > 0).all() or x.std(correction=0) < SPREAD:
        return False
    x = x - x.mean()
    return bool((x * y.log()).mean() / x.square().mean() > STEEP)


def _blocks(windows: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Brightness of the blocks of all windows (1, C, h, w), and how strongly neighbouring pixels differ in them; (n,) each."""
    second = torch.tensor([1.0, -2.0, 1.0])  # blind to slopes
    kernel = second[:, None] * second
    found = []
    for window in windows:
        planes = window.cpu().flatten(0, 1)[:, None]  # (C, 1, h, w)
        if min(planes.shape[-2:]) < BLOCK + 2:
            continue
        changes = F.conv2d(planes, kernel[None, None]).abs()
        found.append(torch.stack([F.avg_pool2d(x, BLOCK).flatten() for x in (planes[..., 1:-1, 1:-1], changes)]))
    brightness, noise = torch.cat(found, dim=-1) if found else torch.zeros(2, 0)
    inside = (brightness > INSIDE[0]) & (brightness < INSIDE[1])
    return brightness[inside], noise[inside]
