"""The U-Net of VDN and DANet: two convolutions with leaky ReLU at each scale, transposed convolutions up.

Yue et al., "Variational Denoising Network: Toward Blind Noise Modeling and Removal", NeurIPS 2019, and "Dual Adversarial
Network: Toward Real-world Noise Removal and Noise Generation", ECCV 2020. VDN halves by averaging, DANet by a convolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.layers.fused_convolution import convolve
from unnoise.layers.receptive_field import kernel_span, receptive_field_radius, upsampling_span

NEGATIVE_SLOPE = 0.2


class ConvolutionPair(nn.Module):
    """Two 3×3 convolutions with leaky ReLU, (B, C, H, W) → (B, C', H, W); with `halves` also a 4×4 one of stride 2.

    >>> ConvolutionPair(3, 4, halves=True).downsample.kernel_size
    (4, 4)
    """

    def __init__(self, channels: int, out_channels: int, *, halves: bool = False) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(channels, out_channels, 3, padding=1),
            nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
            nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True),
        )
        if halves:
            self.downsample = nn.Conv2d(out_channels, out_channels, 4, stride=2, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.block[0], self.block[2]):
            x = convolve(layer, x, "leaky_relu", slope=NEGATIVE_SLOPE)  # type: ignore[arg-type]
        return x


class UpsampleBlock(nn.Module):
    """Up-sampled and joined with the skip: (B, C, H, W) and (B, C', 2H, 2W) → (B, C', 2H, 2W)."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(channels, out_channels, 2, stride=2)
        self.conv_block = ConvolutionPair(2 * out_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        result: Tensor = self.conv_block(torch.cat([self.up(x), skip], dim=1))
        return result


class LeakyUNet(nn.Module):
    """(B, channels, H, W) → (B, out_channels, H, W), for sides that divide by 2^(depth − 1).

    Args:
        channels, out_channels: of the input and the result.
        width: of the first scale; each scale below is twice as wide.
        depth: number of scales.
        strided: whether a convolution halves, and not the mean of each 2×2 pixels.

    Example:
        >>> LeakyUNet(3, 6, width=2, depth=2, strided=False)(torch.rand(1, 3, 4, 6)).shape
        torch.Size([1, 6, 4, 6])
    """

    def __init__(self, channels: int, out_channels: int, width: int, depth: int, *, strided: bool) -> None:
        super().__init__()
        widths = [width << level for level in range(depth)]
        into = [channels, *widths[:-1]]
        self.down_path = nn.ModuleList(
            ConvolutionPair(one, other, halves=strided and level < depth - 1)
            for level, (one, other) in enumerate(zip(into, widths, strict=True))
        )
        self.up_path = nn.ModuleList(UpsampleBlock(2 * wide, wide) for wide in widths[-2::-1])
        self.last = nn.Conv2d(width, out_channels, 3, padding=1)

    def features(self, x: Tensor) -> Tensor:
        """All but the last convolution, (B, channels, H, W) → (B, width, H, W)."""
        return run_scales(self.down_path, self.up_path, x)

    def forward(self, x: Tensor) -> Tensor:
        return convolve(self.last, self.features(x))


def run_scales(down: nn.ModuleList, up: nn.ModuleList, x: Tensor) -> Tensor:
    """Down all scales and up again, (B, channels, H, W) → (B, width, H, W).

    >>> network = LeakyUNet(3, 6, width=2, depth=2, strided=True)
    >>> run_scales(network.down_path, network.up_path, torch.rand(1, 3, 4, 6)).shape
    torch.Size([1, 2, 4, 6])
    """
    skips: list[Tensor] = []
    *upper, lowest = down
    for block in upper:
        x = block(x)
        skips.append(x)
        x = convolve(block.downsample, x) if hasattr(block, "downsample") else F.avg_pool2d(x, 2)  # type: ignore[arg-type]
    x = lowest(x)
    for block in up:
        x = block(x, skips.pop())
    return x


def radius(depth: int, *, strided: bool) -> int:
    """The receptive field's radius in pixels, with a last 3×3 convolution.

    >>> radius(1, strided=False)
    3
    """
    pair, halving = [kernel_span(1, 1)] * 2, kernel_span(1, 2, 2) if strided else kernel_span(0, 1, 2)
    path = [kernel_span(1, 1), *[*pair, upsampling_span()] * (depth - 1), *pair, *[halving, *pair] * (depth - 1)]
    return receptive_field_radius(path, 1 << (depth - 1))


def inferred_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """The sizes of a `LeakyUNet` from its state dict; None where it is none.

    >>> inferred_sizes(LeakyUNet(3, 6, width=2, depth=3, strided=True).state_dict())
    {'channels': 3, 'width': 2, 'depth': 3, 'strided': True}
    """
    first = weights.get("down_path.0.block.0.weight")
    if first is None or "up_path.0.up.weight" not in weights or "last.weight" not in weights:
        return None
    depth = sum(key.startswith("down_path.") and key.endswith(".block.0.weight") for key in weights)
    strided = "down_path.0.downsample.weight" in weights
    return {"channels": first.shape[1], "width": first.shape[0], "depth": depth, "strided": strided}
