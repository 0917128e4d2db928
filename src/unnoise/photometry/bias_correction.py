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

from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from unnoise.deprecated.module_names import renamed
from unnoise.photometry.clipping import BOTH_ENDS, Clipping
from unnoise.photometry.normalization import is_measured
from unnoise.photometry.srgb import srgb_decode, srgb_encode

if TYPE_CHECKING:
    import numpy as np

TransferFunction = Literal["srgb", "linear"]

CELL_PIXELS = 32
"""Side of a cell in pixels: some hundred pixels tell a mean well, and shadows are seldom smaller."""
RADIUS_CELLS = 2
"""In cells: so far offsets are averaged with those of neighbouring cells, by a Gaussian of one cell."""
BLOCK_PIXELS = 8
"""Side in pixels of the blocks of a cell that are plain or are not."""
FLAT_VARIANCE_RATIO = 0.05
"""A block is plain where its own variance is hardly more than so many times that of what was taken out."""
NEUTRAL_WEIGHT = 0.04
"""Where neighbouring cells hold no greater share of plain places, the network has the last word."""
REACH_PIXELS = (RADIUS_CELLS + 2) * CELL_PIXELS
"""In pixels: no further away does a pixel change the light of another."""
NEWTON_STEPS = 3
"""Of Newton's method."""


class BiasCorrection(BaseModel):
    """How the light is kept, as it stands in a recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    curve: Literal["auto", "srgb", "linear"] = "auto"
    """How values stand for light: by the curve of sRGB, or in proportion; *auto*: see `curve_of` and `Photometry.decide`."""
    bound: Annotated[float, Field(gt=0)] = 1.1
    """Values count as no further away than so many times the way to black or white. Above 1, as the noise of few photons reaches
    further up than down; chosen on the validation scenes of SIDD."""

    def of_kind(self, colours: str, dtype: np.dtype[Any] | torch.dtype) -> BiasCorrection:
        """With the curve of this kind of picture where it is *auto*, and the kind tells it."""
        return self.model_copy(update={"curve": curve_of(colours, dtype)}) if self.curve == "auto" else self

    def __call__(self, noisy: Tensor, restored: Tensor, cut: Clipping = BOTH_ENDS) -> Tensor:
        """Whole pictures (B, C, H, W) in 0..1 each → `restored` with the light of `noisy`, not clipped."""
        with torch.autocast(noisy.device.type, enabled=False):  # differences of means need more than eight bits
            offsets = smooth_offsets(self.measure_cells(noisy, restored, cut))
            return self.add_offsets(restored, upsample_offsets(offsets, 0, offsets.shape[-2], restored.shape[-2:]))

    def measure_cells(self, noisy: Tensor, restored: Tensor, cut: Clipping = BOTH_ENDS) -> Tensor:
        """What each cell, from the upper left corner on, tells of the light: (B, C, H, W) each → (2, B, C, ⌈H / CELL⌉, ⌈W / CELL⌉).

        First the offset in linear light, times its weight; then the weight, 0..1: the share of the cell that can tell.
        """
        seen, start = (_cells(x.float()) for x in (noisy, restored))  # (B, C, h, w, CELL²)
        shape = seen.shape[:-1]
        inside = _cells(noisy.new_ones(1, 1, *noisy.shape[-2:])).expand_as(seen).flatten(0, 3)  # 0 in what fills the cells up
        seen, start = seen.flatten(0, 3), start.flatten(0, 3)  # (cells, CELL²)
        share = inside if self.curve == "linear" else inside * _plain(seen, start)
        weight = share.mean(-1)
        share = share / share.sum(-1, keepdim=True).clamp(min=1e-6)
        seen, start = self._linear(seen), self._linear(start)
        # From the mere mean on, which is too bright where black cuts: from below, steps would be as short as the way to black.
        found = ((seen - start) * share).sum(-1)
        left = torch.arange(len(seen), device=seen.device)
        for _ in range(NEWTON_STEPS if cut.black or cut.white else 0):
            step, missing = self._step(seen, start + found[left, None], share, cut)
            found[left] += step
            cut_off = (missing > 0).nonzero().squeeze(1)  # the others are solved: without a cut it is the mean
            left, seen, start, share = (x.index_select(0, cut_off) for x in (left, seen, start, share))
        return torch.stack([found * weight, weight]).reshape(2, *shape)

    def _step(self, seen: Tensor, now: Tensor, share: Tensor, cut: Clipping) -> tuple[Tensor, Tensor]:
        """One of Newton's, (cells, pixels) each → how far to go, and which share of the pixels is cut off, (cells) each."""
        # Without `torch.where` and sums of truth values, which take many times as long as arithmetic.
        # Beyond black and white, as floats may be, nothing is cut off.
        way = torch.minimum(now, 1 - now) if cut.black and cut.white else now if cut.black else 1 - now
        room = F.threshold(self.bound * way, 0.0, torch.inf)
        missing = seen - now
        cut_off = ((missing.abs() - room).sign_().clamp_(min=0) * share).sum(-1)
        step = (missing.clamp(-room, room) * share).sum(-1)
        # With more than half cut off, the way is felt rather than known.
        return step / (1 - (1 + self.bound) * cut_off).clamp(min=0.35), cut_off

    def add_offsets(self, restored: Tensor, offset: Tensor) -> Tensor:
        """Offsets in linear light added: (B, C, H, W) each → the same, coded as `restored` is."""
        return self._coded(self._linear(restored.float()) + offset)

    def _linear(self, x: Tensor) -> Tensor:
        return x if self.curve == "linear" else srgb_decode(x)

    def _coded(self, x: Tensor) -> Tensor:
        return x if self.curve == "linear" else srgb_encode(x)


