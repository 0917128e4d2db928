"""Pixel masks: which pixels a network sees, and which it must predict without seeing them.

Masks are boolean and the same for all channels. True is a *visible* pixel (the M of the AMSNet paper), False a *hidden*
one. They are drawn on the generator's device, usually the CPU, so every device draws the same.

Liao et al., "Asymmetric Mask Scheme for Self-Supervised Real Image Denoising", ECCV 2024, Eqs. 2 and 5.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.rng import PositionalGenerator, RandomSource, integers, uniform


def random_mask(batch: int, height: int, width: int, keep: float, generator: RandomSource) -> Tensor:
    """A mask with each pixel visible with a given probability, independently: (B, 1, H, W).

    Args:
        batch, height, width: its shape.
        keep: the probability, in 0..1.
        generator: of the random numbers.

    Raises:
        ValueError: for a probability outside of 0..1.

    Example:
        >>> random_mask(1, 2, 3, 1.0, torch.Generator()).all()
        tensor(True)
    """
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
    """k masks that hide each pixel exactly `overlap` times: (k, B, 1, H, W).

    Each pixel falls into one of k parts at random, as in the published code, so the parts are about equally large. Mask
    i hides part i. Eq. 5: at each pixel the masks sum to k − 1. With an overlap o, mask i hides the parts i, i − 1, …,
    i − o + 1 (modulo k), which is o/k of the pixels.

    Args:
        count: k ≥ 2.
        batch, height, width: the shape of each mask.
        generator: of the random numbers.
        overlap: how many masks hide each pixel, 1 ≤ overlap < k.
        device: of the masks.

    Raises:
        ValueError: for a number of masks or an overlap out of range.

    Example:
        >>> (~complementary_masks(4, 1, 8, 8, torch.Generator())).sum(0).unique().tolist()
        [1]
    """
    if count < 2:
        raise ValueError(f"At least two masks are needed to hide each pixel once and to show it too, got {count}.")
    if not 1 <= overlap < count:
        raise ValueError(f"Of {count} masks 1 to {count - 1} can hide a pixel, not {overlap}.")
    shape = (batch, 1, height, width)
    if isinstance(generator, PositionalGenerator):
        part = (generator.uniform(shape, device) * count).long()
    else:
        part = integers(count, shape, generator, device)
    return (_numbers(count, part.device) - part) % count >= overlap  # (k, B, 1, H, W)


def checkerboard_masks(batch: int, height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """The two masks of a checkerboard, (2, B, 1, H, W). The first hides the pixels with even i + j, the second the
    others.

    The four nearest neighbours of every hidden pixel are visible, which no random mask can promise.

    Example:
        >>> checkerboard_masks(1, 1, 3)[0].tolist()
        [[[[False, True, False]]]]
    """
    rows, columns = torch.arange(height, device=device), torch.arange(width, device=device)
    part = (rows[:, None] + columns) % 2  # (H, W)
    return (part != _numbers(2, part.device)).expand(2, batch, 1, height, width)


def _numbers(count: int, device: torch.device) -> Tensor:
    return torch.arange(count, device=device).reshape(count, 1, 1, 1, 1)
