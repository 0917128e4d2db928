"""Inpainting: values for pixels that have none, or none that the network should see.

A missing pixel gets the weighted mean of the valid ones around it, by the push-pull pyramid of Gortler et al., "The
lumigraph", SIGGRAPH 1996. Close valid pixels count alone; far from all of them the picture's background is used.

Smooth values alone would mislead the network: it judges the noise from its whole view, and removes less of it where
patches have none. So noise of the level around is added. It depends on the place alone, and no result shows it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.inference.row_blocks import ALIGN_PIXELS
from unnoise.layers.gaussian_blur import gaussian_blur, kernel_radius
from unnoise.rng import PositionalGenerator

LEVELS = 5
"""Halvings of the pyramid; a cell of the coarsest level has the side `ALIGN_PIXELS`."""
EDGE_SIGMA_PIXELS = 1.0
"""Standard deviation of the Gaussian over which valid pixels at the edge of a gap are averaged. With single pixels the
16 columns beside a gap lost 1.0 dB, with these means 0.1."""
MIN_WEIGHT = 0.05
"""Least weight of valid pixels that makes a mean, if that of all is 1."""
NOISE_SEED = 23
"""Seed of the noise that is added."""
REACH_PIXELS = 3 * ALIGN_PIXELS + kernel_radius(EDGE_SIGMA_PIXELS)
"""No pixel further away changes an inpainted value, apart from the background."""


def push_pull(x: Tensor, valid: Tensor, background: Tensor) -> Tensor:
    """Fill the pixels that are not valid with smooth values.

    Args:
        x: (P, H, W) floats, finite everywhere. Its first row is a multiple of `ALIGN_PIXELS` in the picture.
        valid: (P, H, W) of bool.
        background: (P, h, w), for each square of `ALIGN_PIXELS`, or (P, 1, 1).

    Returns:
        (P, H, W). Valid pixels stay as they are.

    >>> x = torch.tensor([[[1.0, 0.0, 3.0]]])
    >>> filled = push_pull(x, torch.tensor([[[True, False, True]]]), torch.zeros(1, 1, 1))
    >>> bool(1 < filled[0, 0, 1] < 3)
    True
    """
    if bool(valid.all()):
        return x
    height, width = x.shape[-2:]
    pad = (0, -width % ALIGN_PIXELS, 0, -height % ALIGN_PIXELS)
    weight = F.pad(valid.to(x.dtype), pad)
    values = F.pad(torch.where(valid, x, 0), pad)
    levels = []
    for _ in range(LEVELS):
        levels.append((values, weight))
        total = F.avg_pool2d(weight, 2)
        values = F.avg_pool2d(values * weight, 2) / total.clamp(min=1e-12)
        weight = (4 * total).clamp(max=1)
    rows, columns = values.shape[-2:]
    filled = values * weight + background.expand(-1, rows, columns) * (1 - weight)
    for values, weight in reversed(levels):
        coarse = F.interpolate(filled[:, None], scale_factor=2, mode="bilinear", align_corners=False)[:, 0]
        filled = values * weight + coarse * (1 - weight)
    return torch.where(valid, x, filled[:, :height, :width])


def local_means(x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of the valid pixels around each pixel, weighted by a Gaussian of `EDGE_SIGMA_PIXELS`.

    Single noisy values at the edge of a gap must not spread into it: the network would see streaks, and keep them.

    Args:
        x: (P, H, W) floats.
        valid: (P, H, W) of bool.

    Returns:
        The means (P, H, W), and where enough valid pixels lie around, of bool.

    >>> means, known = local_means(torch.tensor([[[4.0, 0.0, 9.0, 9.0, 9.0, 9.0]]]), torch.tensor([[[True] + [False] * 5]]))
    >>> means[0, 0, :2], known[0, 0]
    (tensor([4., 4.]), tensor([ True,  True,  True, False, False, False]))
    """
    weight = gaussian_blur(valid.to(x.dtype), EDGE_SIGMA_PIXELS)
    means = gaussian_blur(torch.where(valid, x, 0), EDGE_SIGMA_PIXELS) / weight.clamp(min=1e-12)
    return means, weight > MIN_WEIGHT


def noise_at(rows: slice, shape: torch.Size, sigma: Tensor) -> Tensor:
    """White Gaussian noise for rows of a picture.

    Args:
        rows: those of the picture that are wanted.
        shape: (P, rows, W).
        sigma: its standard deviation, (P, rows, W) or less.

    Returns:
        (P, rows, W), the same for a pixel whatever rows are asked for.

    >>> whole = noise_at(slice(0, 8), torch.Size((1, 8, 4)), torch.ones(1, 1, 1))
    >>> bool((noise_at(slice(3, 8), torch.Size((1, 5, 4)), torch.ones(1, 1, 1)) == whole[:, 3:]).all())
    True
    """
    # The same for each plane, so that neither the order of channels nor the other pages of a stack matter.
    first, second = PositionalGenerator(NOISE_SEED, rows.start).uniform((2, *shape[-2:]), sigma.device)
    normal = (-2 * torch.log1p(-first)).sqrt() * torch.cos(2 * torch.pi * second)  # Box and Muller
    return (normal * sigma).expand(shape)
