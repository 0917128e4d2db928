"""FFDNet: a plain network at half the resolution that is told the noise level.

Zhang, Zuo and Zhang, "FFDNet: Toward a Fast and Flexible Solution for CNN-Based Image Denoising", IEEE Transactions on
Image Processing, 2018. The four pixels of each 2×2 cell become channels, and the level is one channel more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.noise_level import level_map
from unnoise.layers.fused_convolution import run_sequential
from unnoise.layers.output_layer import output_convolution
from unnoise.layers.replication_padding import pad_to_multiple_replicate


class FFDNet(Denoiser):
    """FFDNet, (B, channels, H, W) → the same shape, values in [0, 1]. Not blind. 852,108 parameters at its defaults.

    Odd sides are extended by repeating their last row or column, and the result is cropped.

    Args:
        channels: of the image.
        features: width of every layer (96 in the paper for colors, 64 for gray).
        layers: number of convolutions (12 in the paper for colors, 15 for gray).
        level: the noise's standard deviation where a call gives none, in steps of 255.

    Raises:
        ValueError: for fewer than two layers.

    Example:
        >>> network = FFDNet(features=4, layers=3)
        >>> network(torch.rand(2, 3, 9, 7), level=torch.tensor([0.1, 0.2])).shape
        torch.Size([2, 3, 9, 7])
    """

    takes_noise_level = True
    size_multiple: ClassVar[int] = 2
    """Tiles that begin at its multiples have the same cells."""

    def __init__(self, channels: int = 3, features: int = 96, layers: int = 12, level: float = 25.0) -> None:
        super().__init__()
        if layers < 2:
            raise ValueError(f"layers must be at least 2, got {layers}.")
        self.sizes = {"channels": channels, "features": features, "layers": layers, "level": level}
        body: list[nn.Module] = [nn.Conv2d(4 * channels + 1, features, 3, padding=1), nn.ReLU(inplace=True)]
        for _ in range(layers - 2):
            body += [nn.Conv2d(features, features, 3, padding=1), nn.ReLU(inplace=True)]
        self.model = nn.Sequential(*body, nn.Conv2d(features, 4 * channels, 3, padding=1))

    @property
    def receptive_field_radius(self) -> int:
        """Two pixels for each convolution, and the other pixel of the cell."""
        layers: int = self.sizes["layers"]
        return 2 * layers + 1

    def forward(self, x: Tensor, level: Tensor | None = None) -> Tensor:
        height, width = x.shape[-2:]
        cells = F.pixel_unshuffle(pad_to_multiple_replicate(x, 2), 2)  # (B, 4·C, H/2, W/2)
        y = torch.cat([cells, level_map(cells, level, self.sizes["level"])], dim=1)
        *body, last = self.model
        assert isinstance(last, nn.Conv2d)
        y = output_convolution(last, run_sequential(body, y), cells)
        return F.pixel_shuffle(y, 2)[..., :height, :width]

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `model.0.weight` (features, 4·C + 1, 3, 3) and the number of convolutions, every second module."""
        found = sorted(int(match[1]) for key in weights if (match := re.fullmatch(r"model\.(\d+)\.weight", key)))
        first = weights.get("model.0.weight")
        if first is None or first.dim() != 4 or first.shape[1] % 4 != 1 or found != list(range(0, 2 * len(found), 2)):
            return None
        if len(found) < 2 or weights[f"model.{found[-1]}.weight"].shape[0] != first.shape[1] - 1:
            return None
        return {"channels": first.shape[1] // 4, "features": first.shape[0], "layers": len(found)}
