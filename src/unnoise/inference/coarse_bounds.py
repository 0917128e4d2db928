"""What is put back at the two coarse scales of a picture: it is decided once, before its strips are bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from unnoise.inference.overlapping_blocks import STRIDE_SAMPLES, cell_means, enlarge
from unnoise.inference.residual_excess import Limits, returned_means
from unnoise.noise.noise_model import BLOCK_SAMPLES, NoiseModel


@dataclass(frozen=True)
class CoarseBounds:
    """The bounds of a picture, or of some rows of it, by cells of 4×4 pixels.

    >>> import numpy as np
    >>> from unnoise.noise.noise_model import KNOTS
    >>> nothing = np.zeros((1, KNOTS), np.float32)
    >>> noise = NoiseModel(0.0, 1.0, nothing + 1e-4, np.ones((1, 16, 16), np.float32), 0.01, 0.0, nothing, nothing)
    >>> seen, residual = np.full((1, 64, 64), 0.5, np.float32), np.full((1, 64, 64), 0.1, np.float32)
    >>> bounds = CoarseBounds.of(seen, residual, noise, (256, 256))
    >>> bool(abs(bounds.returned.mean() - 0.1) < 0.01)  # means that far off come back
    True
    """

    limits: Limits
    returned: Any | None
    """What is put back, (C, h, w); None: nothing."""

    @classmethod
    def of(cls, seen: Any, residual: Any, noise: NoiseModel, size: Sequence[int]) -> CoarseBounds:
        """Decide the bounds.

        Args:
            seen, residual: means of cells of the noisy picture, and of what was removed from it, (C, h, w) each.
            noise: of the picture.
            size: height and width in pixels of the picture, or of the part that is seen. Less than eight samples of a scale are not
                examined at that scale.
        """
        limits = Limits.of(seen, noise)
        returned: Any | None = None
        if noise.is_none:
            return cls(limits, None)
        if min(size) >= 16 * BLOCK_SAMPLES:
            coarse = returned_means(cell_means(residual, STRIDE_SAMPLES), limits.of_cells(STRIDE_SAMPLES), noise, 16)
            if coarse is not None:
                returned = enlarge(coarse, residual.shape)
                residual = residual - returned
        if min(size) >= 4 * BLOCK_SAMPLES:
            found = returned_means(residual, limits, noise, 4)
            returned = found if returned is None else returned if found is None else returned + found
        return cls(limits, returned)

    def rows(self, rows: slice) -> CoarseBounds:
        """The bounds of these rows of pixels, which begin at a multiple of `STRIDE_SAMPLES`."""
        cells = slice(rows.start // STRIDE_SAMPLES, -(-rows.stop // STRIDE_SAMPLES))
        return CoarseBounds(self.limits.rows(cells), None if self.returned is None else self.returned[:, cells])
