"""The U-Net of Noise2Void, and N2V2's form of it: blurred pooling, no first skip, no residual.

Krull, Buchholz and Jug, "Noise2Void", CVPR 2019, after Weigert et al., "Content-Aware Image Restoration", Nature Methods,
2018; Höck et al., "N2V2 - Fixing Noise2Void Checkerboard Artifacts", ECCV Workshops 2022; the pooling is that of Zhang,
"Making Convolutional Networks Shift-Invariant Again", ICML 2019.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser, PaddingMode
from unnoise.layers.receptive_field import SpanMap, kernel_span, receptive_field_radius, upsampling_span
from unnoise.layers.reflection_padding import pad_to_multiple_reflect


class BlurPool(nn.Module):
    """The largest of 2×2 values at each place, blurred by [1, 2, 1] in rows and columns, at every second place.

    (B, F, H, W) → (B, F, H / 2, W / 2), for even H and W.

    >>> BlurPool()(torch.ones(1, 2, 4, 4)).unique().tolist()
    [1.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.pad(x, (0, 1, 0, 1), mode="replicate"), 2, stride=1)  # (B, F, H, W)
        weights = torch.tensor([0.25, 0.5, 0.25], dtype=x.dtype, device=x.device)
        kernel = (weights[:, None] * weights).expand(x.shape[1], 1, 3, 3)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, stride=2, groups=x.shape[1])


class N2VUNet(Denoiser):
    """A U-Net of few levels with batch normalization, (B, channels, H, W) → the same shape, values in [0, 1]. Not blind.

    Sides that do not divide by 2^depth are padded by reflection, and the result is cropped.

    Args:
        channels: of the image.
        features: of the first level; each level below has twice as many (32, 64 or 96 in the papers).
        depth: how often the picture is halved.
        blur_pool: N2V2's form: `BlurPool` in place of max-pooling, no skip at full resolution, and no residual.

    Example:
        >>> N2VUNet(features=4, blur_pool=True)(torch.rand(1, 3, 10, 9)).shape
        torch.Size([1, 3, 10, 9])
    """

    padding_mode: ClassVar[PaddingMode] = "reflect"

    def __init__(self, channels: int = 3, features: int = 32, depth: int = 2, blur_pool: bool = False) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"a U-Net halves the picture at least once, not {depth} times")
        self.sizes = {"channels": channels, "features": features, "depth": depth, "blur_pool": blur_pool}
        self.blur_pool = blur_pool
        widths = [features << level for level in range(depth + 1)]
        inputs = [channels, *widths]
        self.down = nn.ModuleList(_level(inputs[level], widths[level], widths[level]) for level in range(depth))
        self.middle = _level(widths[depth - 1], widths[depth], widths[depth - 1])
        # going up, level l takes what comes from below, of its own width, and the skip
        self.up = nn.ModuleList(
            _level(widths[level] * (1 if blur_pool and not level else 2), widths[level], widths[max(level - 1, 0)])
            for level in reversed(range(depth))
        )
        self.last = nn.Conv2d(features, channels, 1)
        self.pool = BlurPool() if blur_pool else nn.MaxPool2d(2)

    @property
    def size_multiple(self) -> int:  # type: ignore[override]
        return int(2 ** self.sizes["depth"])

    @property
    def receptive_field_radius(self) -> int:
        depth = int(self.sizes["depth"])
        pool = [kernel_span(1, 2, 2)] if self.blur_pool else [kernel_span(0, 1, 2)]
        convolutions: list[SpanMap] = [kernel_span(1, 1)] * 2
        up = [*convolutions, upsampling_span()] * depth
        down = [*convolutions, *(pool + convolutions) * depth]
        return receptive_field_radius([*up, *down], self.size_multiple)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        y = padded = pad_to_multiple_reflect(x, self.size_multiple)
        skips = []
        for level in self.down:
            y = level(y)
            skips.append(y)
            y = self.pool(y)
        y = self.middle(y)
        for number, level in enumerate(self.up, start=1):
            y = F.interpolate(y, scale_factor=2, mode="nearest")
            skip = skips.pop()
            y = level(y if self.blur_pool and number == len(self.up) else torch.cat([y, skip], dim=1))
        y = self.last(y)
        return (y if self.blur_pool else y + padded)[..., :height, :width]


def _level(taken: int, inner: int, given: int) -> nn.Sequential:
    """Two convolutions, each with batch normalization and ReLU."""
    return nn.Sequential(*_convolution(taken, inner), *_convolution(inner, given))


def _convolution(taken: int, given: int) -> list[nn.Module]:
    return [nn.Conv2d(taken, given, 3, padding=1), nn.BatchNorm2d(given), nn.ReLU()]
