"""Bias correction: a result gets the mean brightness that the noisy picture has, cell by cell.

A sensor's noise has the mean 0, but only in linear light. The curve of display coding bends it, clipping at black cuts
it off, and with few photons it is skewed. So the mean of noisy values is darker than the scene in most places, and
brighter in the deepest shadows. A network that learns from |f(x) − x| learns the median, which is biased in its own
way. On phone pictures at high ISO the bias is 2 to 8 steps of 255 over whole surfaces, more than the noise that is
left.

The noisy picture alone tells the bias. For each cell and channel we look for the offset a in linear light with mean (y
− (r + a)) = 0, where y is noisy and r restored. Where the curve bends the light, only flat places count: lost detail
is bent as noise is, and would count as a change of brightness.

Where noise reaches black or white, one side of it is missing. There, each y is clipped to a distance from r that is no
more than the distance to black or white, and a little. Noise that is symmetric about the mean then stays unbiased.
This is a Winsorized mean (after Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics,
1964; Foi, "Clipped noisy images", Signal Processing, 2009, treats what clipping does to noise). In measurements it is
done only where black or white does clip; see `unnoise.photometry.clipping`.

The method is our own; no paper of the methods here has it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from array_api_compat import device
from pydantic import BaseModel, ConfigDict, Field

from unnoise.array_api import array_namespace
from unnoise.deprecated.module_names import renamed
from unnoise.photometry import array_ops
from unnoise.photometry.array_ops import T, clip, convolve, split_into_cells, upsample_row
from unnoise.photometry.clipping import BOTH_ENDS, Clipping
from unnoise.photometry.normalization import is_measured
from unnoise.photometry.srgb import srgb_decode, srgb_encode

if TYPE_CHECKING:
    import numpy as np
    import torch

TransferFunction = Literal["srgb", "linear"]

CELL_PIXELS = 32
"""Side of a cell in pixels: some hundred pixels tell a mean well, and shadows are seldom smaller."""
RADIUS_CELLS = 2
"""Radius in cells over which offsets are averaged, by a Gaussian of one cell."""
BLOCK_PIXELS = 8
"""Side in pixels of the blocks of a cell that are plain or are not."""
FLAT_VARIANCE_RATIO = 0.05
"""A block is plain where its own variance is hardly more than this many times that of the residual."""
NEUTRAL_WEIGHT = 0.04
"""Share of plain places in the neighbouring cells. With less, the network's own brightness stays."""
REACH_PIXELS = (RADIUS_CELLS + 2) * CELL_PIXELS
"""Radius in pixels within which a pixel changes the offset of another."""
NEWTON_STEPS = 3
"""Steps of Newton's method for each offset."""