def curve_of(colours: str, dtype: np.dtype[Any] | torch.dtype) -> Literal["auto"] | TransferFunction:
    """Measurements are in proportion to light, colours coded for display; grey of 8 bits may be either."""
    return "linear" if is_measured(colours, dtype) else "auto" if colours == "grey" else "srgb"


def smooth_offsets(told: Tensor) -> Tensor:
    """The offsets, averaged over neighbouring cells by their weights: (2, B, C, h, w) → (B, C, h, w)."""
    kernel = torch.exp(-torch.arange(-RADIUS_CELLS, RADIUS_CELLS + 1, device=told.device).float().square() / 2)
    kernel = (kernel[:, None] * kernel)[None, None]

    def gathered(x: Tensor) -> Tensor:
        return F.conv2d(x.reshape(-1, 1, *x.shape[-2:]), kernel, padding=RADIUS_CELLS).reshape(x.shape)

    offset, weight = gathered(told)
    return offset / (weight + NEUTRAL_WEIGHT * gathered(torch.ones_like(told[0])))


def upsample_offsets(offsets: Tensor, first: int, last: int, size: tuple[int, int] | torch.Size) -> Tensor:
    """From the middles of cells to pixels, in straight lines: (B, C, h, w) → (B, C, rows, W).

    Args:
        offsets: of all cells, or of as many from the top as are known, and one beyond `last`, if there is one.
        first, last: rows of cells whose pixels are wanted.
        size: H and W in pixels; the last cells may be partly beyond.
    """
    above, below = max(first - 1, 0), min(last + 1, offsets.shape[-2])
    part = offsets[..., above:below, :]
    rows = _finer(part.mT).mT  # (B, C, rows of cells · CELL, w)
    top = (first - above) * CELL_PIXELS
    rows = rows[..., top : top + min(last * CELL_PIXELS, size[0]) - first * CELL_PIXELS, :]
    return _finer(rows)[..., : size[1]]


def _finer(x: Tensor) -> Tensor:
    """Along the last axis from the middles of cells to pixels, (…, w) → (…, w · CELL); level beyond the outermost middles."""
    ends = torch.cat([x[..., :1], x, x[..., -1:]], dim=-1)  # (…, w + 2)
    share = (torch.arange(CELL_PIXELS, device=x.device, dtype=x.dtype) + 0.5) / CELL_PIXELS
    between = torch.addcmul(ends[..., :-1, None], ends.diff(dim=-1)[..., None], share)  # (…, w + 1, CELL)
    return between.flatten(-2)[..., CELL_PIXELS // 2 : -(CELL_PIXELS // 2)]


def _plain(seen: Tensor, start: Tensor) -> Tensor:
    """How plain the block around each pixel is, 0..1; cells of coded values (cells, CELL²) each → the same."""
    # Sums over blocks are products with this, which take a tenth of the time of torch's sums along short axes.
    block = _blocks(start)  # (CELL², blocks)
    centred = start - start.mean(-1, keepdim=True)
    own = (centred.square() @ block - (centred @ block).square() / BLOCK_PIXELS**2) / BLOCK_PIXELS**2  # (cells, blocks)
    taken = (seen - start).square().mean(-1, keepdim=True).clamp(min=1e-7)
    # No smaller than e^−30: processors are slow with numbers near nothing.
    return torch.exp(-(own / (FLAT_VARIANCE_RATIO * taken)).clamp(0, 30)) @ block.mT


def _blocks(x: Tensor) -> Tensor:
    """Which pixel of a cell lies in which of its blocks: 1 or 0, (CELL², (CELL / BLOCK)²), of the type of x."""
    stretch = torch.eye(CELL_PIXELS // BLOCK_PIXELS, dtype=x.dtype, device=x.device).repeat_interleave(BLOCK_PIXELS, 0)
    return torch.kron(stretch, stretch)


def _cells(x: Tensor) -> Tensor:
    """(B, C, H, W) → (B, C, h, w, CELL²), filled up with zeros."""
    height, width = x.shape[-2:]
    x = F.pad(x, (0, -width % CELL_PIXELS, 0, -height % CELL_PIXELS))
    x = x.reshape(*x.shape[:2], x.shape[-2] // CELL_PIXELS, CELL_PIXELS, x.shape[-1] // CELL_PIXELS, CELL_PIXELS)
    return x.transpose(-3, -2).flatten(-2)  # (B, C, h, w, CELL²)


__getattr__ = renamed(__name__, {"Light": "BiasCorrection", "REACH": "REACH_PIXELS"})
