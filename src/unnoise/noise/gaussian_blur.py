"""Averages over neighbours, of tensors on any device; `filters.blur` does the same for the camera's arrays."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def blur(x: Tensor, sigma: float) -> Tensor:
    """Gaussian averages over neighbours, (…, H, W) → the same; the borders are continued."""
    radius = 3 * round(sigma)
    steps = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-steps.square() / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    planes = x.reshape(-1, 1, *x.shape[-2:])  # (…, 1, H, W)
    planes = F.conv2d(F.pad(planes, (radius, radius, 0, 0), mode="replicate"), kernel[None, None, None])
    planes = F.conv2d(F.pad(planes, (0, 0, radius, radius), mode="replicate"), kernel[None, None, :, None])
    return planes.reshape(x.shape)