class BiasCorrection(BaseModel):
    """The rule by which the result keeps the mean brightness, as it stands in a recipe.

    >>> import numpy as np
    >>> noisy = np.full((1, 1, 32, 32), 0.5, np.float32)
    >>> corrected = BiasCorrection(curve="linear")(noisy, noisy - 0.1)
    >>> bool(abs(corrected - 0.5).max() < 0.01)
    True
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    curve: Literal["auto", "srgb", "linear"] = "auto"
    """How values stand for light: by the curve of sRGB, or in proportion; *auto*: see `curve_of` and `Photometry.decide`."""
    bound: Annotated[float, Field(gt=0)] = 1.1
    """Residuals are clipped to this many times the distance to black or white. It is above 1, since the noise of few photons reaches
    further up than down. Chosen on the validation scenes of SIDD."""

    def of_kind(self, colours: str, dtype: np.dtype[Any] | torch.dtype) -> BiasCorrection:
        """With the curve of this kind of picture where it is *auto*, and the kind tells it."""
        return self.model_copy(update={"curve": curve_of(colours, dtype)}) if self.curve == "auto" else self

    def __call__(self, noisy: T, restored: T, cut: Clipping = BOTH_ENDS) -> T:
        """Whole pictures (B, C, H, W) in 0..1 each → `restored` with the light of `noisy`, not clipped."""
        with array_ops.full_precision(noisy):  # differences of means need more than eight bits
            offsets = smooth_offsets(self.measure_cells(noisy, restored, cut))
            height, width = restored.shape[-2:]
            return self.add_offsets(restored, upsample_offsets(offsets, 0, offsets.shape[-2], (height, width)))

    def measure_cells(self, noisy: T, restored: T, cut: Clipping = BOTH_ENDS) -> T:
        """What each cell, from the upper left corner on, tells of the light: (B, C, H, W) each → (2, B, C, ⌈H / CELL⌉, ⌈W / CELL⌉).

        First the offset in linear light, times its weight; then the weight, 0..1: the share of the cell that can tell.
        """
        xp: Any = array_namespace(noisy, restored)
        pixels = CELL_PIXELS**2
        seen: Any = split_into_cells(_as_float32(noisy), CELL_PIXELS)  # (B, C, h, w, CELL²)
        start: Any = split_into_cells(_as_float32(restored), CELL_PIXELS)
        shape: tuple[int, ...] = seen.shape[:-1]
        inside = split_into_cells(xp.ones((1, 1, *noisy.shape[-2:]), dtype=noisy.dtype, device=device(noisy)), CELL_PIXELS)
        inside = xp.reshape(xp.broadcast_to(inside, seen.shape), (-1, pixels))  # 0 in what fills the cells up
        seen, start = (xp.reshape(x, (-1, pixels)) for x in (seen, start))  # (cells, CELL²)
        share = inside if self.curve == "linear" else inside * _plain(seen, start)
        weight = xp.mean(share, axis=-1)
        share = share / clip(xp.sum(share, axis=-1, keepdims=True), 1e-6)
        seen, start = self._linear(seen), self._linear(start)
        # From the mere mean on, which is too bright where black cuts: from below, steps would be as short as the way to black.
        found = xp.sum((seen - start) * share, axis=-1)
        left = xp.arange(seen.shape[0], device=device(seen))
        for _ in range(NEWTON_STEPS if cut.black or cut.white else 0):
            step, missing = self._step(seen, start + array_ops.take(found, left)[:, None], share, cut)
            found = array_ops.add_at(found, left, step)
            (cut_off,) = xp.nonzero(missing > 0)  # the others are solved: without a cut it is the mean
            left, seen, start, share = (array_ops.take(x, cut_off) for x in (left, seen, start, share))
        return xp.reshape(xp.stack([found * weight, weight]), (2, *shape))

    def _step(self, seen: Any, now: Any, share: Any, cut: Clipping) -> tuple[Any, Any]:
        """One of Newton's, (cells, pixels) each → how far to go, and which share of the pixels is cut off, (cells) each."""
        xp = array_namespace(seen)
        # Without `torch.where` and sums of truth values, which take many times as long as arithmetic.
        # Beyond black and white, as floats may be, nothing is cut off.
        way = xp.minimum(now, 1 - now) if cut.black and cut.white else now if cut.black else 1 - now
        room = array_ops.positive_or(self.bound * way, math.inf)
        missing = seen - now
        cut_off = xp.sum(array_ops.is_positive(abs(missing) - room) * share, axis=-1)
        step = xp.sum(clip(missing, -room, room) * share, axis=-1)
        # With more than half cut off, the way is felt rather than known.
        return step / clip(1 - (1 + self.bound) * cut_off, 0.35), cut_off

    def add_offsets(self, restored: T, offset: T) -> T:
        """Offsets in linear light added: (B, C, H, W) each → the same, coded as `restored` is."""
        return self._coded(self._linear(_as_float32(restored)) + offset)

    def _linear(self, x: Any) -> Any:
        return x if self.curve == "linear" else srgb_decode(x)

    def _coded(self, x: Any) -> Any:
        return x if self.curve == "linear" else srgb_encode(x)


def _as_float32(x: Any) -> Any:
    xp = array_namespace(x)
    return xp.astype(x, xp.float32, copy=False)


