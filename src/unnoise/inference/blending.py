"""Blending: how much of a restoration is applied. Its strength is the same everywhere; its detail depends on the place.

Both work on the finished restoration. So another strength needs no further pass of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, Protocol

from unnoise.array_api import array_namespace
from unnoise.errors import UsageError
from unnoise.inference.bounded_removal import ALIGN_PIXELS as BOUND_ALIGN_PIXELS
from unnoise.inference.bounded_removal import FINE_ALIGN_PIXELS, FINE_RADIUS_PIXELS
from unnoise.inference.coarse_bounds import CoarseBounds
from unnoise.inference.coarse_pass import CoarsePass
from unnoise.inference.do_no_harm import Guard
from unnoise.inference.sources import PixelSource
from unnoise.inference.stores import Store
from unnoise.layers.gaussian_blur import gaussian_blur
from unnoise.noise.residual_level import WINDOW_PIXELS, ResidualLevel
from unnoise.photometry.array_ops import T, add_product, average_pool, clip, concat, copy, lerp, upsample_bilinear
from unnoise.regions import sample_windows

CELL_PIXELS = 4
"""Side in pixels of the cells whose means are compared. There are 16 times fewer cells than pixels."""
WINDOW_SIGMA_PIXELS = 3.0
"""Standard deviation in pixels of the Gaussian over which the residual's power is averaged."""
STRUCTURE_POWER_RATIO = 2.0
"""A residual counts as structure where its power exceeds this many times the noise's power.

At 1, chance puts noise back: 1.5 dB on the validation scenes of SIDD, against 0.01 dB at 2. Pictures with next to no
noise gain 1 to 4 dB at either value.
"""
RADIUS_PIXELS = CELL_PIXELS * (3 * round(WINDOW_SIGMA_PIXELS / CELL_PIXELS) + 1)
"""Radius in pixels of the surroundings that `keep_detail` uses. Regions that begin at multiples of `CELL_PIXELS` agree
with the whole."""


STRIP_HALOS = 2
"""Height of a strip of a large picture, in halos, at least. So what is read around strips is at most as much as they are."""


class NoiseCurve(Protocol):
    """The standard deviation of noise by brightness, as `keep_detail` uses it; `ResidualLevel` is one."""

    def at(self, restored: Any) -> Any:
        """The standard deviation of the noise at each brightness, (B, C, H, W) → (B, C, H, W)."""
        ...


def check(**shares: float | None) -> None:
    """Check named shares. Raises `UsageError` for one outside 0..1; None is allowed.

    >>> check(strength=0.5, detail=None)
    """
    for name, value in shares.items():
        if value is not None and not 0 <= value <= 1:
            raise UsageError(f"The {name} must lie between 0 and 1, got {value:g}.")


def blend(noisy: T, restored: T, strength: float = 1.0, detail: float = 0.0, level: NoiseCurve | None = None) -> T:
    """Mix a restoration with the noisy picture.

    Args:
        noisy, restored: (B, C, H, W) in 0..1.
        strength: weight of the restoration. 0 gives a copy of `noisy`, bit for bit; 1 gives the restoration.
        detail: share of the structure that is put back first; see `keep_detail`.
        level: the noise by brightness; None: it is measured in windows of this picture, and B must be 1.

    Returns:
        (B, C, H, W).

    Raises:
        UsageError: a share is not within 0..1.

    >>> import torch
    >>> blend(torch.zeros(1, 1, 1, 2), torch.ones(1, 1, 1, 2), strength=0.25)
    tensor([[[[0.2500, 0.2500]]]])
    """
    check(strength=strength, detail=detail)
    if strength == 0:
        return copy(noisy)
    if detail > 0:
        restored = keep_detail(noisy, restored, detail, level or ResidualLevel.in_windows(noisy, restored))
    return restored if strength == 1 else lerp(noisy, restored, strength)


def keep_detail(noisy: T, restored: T, detail: float, level: NoiseCurve) -> T:
    """Put back structure that was removed with the noise: a Wiener filter on the residual, all channels together.

    R is the power of the residual around a pixel, N that of the noise at its brightness, and s is `STRUCTURE_POWER_RATIO`.
    Where R > s·N, the residual contains structure, and the share `detail`·(1 − s·N/R) of it is put back. Elsewhere
    nothing is.

    Args:
        noisy, restored: (B, C, H, W) in 0..1.
        detail: 0..1.
        level: the noise by brightness.

    Returns:
        (B, C, H, W).

    >>> import torch
    >>> class Level:
    ...     def at(self, restored):
    ...         return torch.full_like(restored, 0.1)
    >>> noisy = torch.rand(1, 3, 16, 16)
    >>> torch.equal(keep_detail(noisy, noisy, 1.0, Level()), noisy)
    True
    """
    xp: Any = array_namespace(noisy, restored)
    taken: Any = noisy - restored
    power = average_pool(xp.mean(xp.square(taken), axis=1, keepdims=True), CELL_PIXELS)  # (B, 1, h, w)
    expected = xp.mean(xp.square(level.at(average_pool(restored, CELL_PIXELS))), axis=1, keepdims=True)  # (B, 1, h, w)
    power, expected = (gaussian_blur(x, WINDOW_SIGMA_PIXELS / CELL_PIXELS) for x in (power, expected))
    share = detail * clip(1 - STRUCTURE_POWER_RATIO * expected / clip(power, 1e-12), 0, 1)
    height, width = noisy.shape[-2:]
    share = upsample_bilinear(share, CELL_PIXELS)[..., :height, :width]  # (B, 1, H, W)
    return add_product(restored, share, taken)


