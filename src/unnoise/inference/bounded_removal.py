"""Bounded removal: no more is removed from a picture than the noise that was measured in it.

The bound holds at each place, scale and frequency. The residual, noisy − restored, is examined at three scales: means
of 16×16 pixels, means of 4×4 pixels, and single pixels. At each scale it is cut into overlapping blocks of 8×8 values,
and each block goes through a cosine transform. The noise model gives the standard deviation of noise in each
coefficient. A residual above this limit contains structure. The excess is put back. There are five kinds of excess:

- a single coefficient far above the noise's standard deviation (hard thresholding of the residual);
- the power of one frequency in a square of 4×4 blocks, all channels together: a repeating pattern;
- the power of all frequencies in such a square: a fine texture;
- in such a square, what makes the expected error larger rather than smaller (`removal_risk`): texture below the noise;
- a mean that is off by more than its uncertainty plus the bias of clipped or compressed noise (`noise_bias`). So local
  means of the result follow those of the noisy picture.

The residual of a denoiser is called method noise: Buades, Coll and Morel, "A review of image denoising algorithms, with
a new one", Multiscale Modeling and Simulation, 2005. The bounds by place, scale and frequency are our own.
"""

from __future__ import annotations

from typing import Any

from unnoise.inference.coarse_bounds import CoarseBounds
from unnoise.inference.overlapping_blocks import STRIDE_SAMPLES, add_enlarged, cell_means
from unnoise.inference.residual_excess import put_back
from unnoise.noise.noise_model import NoiseModel
from unnoise.photometry.array_ops import copy, lerp

ALIGN_PIXELS = 64
"""Regions that begin at multiples of this many pixels agree with the whole picture, except near their borders. Blocks
of the coarsest scale, and squares of the next one, begin at these multiples."""
RADIUS_PIXELS = 256
"""Upper bound of the radius in pixels within which pixels influence each other: 144 at the coarsest scale, then 84 and
20."""
FINE_ALIGN_PIXELS = 16
"""The same as `ALIGN_PIXELS` at the finest scale alone, where `CoarseBounds` are given: its squares have this side."""
FINE_RADIUS_PIXELS = 20
"""The same as `RADIUS_PIXELS` at the finest scale alone."""


def bounded_removal(
    noisy: Any, restored: Any, noise: NoiseModel, detail: float = 1.0, coarse: CoarseBounds | None = None
) -> Any:
    """Put back what was removed beyond the noise.

    Args:
        noisy, restored: (1, C, H, W) each, float32 in the picture's unit, with the C channels of `noise`: NumPy arrays or
            torch tensors.
        noise: the result of `estimate_noise`.
        detail: 0..1, the share of the excess that is put back.
        coarse: what is put back at coarse scales, for strips of a large picture; None: it is decided here.

    Returns:
        (1, C, H, W), not clipped. If `noise.is_none`, a copy of `noisy`, bit for bit.

    >>> import torch
    >>> from unnoise.noise.noise_estimation import estimate_noise
    >>> from unnoise.regions import RegionSource
    >>> noisy = 0.5 + 0.02 * torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    >>> wrong = torch.full_like(noisy, 0.4)
    >>> bounded = bounded_removal(noisy, wrong, estimate_noise(RegionSource.of(noisy)))
    >>> abs(bounded.mean().item() - 0.5) < 0.002
    True
    """
    if noise.is_none:
        return copy(noisy)
    width = noisy.shape[-1]
    if coarse is None:
        seen, residual = cells_of(noisy, restored)
        coarse = CoarseBounds.of(seen, residual, noise, noisy.shape[-2:])
    limits, returned = coarse.limits, coarse.returned
    result = copy(restored[0])

    def read(rows: slice) -> Any:
        """Rows of the residual. What is returned at coarser scales is put back first."""
        if returned is not None:
            add_enlarged(result, returned, rows)
        return noisy[0, :, rows] - result[:, rows]

    def write(rows: slice, values: Any) -> None:
        result[:, rows] += values[..., :width]

    put_back(read, write, noisy[0].shape, limits.of_blocks(), noise, 1, seen=noisy[0])
    return lerp(restored, result[None], detail) if detail < 1 else result[None]


def cells_of(noisy: Any, restored: Any) -> tuple[Any, Any]:
    """Means of cells of 4×4 pixels of a noisy picture (1, C, H, W), and of what was removed from it: (C, h, w) each.

    >>> import numpy as np
    >>> seen, residual = cells_of(np.ones((1, 3, 8, 10)), np.zeros((1, 3, 8, 10)))
    >>> seen.shape, float(residual.max())
    ((3, 2, 3), 1.0)
    """
    seen = cell_means(noisy[0], STRIDE_SAMPLES)
    return seen, seen - cell_means(restored[0], STRIDE_SAMPLES)
