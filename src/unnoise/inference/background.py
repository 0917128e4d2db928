"""The background of a measurement and its noise, in squares of 32 pixels.

Each square is described by three numbers: its background, the spread of the smoothed values below it, and the noise of
single pixels. Values far above the background are clipped off again and again before, as SExtractor does (Bertin and
Arnouts, "SExtractor: Software for source extraction", 1996). So stars, beads and cells change none of the three, up to
about a third of a square.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.inference.row_blocks import ALIGN_PIXELS
from unnoise.layers.gaussian_blur import gaussian_blur

CELL_PIXELS = ALIGN_PIXELS
"""Side of a square."""
SMOOTHING_PIXELS = 1.0
"""Standard deviation of the Gaussian by which values are smoothed."""
SMOOTHED_NOISE_SHARE = 0.2821
"""Standard deviation of white noise after smoothing, as a share of that before."""
DETAIL_NOISE_SHARE = 0.872
"""The same for what smoothing takes away."""
CLIP_SPREADS = 2.5
"""Values further above the median are clipped off, in spreads."""
CLIP_ROUNDS = 5
"""How often."""
MIN_VALID_PIXELS = 64
"""A square with fewer valid pixels is described by its neighbors."""


@dataclass(frozen=True)
class Background:
    """What describes each square of `CELL_PIXELS`, (P, h, w) each."""

    level: Tensor
    """The median of the smoothed values that are no bright structure."""
    spread: Tensor
    """How far these lie below it: the distance that noise, or texture, gives to one standard deviation."""
    noise: Tensor
    """Standard deviation of the noise of single pixels."""

    @classmethod
    def measure(cls, x: Tensor, valid: Tensor) -> Background:
        """Describe rows of a picture.

        Args:
            x: (P, H, W); its first row is a multiple of `CELL_PIXELS` in the picture.
            valid: (P, H, W) of bool: which pixels count.

        >>> x = 5 + torch.randn(1, 64, 64, generator=torch.Generator().manual_seed(0))
        >>> found = Background.measure(x, torch.ones(1, 64, 64, dtype=torch.bool))
        >>> bool((found.level - 5).abs().max() < 0.1), bool((found.noise - 1).abs().max() < 0.15)
        (True, True)
        """
        smooth = gaussian_blur(x, SMOOTHING_PIXELS)
        cells = sorted_cells(smooth, valid)
        count = valid_count = cells.isfinite().sum(-1)
        for _ in range(CLIP_ROUNDS):
            level, low = nth_value(cells, 0.5 * count), nth_value(cells, 0.159 * count)
            limit = level + CLIP_SPREADS * (level - low)
            count = (cells < limit[..., None]).sum(-1).clamp(min=1)
        level, low = nth_value(cells, 0.5 * count), nth_value(cells, 0.159 * count)
        detail = sorted_cells((x - smooth).abs(), valid)
        noise = nth_value(detail, 0.5 * valid_count) * (1.4826 / DETAIL_NOISE_SHARE)
        known = valid_count >= MIN_VALID_PIXELS
        return cls(*(torch.where(known, part, torch.nan) for part in (level, level - low, noise)))

    @classmethod
    def join(cls, parts: list[Background]) -> Background:
        """Blocks of rows from top to bottom as one, filled where nothing was known, and smoothed by a median of 3×3."""
        joined = (torch.cat([getattr(part, name) for part in parts], dim=-2) for name in ("level", "spread", "noise"))
        return cls(*(_median_of_nine(_known_everywhere(each)) for each in joined))

    def at(self, rows: slice, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """Level, spread and noise of each pixel of these rows, in straight lines between the middles of squares.

        Args:
            rows: of the picture; the first is a multiple of `CELL_PIXELS`.
            width: of the picture.

        Returns:
            (P, rows, width) each.
        """
        first, last = rows.start // CELL_PIXELS, -(-rows.stop // CELL_PIXELS)
        above, below = max(first - 1, 0), min(last + 1, self.level.shape[-2])
        top = (first - above) * CELL_PIXELS
        stacked = torch.stack([part[:, above:below] for part in (self.level, self.spread, self.noise)])
        fine = F.interpolate(stacked, scale_factor=CELL_PIXELS, mode="bilinear", align_corners=False)
        level, spread, noise = fine[:, :, top : top + rows.stop - rows.start, :width]
        return level, spread, noise

    def cells(self, rows: slice) -> Tensor:
        """The levels of the squares that these rows touch, (P, h, w)."""
        return self.level[:, rows.start // CELL_PIXELS : -(-rows.stop // CELL_PIXELS)]


def sorted_cells(x: Tensor, valid: Tensor) -> Tensor:
    """The valid values of each square in rising order, (P, h, w, CELL²); infinity stands for the others.

    >>> sorted_cells(torch.tensor([[[3.0, 1.0]]]), torch.tensor([[[True, False]]]))[0, 0, 0, :2]
    tensor([3., inf])
    """
    height, width = x.shape[-2:]
    x = F.pad(torch.where(valid, x, torch.inf), (0, -width % CELL_PIXELS, 0, -height % CELL_PIXELS), value=torch.inf)
    cells = x.reshape(len(x), -1, CELL_PIXELS, x.shape[-1] // CELL_PIXELS, CELL_PIXELS).transpose(
        -3, -2
    )  # (P, h, w, CELL, CELL)
    return cells.flatten(-2).sort(-1).values


def nth_value(cells: Tensor, place: Tensor) -> Tensor:
    """The value at a place of each square's order, (P, h, w).

    >>> nth_value(torch.tensor([[[[1.0, 3.0, 4.0]]]]), torch.tensor([[[1.5]]]))
    tensor([[[3.]]])
    """
    return cells.gather(-1, place.long().clamp(0, cells.shape[-1] - 1)[..., None])[..., 0]


def _known_everywhere(mesh: Tensor) -> Tensor:
    """Squares that are not known get the mean of their known neighbors, and so on outwards; 0 where none is."""
    while bool((unknown := mesh.isnan()).any()):
        if bool(unknown.all()):
            return torch.zeros_like(mesh)
        total, count = (F.avg_pool2d(part, 3, 1, 1) for part in (mesh.nan_to_num(0), (~unknown).to(mesh)))
        # A plane without any value takes that of the others.
        spare = mesh[~unknown].median()
        found = torch.where(count > 0, total / count.clamp(min=1e-6), torch.nan)
        lost = unknown.flatten(1).all(1)[:, None, None]
        mesh = torch.where(lost, spare, torch.where(unknown, found, mesh))
    return mesh


def _median_of_nine(mesh: Tensor) -> Tensor:
    around = F.pad(mesh[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    rows, columns = mesh.shape[-2:]
    nine = [around[:, down : down + rows, right : right + columns] for down in range(3) for right in range(3)]
    return torch.stack(nine).median(0).values