def blends(strength: float, detail: float, guards: Sequence[Guard] | None = None) -> bool:
    """Whether anything is to be done to a restoration: else it is the result.

    >>> blends(1.0, 0.0), blends(0.5, 0.0)
    (False, True)
    """
    return strength < 1 or detail > 0 or bool(guards)


def blend_stored(
    source: PixelSource,
    store: Store,
    strength: float,
    detail: float,
    guards: Sequence[Guard] | None = None,
    after_rows: Callable[[int], None] | None = None,
) -> None:
    """Apply guards, `detail` and `strength` to a stored restoration, strip by strip.

    For `detail`, the noise of each picture of a batch is measured in windows spread over that picture. Then a guard bounds
    the removal by the noise of the whole picture.

    Args:
        source: the noisy picture or batch, (B, C, H, W).
        store: the restoration, which is changed.
        strength: above 0, at most 1.
        detail: 0..1.
        guards: one for each picture of the batch; None or empty: the removal is not bounded.
        after_rows: called after each strip, with the number of rows that are done.

    >>> import numpy as np
    >>> import torch
    >>> from unnoise import images
    >>> from unnoise.inference.sources import source_of_tensor
    >>> from unnoise.inference.stores import TensorStore
    >>> tensor, form = images.to_tensor(np.full((16, 16, 3), 100, np.uint8))
    >>> store = TensorStore(torch.zeros_like(tensor))
    >>> blend_stored(source_of_tensor(tensor, form, None), store, strength=0.5, detail=0.0)
    >>> torch.allclose(store.tensor, tensor / 2)
    True
    """
    if not blends(strength, detail, guards):
        return
    height, width = source.size
    levels = _levels(source, store) if detail > 0 else None
    around_detail = RADIUS_PIXELS if levels else 0
    halo = -(-FINE_RADIUS_PIXELS // FINE_ALIGN_PIXELS) * FINE_ALIGN_PIXELS if guards else 0
    align = BOUND_ALIGN_PIXELS if guards else CELL_PIXELS
    # Strips begin at multiples of cells, so that they agree with the whole. What is read around a strip ends within its neighbours.
    least = max(STRIP_HALOS * (halo + around_detail), (source.strip_pixels or 0) // width, 1)
    step = height if source.strip_pixels is None else -(-least // align) * align

    def read(rows: slice) -> tuple[Any, Any]:
        """With detail put back."""
        first, last = max(rows.start - around_detail, 0), min(rows.stop + around_detail, height)
        around, own = (slice(first, last), slice(0, width)), slice(rows.start - first, rows.stop - first)
        noisy, restored = source.read(*around), store.read(*around)
        pictures = [slice(n, n + 1) for n in range(len(noisy))]
        blended = [
            blend(noisy[part], restored[part], 1.0, detail, level)
            for part, level in zip(pictures, levels or repeat(None), strict=False)
        ]
        return noisy[..., own, :], concat(blended)[..., own, :]

    coarse = CoarsePass(source.size, guards, read, step) if guards and step < height else None
    waiting: tuple[slice, Any] | None = None  # not yet written, since the strip below reads these rows
    for top in range(0, height, step):
        rows = slice(top, min(top + step, height))
        seen = slice(max(rows.start - halo, 0), min(rows.stop + halo, height))
        bounds = coarse.at(seen) if coarse else repeat(None)
        noisy, restored = read(seen)
        blended = [
            _guarded(noisy[n : n + 1], restored[n : n + 1], strength, guard, bound)
            for n, guard, bound in zip(range(len(noisy)), guards or repeat(None), bounds, strict=False)
        ]
        strip = concat(blended)
        if waiting:
            store.write(*waiting)
        waiting = rows, strip[..., rows.start - seen.start : rows.stop - seen.start, :]
        if after_rows:
            after_rows(rows.stop)
    if waiting:
        store.write(*waiting)


def blend_guarded(
    noisy: Any,
    restored: Any,
    strength: float,
    detail: float,
    guard: Guard | None,
    level: NoiseCurve | None = None,
) -> Any:
    """Apply `detail`, then a guard, then `strength`, to one picture or a strip of it.

    Args:
        noisy, restored: (1, C, H, W) each, in 0..1.
        strength, detail, level: as for `blend`.
        guard: of the whole picture; None: the removal is not bounded.

    Returns:
        (1, C, H, W).

    >>> import torch
    >>> noisy, restored = torch.full((1, 1, 8, 8), 0.5), torch.zeros(1, 1, 8, 8)
    >>> blend_guarded(noisy, restored, 0.5, 0.0, None).mean().item()
    0.25
    """
    return _guarded(noisy, blend(noisy, restored, 1.0, detail, level), strength, guard, None)


def _guarded(noisy: Any, restored: Any, strength: float, guard: Guard | None, coarse: Sequence[CoarseBounds] | None) -> Any:
    bounded: Any = guard.apply(noisy, restored, coarse) if guard else restored
    return blend(noisy, bounded, strength)


def _levels(source: PixelSource, store: Store) -> list[ResidualLevel]:
    """Measure the noise of each picture of a batch, in windows laid side by side."""
    windows = sample_windows(source.size, WINDOW_PIXELS)
    noisy, restored = (
        concat([pixels.read(*window) for window in windows], axis=-1) for pixels in (source, store)
    )  # (B, C, side, windows · side)
    return [ResidualLevel.measure(noisy[n : n + 1], restored[n : n + 1]) for n in range(len(noisy))]
