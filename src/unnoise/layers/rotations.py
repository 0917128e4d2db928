"""Quarter turns and moves: how one trunk that sees half of the picture serves all four directions.

A trunk whose receptive field points up sees, in the picture turned four times, what lies above, left of, below and right of
each pixel. Direction d = 0, 1, 2, 3 is where "down" of the d-th turn points in the upright picture: down, right, up, left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.layers.fused_convolution import can_fuse, can_fuse_on_cpu
from unnoise.regions import Region, rotate_region

TOGETHER = 2**18
"""Up to so many pixels the four turns run as one batch on a GPU, which a small picture does not fill."""

_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


def in_four_turns(trunk: Callable[[Tensor], Tensor], x: Tensor) -> list[Tensor]:
    """Run `trunk` on (B, C, H, W) and its three clockwise quarter turns, and turn the four results upright again.

    The trunk must keep the size. Turns of equal size share one batch; in an oblong picture these are two and two.
    Returns four tensors (B, C', H, W), one for each direction.
    """
    if can_fuse_on_cpu(x) or (can_fuse(x) and len(x) * x.shape[-2] * x.shape[-1] > TOGETHER):
        # One after the other: as fast where maps are large, and a quarter of the memory.
        separate = [[trunk(torch.rot90(image, -turn, (2, 3))) for image in x.chunk(len(x))] for turn in range(4)]
        return [torch.rot90(parts[0] if len(parts) == 1 else torch.cat(parts), n, (2, 3)) for n, parts in enumerate(separate)]
    square = x.shape[-2] == x.shape[-1]
    results: dict[int, Tensor] = {}
    for turns in [(0, 1, 2, 3)] if square else [(0, 2), (1, 3)]:
        batch = torch.cat([torch.rot90(x, -turn, (2, 3)) for turn in turns])  # (B·turns, C, H, W) or (B·turns, C, W, H)
        results.update(zip(turns, trunk(batch).chunk(len(turns)), strict=True))
    return [torch.rot90(results[turn], turn, (2, 3)) for turn in range(4)]


def parts_in_four_turns(part: Callable[[Tensor, Region], Tensor], x: Tensor, places: Sequence[Region]) -> list[Tensor]:
    """`in_four_turns` where a part of each direction's result will do.

    Args:
        part: as `Denoiser.part` does, from turned images and the place wanted of them to the trunk's result there.
        x: (B, C, H, W).
        places: four, one for each direction, in x as it stands.

    Returns:
        (B, C', rows, columns), one for each direction, upright.
    """
    results = []
    for turn, place in enumerate(places):
        size = x.shape[-2], x.shape[-1]
        for _ in range(-turn % 4):
            place, size = rotate_region(place, size), size[::-1]
        results.append(torch.rot90(part(torch.rot90(x, -turn, (2, 3)), place), turn, (2, 3)))
    return results


def offset(direction: int, distance: int) -> tuple[int, int]:
    """Rows and columns that a move by `distance` pixels in `direction` goes, positive down and right."""
    rows, columns = _STEPS[direction]
    return rows * distance, columns * distance


def move(x: Tensor, direction: int, distance: int) -> Tensor:
    """Move the contents of (B, C, H, W) by `distance` ≥ 0 pixels; zeros enter behind them and what leaves is lost."""
    rows, columns = offset(direction, distance)
    return window(x, -rows, -columns, *x.shape[-2:])


def window(x: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """Cut height × width out of (B, C, H, W), beginning at row `top` and column `left`; outside of the picture are zeros."""
    bottom, right = top + height - x.shape[-2], left + width - x.shape[-1]
    if not (top or left or bottom or right):
        return x
    if max(-left, right, -top, bottom) <= 0:  # nothing outside: a view will do
        return x[..., top : top + height, left : left + width]
    if top >= x.shape[-2] or left >= x.shape[-1] or top + height <= 0 or left + width <= 0:  # all outside; F.pad would object
        return x.new_zeros(*x.shape[:-2], height, width)
    return F.pad(x, (-left, right, -top, bottom))


def add_window(total: Tensor, x: Tensor, top: int, left: int) -> None:
    """total += window(x, top, left, …) of total's size, in place and without making the window."""
    rows, from_rows = _overlap(top, total.shape[-2], x.shape[-2])
    columns, from_columns = _overlap(left, total.shape[-1], x.shape[-1])
    total[..., rows, columns] += x[..., from_rows, from_columns]


def put_window(target: Tensor, x: Tensor, top: int, left: int) -> None:
    """Write window(x, top, left, …) of the target's size into it where it lies in x; the rest stays as it is."""
    rows, from_rows = _overlap(top, target.shape[-2], x.shape[-2])
    columns, from_columns = _overlap(left, target.shape[-1], x.shape[-1])
    target[..., rows, columns] = x[..., from_rows, from_columns]


def _overlap(start: int, length: int, available: int) -> tuple[slice, slice]:
    """Which part of the span `start` … `start + length` lies in 0 … `available`: counted from `start`, and from 0."""
    first, last = max(start, 0), max(min(start + length, available), max(start, 0))
    return slice(first - start, last - start), slice(first, last)
