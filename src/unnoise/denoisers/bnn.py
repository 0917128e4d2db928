"""The two guides of the spatially adaptive method: a blind-neighbourhood network, and a locally aware network.

Li et al., "Spatially Adaptive Self-Supervised Learning for Real-World Image Denoising", CVPR 2023. The first, blind to
9×9 pixels, is right where a picture is flat. It is AT-BSN's network, which came later. The second sees no more than 3×3
pixels, too few to copy correlated noise, and learns texture from the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from unnoise.denoisers.atbsn import ATBSN
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.unet_nearest import published_names, translated
from unnoise.layers.channel_mixing import spatial_means
from unnoise.layers.fused_convolution import can_fuse, convolve
from unnoise.layers.output_layer import output_convolution


class BNN(ATBSN):
    """Blind-neighbourhood network: `ATBSN` under its first name, blind to 9×9 pixels. 1,268,547 parameters at width 48.

    Its published layers are numbered otherwise, and its quarter turns go the other way round.

    >>> BNN(width=4).blind_spot
    9
    """

    def __init__(self, channels: int = 3, width: int = 48, blind_spot: int = 9) -> None:
        super().__init__(channels, width, blind_spot)

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> Self | None:
        """From published weights alone: those of AT-BSN belong to `ATBSN`."""
        first = weights.get("output_block.0.weight")
        if first is None or "encode_block_1.0.weight" not in weights:
            return None
        heads = {"output_block.0.": "nin_A.", "output_block.2.": "nin_B.", "output_block.4.": "nin_C."}
        ours = translated(weights, published_names() | heads)
        up, left, down, right = ours["nin_A.weight"].chunk(4, dim=1)
        ours["nin_A.weight"] = torch.cat([up, right, down, left], dim=1)
        return super().from_weights(ours)


class ChannelScale(nn.Module):
    """x times a factor for each channel, from the image's means: (B, C, H, W) → the same shape."""

    def __init__(self, features: int, reduction: int = 16) -> None:
        super().__init__()
        few = features // reduction
        self.conv_du = nn.Sequential(
            nn.Conv2d(features, few, 1), nn.ReLU(inplace=True), nn.Conv2d(few, features, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        means = spatial_means(x) if can_fuse(x) else x.mean((2, 3), keepdim=True)
        factor = convolve(self.conv_du[2], convolve(self.conv_du[0], means, "relu"), "sigmoid")  # type: ignore[arg-type]
        return x * factor.to(x.dtype)


class PointwiseBlock(nn.Module):
    """x + scale(conv(ReLU(conv(x)))) of 1×1 convolutions, (B, C, H, W) → the same shape."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(features, features, 1) for _ in range(2))
        self.cuca = ChannelScale(features)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.cuca(convolve(self.conv2, convolve(self.conv1, x, "relu")))
        return result.add_(x) if can_fuse(x) else result + x


class PointwiseBlocks(nn.Module):
    """x + conv(blocks(x)), (B, C, H, W) → the same shape."""

    def __init__(self, number: int, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(PointwiseBlock(features) for _ in range(number)))
        self.tail = nn.Conv2d(features, features, 1)

    def forward(self, x: Tensor) -> Tensor:
        return convolve(self.tail, self.body(x), plus=x)


class LAN(Denoiser):
    """Locally aware network, (B, channels, H, W) → the same shape, values in [0, 255]. Not blind.

    Each pixel sees field×field pixels, and the image-wide means of its channel attention.

    Args:
        channels: of the image.
        features: width of every layer, at least 16 (64 in the paper).
        field: pixels across that a pixel sees, odd (3 in the paper).
        blocks: residual blocks of 1×1 convolutions (6 in the paper).

    Raises:
        ValueError: for sizes that do not fit each other.

    Example:
        >>> LAN(features=16, blocks=1)(torch.rand(1, 3, 5, 7)).shape
        torch.Size([1, 3, 5, 7])
    """

    value_range = (0.0, 255.0)

    def __init__(self, channels: int = 3, features: int = 64, field: int = 3, blocks: int = 6) -> None:
        super().__init__()
        if field % 2 == 0 or features < 16:
            raise ValueError(f"field must be odd and features at least 16, got {field} and {features}.")
        self.sizes = {"channels": channels, "features": features, "field": field, "blocks": blocks}
        layers: list[nn.Module] = [nn.Conv2d(channels, features, 1), nn.ReLU()]
        for _ in range(field // 2):
            layers += [nn.Conv2d(features, features, 3, padding=1), nn.ReLU()]
        self.conv = nn.Sequential(*layers, PointwiseBlocks(blocks, features), nn.Conv2d(features, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        image, (*layers, blocks, last) = x, self.conv
        for layer in layers[::2]:
            x = convolve(layer, x, "relu")  # type: ignore[arg-type]
        return output_convolution(last, blocks(x), image)  # type: ignore[arg-type]

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `conv.0.weight` (features, C, 1, 1), the number of 3×3 kernels and of blocks."""
        first = weights.get("conv.0.weight")
        blocks = sum(key.endswith(".cuca.conv_du.0.weight") for key in weights)
        if first is None or not blocks or first.shape[-1] != 1:
            return None
        wide = sum(key.count(".") == 2 and value.dim() == 4 and value.shape[-1] == 3 for key, value in weights.items())
        return {"channels": first.shape[1], "features": first.shape[0], "field": 2 * wide + 1, "blocks": blocks}
