"""Rotating and shifting: how one half-plane trunk serves all four directions.

A trunk whose receptive field points up sees only what lies above a pixel. On the picture turned by 0, 90, 180 and 270
degrees it sees what lies above, left, below and right. Direction d = 0, 1, 2, 3 is where "down" of the d-th turn points
in the upright picture: down, right, up, left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.layers.fused_convolution import can_fuse, can_fuse_on_cpu
from unnoise.regions import Region, rotate_region

MAX_BATCHED_PIXELS = 2**18
"""On a GPU the four rotations run as one batch up to this many pixels. A small picture alone does not fill the GPU."""

_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


def run_in_four_rotations(trunk: Callable[[Tensor], Tensor], x: Tensor) -> list[Tensor]:
    """Run a trunk on an image and its three clockwise quarter turns, and turn the four results upright.

    Turns of equal size share one batch. In an oblong picture these are two and two.

    Args:
        trunk: (B, C, h, w) → (B, C', h, w).
        x: (B, C, H, W).

    Returns:
        Four tensors (B, C', H, W), one for each direction.

    Example:
        >>> len(run_in_four_rotations(lambda image: 2 * image, torch.rand(1, 3, 4, 6)))
        4
    """
    if can_fuse_on_cpu(x) or (can_fuse(x) and len(x) * x.shape[-2] * x.shape[-1] > MAX_BATCHED_PIXELS):
        # One after the other is as fast where maps are large, and takes a quarter of the memory.
        separate = [[trunk(torch.rot90(image, -turn, (2, 3))) for image in x.chunk(len(x))] for turn in range(4)]
        return [torch.rot90(parts[0] if len(parts) == 1 else torch.cat(parts), n, (2, 3)) for n, parts in enumerate(separate)]
    square = x.shape[-2] == x.shape[-1]
    results: dict[int, Tensor] = {}
    for turns in [(0, 1, 2, 3)] if square else [(0, 2), (1, 3)]:
        batch = torch.cat([torch.rot90(x, -turn, (2, 3)) for turn in turns])  # (B·turns, C, H, W) or (B·turns, C, W, H)
        results.update(zip(turns, trunk(batch).chunk(len(turns)), strict=True))
    return [torch.rot90(results[turn], turn, (2, 3)) for turn in range(4)]


def run_regions_in_four_rotations(
    part: Callable[[Tensor, Region], Tensor], x: Tensor, places: Sequence[Region]
) -> list[Tensor]:
    """`run_in_four_rotations`, for one region of each direction's result.

    Args:
        part: the trunk's `Denoiser.forward_region`.
        x: (B, C, H, W).
        places: four regions of the upright picture, one for each direction.

    Returns:
        Four tensors (B, C', rows, columns), upright.

    >>> whole = slice(0, 4), slice(0, 4)
    >>> x = torch.rand(1, 1, 4, 4)
    >>> results = run_regions_in_four_rotations(lambda turned, region: turned[..., *region], x, [whole] * 4)
    >>> all(torch.equal(result, x) for result in results)
    True
    """
    results = []
    for turn, place in enumerate(places):
        size = x.shape[-2], x.shape[-1]
        for _ in range(-turn % 4):
            place, size = rotate_region(place, size), size[::-1]
        results.append(torch.rot90(part(torch.rot90(x, -turn, (2, 3)), place), turn, (2, 3)))
    return results


def shift_offset(direction: int, distance: int) -> tuple[int, int]:
    """Rows and columns of a shift by `distance` pixels in a direction, positive down and right.

    Example:
        >>> shift_offset(direction=3, distance=2)
        (0, -2)
    """
    rows, columns = _STEPS[direction]
    return rows * distance, columns * distance


def shift(x: Tensor, direction: int, distance: int) -> Tensor:
    """Shift the contents of (B, C, H, W) by `distance` ≥ 0 pixels. Zeros fill the gap; what leaves the image is lost.

    Example:
        >>> shift(torch.tensor([[[[1.0, 2.0]]]]), direction=1, distance=1).tolist()
        [[[[0.0, 1.0]]]]
    """
    rows, columns = shift_offset(direction, distance)
    return shifted_window(x, -rows, -columns, *x.shape[-2:])


def shifted_window(x: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """Cut height × width from (B, C, H, W), starting at row `top` and column `left`, which may be negative; outside are
    zeros.

    Example:
        >>> shifted_window(torch.ones(1, 1, 2, 2), top=1, left=-1, height=2, width=2).tolist()
        [[[[0.0, 1.0], [0.0, 0.0]]]]
    """
    bottom, right = top + height - x.shape[-2], left + width - x.shape[-1]
    if not (top or left or bottom or right):
        return x
    if max(-left, right, -top, bottom) <= 0:  # nothing lies outside, so a view is enough
        return x[..., top : top + height, left : left + width]
    if (
        top >= x.shape[-2] or left >= x.shape[-1] or top + height <= 0 or left + width <= 0
    ):  # all lies outside, which F.pad refuses
        return x.new_zeros(*x.shape[:-2], height, width)
    return F.pad(x, (-left, right, -top, bottom))


def add_shifted_window(total: Tensor, x: Tensor, top: int, left: int) -> None:
    """Add `shifted_window(x, top, left, …)`, of the size of `total`, to `total` in place, without making the window.

    >>> total = torch.ones(1, 1, 1, 3)
    >>> add_shifted_window(total, torch.tensor([[[[5.0, 6.0, 7.0]]]]), top=0, left=1)
    >>> total
    tensor([[[[7., 8., 1.]]]])
    """
    rows, from_rows = _overlap(top, total.shape[-2], x.shape[-2])
    columns, from_columns = _overlap(left, total.shape[-1], x.shape[-1])
    total[..., rows, columns] += x[..., from_rows, from_columns]


def write_shifted_window(target: Tensor, x: Tensor, top: int, left: int) -> None:
    """Copy `shifted_window(x, top, left, …)`, of the target's size, into the target where it overlaps x; the rest
    stays.

    >>> target = torch.zeros(1, 1, 1, 3)
    >>> write_shifted_window(target, torch.tensor([[[[5.0, 6.0, 7.0]]]]), top=0, left=-1)
    >>> target
    tensor([[[[0., 5., 6.]]]])
    """
    rows, from_rows = _overlap(top, target.shape[-2], x.shape[-2])
    columns, from_columns = _overlap(left, target.shape[-1], x.shape[-1])
    target[..., rows, columns] = x[..., from_rows, from_columns]


def _overlap(start: int, length: int, available: int) -> tuple[slice, slice]:
    """Which part of `start` … `start + length` lies in 0 … `available`: counted from `start`, and counted from 0."""
    first, last = max(start, 0), max(min(start + length, available), max(start, 0))
    return slice(first - start, last - start), slice(first, last)
