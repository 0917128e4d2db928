"""Pixel masks: which pixels a network is shown, and which it has to predict without seeing them.

Masks are boolean, True where a pixel is *kept* (the M of the AMSNet paper) and False where it is *hidden*, alike for all channels.
They are drawn on the generator's device, the CPU as a rule, so that every device draws the same.

Liao et al., "Asymmetric Mask Scheme for Self-Supervised Real Image Denoising", ECCV 2024, Eqs. 2 and 5.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.rng import PositionalGenerator, RandomSource, uniform


def random_mask(batch: int, height: int, width: int, keep: float, generator: RandomSource) -> Tensor:
    """A mask that keeps each pixel by itself with the probability `keep`, in 0..1: (B, 1, H, W)."""
    if not 0 <= keep <= 1:
        raise ValueError(f"A mask keeps a share of the pixels in 0..1, got {keep}.")
    return uniform((batch, 1, height, width), generator) < keep


def complementary_masks(
    count: int,
    batch: int,
    height: int,
    width: int,
    generator: RandomSource,
    *,
    overlap: int = 1,
    device: torch.device | str = "cpu",
) -> Tensor:
    """`count` masks on `device` that hide each pixel exactly once, or `overlap` times: (k, B, 1, H, W), k ≥ 2, 1 ≤ overlap < k.

    Each pixel falls into one of the k parts by itself, as in the published code, so that the parts are of about the same size; mask
    i hides part i. Eq. 5: the masks add up to k − 1 at each pixel, what they hide to one. With an overlap o mask i hides the parts
    i, i − 1, …, i − o + 1 (counted round), which is o/k of the pixels; with o = k − 1 it keeps one part alone.
    """
    if count < 2:
        raise ValueError(f"At least two masks are needed to hide each pixel once and to show it too, got {count}.")
    if not 1 <= overlap < count:
        raise ValueError(f"Of {count} masks 1 to {count - 1} can hide a pixel, not {overlap}.")
    shape = (batch, 1, height, width)
    if isinstance(generator, PositionalGenerator):
        part = (generator.uniform(shape, device) * count).long()
    else:
        part = torch.randint(count, shape, generator=generator, device=generator.device).to(device)
    return (_numbers(count, part.device) - part) % count >= overlap  # (k, B, 1, H, W)


def checkerboard_masks(batch: int, height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """The two masks of a checkerboard, (2, B, 1, H, W): the first hides the pixels with even i + j, the second the others.

    Every hidden pixel has its four nearest neighbours kept, which no random mask can promise.
    """
    rows, columns = torch.arange(height, device=device), torch.arange(width, device=device)
    part = (rows[:, None] + columns) % 2  # (H, W)
    return (part != _numbers(2, part.device)).expand(2, batch, 1, height, width)


def _numbers(count: int, device: torch.device) -> Tensor:
    return torch.arange(count, device=device).reshape(count, 1, 1, 1, 1)
