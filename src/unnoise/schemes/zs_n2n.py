"""ZS-N2N: the two diagonals of each 2×2 cell are averaged into two half-size images, which predict each other.

Mansour and Heckel, "Zero-Shot Noise2Noise: Efficient Image Denoising without any Data", CVPR 2023. A tiny network learns
from the one picture that it is to restore.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.schemes.base import Network
from unnoise.schemes.single_pass import SinglePass


class ZSN2N(SinglePass):
    """Trains on the diagonal averages of crops, or of one whole picture; restores by one call. Any network will do.

    Example:
        >>> ZSN2N().loss(lambda x: x, torch.ones(1, 3, 8, 8))
        tensor(0.)
    """

    name: Literal["zs-n2n"] = "zs-n2n"

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """½ (‖f(D₁y) − D₂y‖² + ‖f(D₂y) − D₁y‖²) + ½ (‖f(D₁y) − D₁f(y)‖² + ‖f(D₂y) − D₂f(y)‖²), the paper's residual and
        consistency terms, each a mean over all values. f is the denoiser, the picture less the noise that is told.
        """
        one, other = diagonal_means(noisy)
        from_one, from_other = network(one), network(other)
        residual = F.mse_loss(from_one, other) + F.mse_loss(from_other, one)
        means = diagonal_means(network(noisy))
        consistency = F.mse_loss(from_one, means[0]) + F.mse_loss(from_other, means[1])
        return (residual + consistency) / 2


def diagonal_means(image: Tensor) -> tuple[Tensor, Tensor]:
    """D₁ and D₂: the mean of each 2×2 cell's anti-diagonal, and that of its diagonal, (B, C, H // 2, W // 2) each.

    An odd last row or column is left out.

    Example:
        >>> [each.item() for each in diagonal_means(torch.tensor([[[[1.0, 2.0], [4.0, 7.0]]]]))]
        [3.0, 4.0]
    """
    rows, columns = image.shape[-2] // 2 * 2, image.shape[-1] // 2 * 2
    a, b = image[..., :rows:2, :columns:2], image[..., :rows:2, 1:columns:2]
    c, d = image[..., 1:rows:2, :columns:2], image[..., 1:rows:2, 1:columns:2]
    return (b + c) / 2, (a + d) / 2
