"""BM3D: blocks that are alike are stacked, and filtered together in a transform in three dimensions.

Dabov, Foi, Katkovnik and Egiazarian, "Image Denoising by Sparse 3-D Transform-Domain Collaborative Filtering", IEEE
Transactions on Image Processing, 2007; for colors, the same authors, "Color Image Denoising via Sparse 3D Collaborative
Filtering with Grouping Constraint in Luminance-Chrominance Space", ICIP 2007. For correlated noise the variance of each
coefficient of a block follows from the noise's correlation. Blocks of a group count as independent.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.denoisers.classical import transforms
from unnoise.denoisers.classical.base import ClassicalDenoiser
from unnoise.denoisers.classical.collaborative_filter import BLOCK, RADIUS, STEP, Pass, filter_pass
from unnoise.denoisers.classical.noise import OPPONENT, Noise

# Mean squared differences of blocks, of values in 0..255 as in the paper, for values in 0..1. Two noisy blocks of one
# scene differ by twice the noise's variance, so the first pass allows for it.
FARTHEST_NOISY, FARTHEST_ESTIMATES = 3000 / 255**2, 400 / 255**2
FARTHEST_BY_VARIANCE = 2.5
THRESHOLD = 3.0
"""In standard deviations. The paper has 2.7. With the shrinkage below, 3 comes nearer to the authors' present
program."""
SHRINKAGE_OF_WHITE, SHRINKAGE_OF_CORRELATED = 0.5, 1.5
"""Factor of the noise's variance in the Wiener filter. A threshold above 2.7 leaves too little in the estimate that it is
made from, and a factor below 1 makes up for it. More of correlated noise remains in the estimate; there the authors'
present program takes up to 1.3, by the spectrum."""
CORRELATED = 0.5
"""From this correlation of neighbours on, noise counts as correlated."""


class BM3D(ClassicalDenoiser):
    """BM3D with the parameters of its authors' *normal profile*: blocks of 8×8 every 3 pixels, windows of 39×39, groups
    of 16, then of 32. Values in [0, 1].

    Example:
        >>> noisy = 0.5 + 0.1 * torch.randn(1, 1, 48, 48, generator=torch.Generator().manual_seed(0))
        >>> restored = BM3D(channels=1)(noisy, Noise.white(0.1, channels=1))
        >>> bool((restored - 0.5).std() < 0.02)
        True
    """

    size_multiple = STEP

    @property
    def receptive_field_radius(self) -> int:
        # A pixel depends on the blocks over it, on their references, and on all that these are filtered with; twice.
        return 2 * (2 * RADIUS + 2 * (BLOCK - 1))

    def estimate(self, noisy: Tensor, noise: Noise) -> Tensor:
        height, width = noisy.shape[-2:]
        padded = F.pad(noisy, (0, max(BLOCK - width, 0), 0, max(BLOCK - height, 0)), mode="replicate")
        if len(noisy) == 3:
            opponents = torch.einsum("ij,jyx->iyx", OPPONENT.to(padded), padded)  # blocks are matched by brightness
            restored = self._both_passes(opponents, noise.of_opponents())
            restored = torch.einsum("ij,jyx->iyx", OPPONENT.inverse().to(padded), restored)
        else:
            restored = torch.cat([self._both_passes(plane[None], noise.of_channel(c)) for c, plane in enumerate(padded)])
        return restored[:, :height, :width]

    def _both_passes(self, noisy: Tensor, noise: Noise) -> Tensor:
        farthest = FARTHEST_NOISY + FARTHEST_BY_VARIANCE * float(noise.sigma[0]) ** 2
        first = Pass(count=16, farthest=farthest, transform=transforms.spline_wavelet(BLOCK), threshold=THRESHOLD)
        second = Pass(count=32, farthest=FARTHEST_ESTIMATES, transform=transforms.dct(BLOCK), shrinkage=_shrinkage(noise))
        estimate = filter_pass(noisy, None, first.told(noise), first)
        return filter_pass(noisy, estimate, second.told(noise), second)


def _shrinkage(noise: Noise) -> float:
    """The factor for the correlation of neighbours in the first channel, in whose direction it is larger."""
    if noise.correlation.shape[-1] == 1:
        return SHRINKAGE_OF_WHITE
    near = max(abs(float(noise.correlation[0, 0, 1])), abs(float(noise.correlation[0, 1, 0])))
    return SHRINKAGE_OF_WHITE + (SHRINKAGE_OF_CORRELATED - SHRINKAGE_OF_WHITE) * min(near / CORRELATED, 1)