def curve_of(colours: str, dtype: np.dtype[Any] | torch.dtype) -> Literal["auto"] | TransferFunction:
    """Measurements are in proportion to light, colours coded for display; grey of 8 bits may be either.

    >>> import numpy as np
    >>> curve_of("rgb", np.dtype("uint8")), curve_of("grey", np.dtype("uint16"))
    ('srgb', 'linear')
    """
    return "linear" if is_measured(colours, dtype) else "auto" if colours == "grey" else "srgb"


def smooth_offsets(told: T) -> T:
    """The offsets, averaged over neighbouring cells by their weights: (2, B, C, h, w) → (B, C, h, w).

    >>> import numpy as np
    >>> smooth_offsets(np.ones((2, 1, 3, 4, 5), np.float32)).shape
    (1, 3, 4, 5)
    """
    xp: Any = array_namespace(told)
    steps = xp.arange(-RADIUS_CELLS, RADIUS_CELLS + 1, dtype=xp.float32, device=device(told))
    kernel = xp.exp(-xp.square(steps) / 2)
    kernel = kernel[:, None] * kernel
    offset, weight = (convolve(told[number, ...], kernel, RADIUS_CELLS) for number in range(2))
    everywhere = convolve(xp.ones_like(told[0, ...]), kernel, RADIUS_CELLS)
    return offset / (weight + NEUTRAL_WEIGHT * everywhere)


def upsample_offsets(offsets: T, first: int, last: int, size: tuple[int, int]) -> T:
    """From the middles of cells to pixels, in straight lines: (B, C, h, w) → (B, C, rows, W).

    Args:
        offsets: of all cells, or of as many from the top as are known, and one beyond `last`, if there is one.
        first, last: rows of cells whose pixels are wanted.
        size: H and W in pixels; the last cells may be partly beyond.

    >>> import numpy as np
    >>> upsample_offsets(np.ones((1, 3, 2, 2), np.float32), 0, 2, (40, 50)).shape
    (1, 3, 40, 50)
    """
    xp: Any = array_namespace(offsets)
    above, below = max(first - 1, 0), min(last + 1, offsets.shape[-2])
    part = xp.matrix_transpose(offsets[..., above:below, :])
    rows = xp.matrix_transpose(upsample_row(part, CELL_PIXELS))  # (B, C, rows of cells · CELL, w)
    top = (first - above) * CELL_PIXELS
    rows = rows[..., top : top + min(last * CELL_PIXELS, size[0]) - first * CELL_PIXELS, :]
    return upsample_row(rows, CELL_PIXELS)[..., : size[1]]


def _plain(seen: Any, start: Any) -> Any:
    """How plain the block around each pixel is, 0..1; cells of coded values (cells, CELL²) each → the same."""
    xp = array_namespace(seen)
    # Sums over blocks are products with this, which take a tenth of the time of torch's sums along short axes.
    block = _blocks(start)  # (CELL², blocks)
    centred = start - xp.mean(start, axis=-1, keepdims=True)
    own = (xp.square(centred) @ block - xp.square(centred @ block) / BLOCK_PIXELS**2) / BLOCK_PIXELS**2  # (cells, blocks)
    taken = clip(xp.mean(xp.square(seen - start), axis=-1, keepdims=True), 1e-7)
    # No smaller than e^−30: processors are slow with numbers near nothing.
    return xp.exp(-clip(own / (FLAT_VARIANCE_RATIO * taken), 0, 30)) @ xp.matrix_transpose(block)


def _blocks(x: Any) -> Any:
    """Which pixel of a cell lies in which of its blocks: 1 or 0, (CELL², (CELL / BLOCK)²), of the type of x."""
    xp, side = array_namespace(x), CELL_PIXELS // BLOCK_PIXELS
    row_of_pixel, row = (xp.arange(count, device=device(x)) for count in (CELL_PIXELS, side))
    within = xp.astype(row_of_pixel[:, None] // BLOCK_PIXELS == row, x.dtype)  # (CELL, CELL / BLOCK)
    return xp.reshape(within[:, None, :, None] * within[None, :, None, :], (CELL_PIXELS**2, side**2))


__getattr__ = renamed(__name__, {"Light": "BiasCorrection", "REACH": "REACH_PIXELS"})
