"""How much of a restoration is wanted: less of it everywhere, or less where it may have taken detail away with the noise.

Both work on the finished restoration, so that another strength costs no pass of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.errors import UsageError
from unnoise.inference.bounded_removal import ALIGN as BOUND_ALIGN_PIXELS
from unnoise.inference.bounded_removal import REACH as BOUND_REACH_PIXELS
from unnoise.inference.do_no_harm import Guard
from unnoise.inference.sources import PixelSource
from unnoise.inference.stores import Store
from unnoise.layers.gaussian_blur import gaussian_blur
from unnoise.noise.residual_level import WINDOW_PIXELS, ResidualLevel
from unnoise.regions import sample_windows

CELL = 4
"""Side in pixels of the cells whose means are compared, of which a picture has a sixteenth as many as pixels."""
WINDOW = 3.0
"""Standard deviation in pixels of the Gaussian over which what was taken is compared with noise."""
SURE = 2.0
"""Only where more was taken than so many times the noise's power it is surely not noise alone. At 1, chance among neighbouring pixels put
noise back: 1.5 dB of it on the validation scenes of SIDD, where 2 costs 0.01; pictures with next to no noise gain 1 to 4 dB by either."""
REACH = CELL * (3 * round(WINDOW / CELL) + 1)
"""How far `keep_detail` looks, in pixels. Parts that begin at multiples of `CELL` come out as the whole does."""


class NoiseCurve(Protocol):
    """What `keep_detail` asks of a curve of noise by brightness; `ResidualLevel` is one."""

    def at(self, restored: Tensor) -> Tensor: ...


def check(**shares: float | None) -> None:
    """Raise `UsageError` for named shares that are none; None is left open, and no error."""
    for name, value in shares.items():
        if value is not None and not 0 <= value <= 1:
            raise UsageError(f"The {name} must lie between 0 and 1, got {value:g}.")


def blend(
    noisy: Tensor, restored: Tensor, strength: float = 1.0, detail: float = 0.0, level: NoiseCurve | None = None
) -> Tensor:
    """A restoration at another strength.

    Args:
        noisy, restored: (B, C, H, W) in 0..1.
        strength: 0 gives back `noisy`, bit for bit; 1 the restoration.
        detail: see `keep_detail`.
        level: of the noise, by brightness; None: measured in windows of this picture, which must then be one (B = 1).

    Raises:
        UsageError: for shares that are not within 0..1.
    """
    check(strength=strength, detail=detail)
    if strength == 0:
        return noisy.clone()
    if detail > 0:
        restored = keep_detail(noisy, restored, detail, level or ResidualLevel.in_windows(noisy, restored))
    return restored if strength == 1 else noisy.lerp(restored, strength)


def keep_detail(noisy: Tensor, restored: Tensor, detail: float, level: NoiseCurve) -> Tensor:
    """Put back what was taken where it is more than noise: Wiener's filter on the residual, channels together.

    Where the residual's power R around a pixel exceeds `SURE` times the noise's power N at its brightness, structure went with it,
    and the share 1 − SURE·N/R of the residual, times `detail`, comes back. In plain places nothing does.
    """
    taken = noisy - restored
    power = gaussian_blur(_cells(taken.square().mean(1, keepdim=True)), WINDOW / CELL)  # (B, 1, h, w)
    expected = gaussian_blur(level.at(_cells(restored)).square().mean(1, keepdim=True), WINDOW / CELL)  # (B, 1, h, w)
    share = detail * (1 - SURE * expected / power.clamp(min=1e-12)).clamp(0, 1)
    height, width = noisy.shape[-2:]
    share = F.interpolate(share, scale_factor=CELL, mode="bilinear")[..., :height, :width]  # (B, 1, H, W)
    return torch.addcmul(restored, share, taken)


def _cells(x: Tensor) -> Tensor:
    """Means, (B, C, H, W) → (B, C, ⌈H / CELL⌉, ⌈W / CELL⌉)."""
    return F.avg_pool2d(x, CELL, ceil_mode=True, count_include_pad=False)


def blend_stored(
    source: PixelSource, store: Store, strength: float, detail: float, guards: Sequence[Guard] | None = None
) -> None:
    """Change a stored restoration to what the guards allow and `strength` (above 0) and `detail` ask for, strip by strip.

    A guard bounds what was removed by the noise that was measured in the whole picture; then nothing is left for `detail` to return.
    Without a guard, `blend` measures the noise of each picture of a batch by itself, in windows spread over it.
    """
    if strength == 1 and detail == 0 and not guards:
        return
    height, width = source.size
    levels = _levels(source, store) if detail > 0 and not (guards and all(guard.bounds for guard in guards)) else None
    halo = max(REACH if levels else 0, BOUND_REACH_PIXELS if guards else 0)
    align = BOUND_ALIGN_PIXELS if guards else CELL
    # In steps of cells, so that strips agree with the whole; and a strip reads no further than into its neighbours.
    step = height if source.strip_pixels is None else -(-max(halo, source.strip_pixels // width, 1) // align) * align
    waiting: tuple[slice, Tensor] | None = None  # not written yet: the strip below still reads these rows
    for top in range(0, height, step):
        rows = slice(top, min(top + step, height))
        first = max(rows.start - halo, 0)
        around = slice(first, min(rows.stop + halo, height)), slice(0, width)
        noisy, restored = source.read(*around), store.read(*around)
        blended = [
            _blend_one(
                noisy[n : n + 1],
                restored[n : n + 1],
                strength,
                detail,
                levels[n] if levels else None,
                guards[n] if guards else None,
            )
            for n in range(len(noisy))
        ]
        strip = blended[0] if len(blended) == 1 else torch.cat(blended)
        if waiting:
            store.write(*waiting)
        waiting = rows, strip[..., rows.start - first : rows.stop - first, :]
    if waiting:
        store.write(*waiting)


def _blend_one(
    noisy: Tensor, restored: Tensor, strength: float, detail: float, level: ResidualLevel | None, guard: Guard | None
) -> Tensor:
    """One picture of a batch, or a strip of it, (1, C, H, W)."""
    if guard:
        restored = guard.apply(noisy, restored)
        detail = 0.0 if guard.bounds else detail
    return blend(noisy, restored, strength, detail, level)


def _levels(source: PixelSource, store: Store) -> list[ResidualLevel]:
    """Of each picture of a batch, measured in windows side by side."""
    windows = sample_windows(source.size, WINDOW_PIXELS)
    noisy, restored = (
        torch.cat([pixels.read(*window) for window in windows], dim=-1) for pixels in (source, store)
    )  # (B, C, side, windows · side)
    return [ResidualLevel.measure(noisy[n : n + 1], restored[n : n + 1]) for n in range(len(noisy))]
