"""DRUNet: a U-Net of residual blocks without biases that is told the noise level.

Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior", IEEE Transactions on Pattern Analysis and Machine
Intelligence, 2021. Without biases it scales with its input, so it works for levels far beyond those of its training.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.noise_level import level_map
from unnoise.layers.fused_convolution import convolve
from unnoise.layers.output_layer import output_convolution
from unnoise.layers.receptive_field import kernel_span, receptive_field_radius, upsampling_span
from unnoise.layers.replication_padding import pad_to_multiple_replicate

SCALES = 4


class ResidualBlock(nn.Module):
    """x + conv(ReLU(conv(x))), (B, F, H, W) → the same shape."""

    def __init__(self, features: int) -> None:
        super().__init__()
        first, second = (nn.Conv2d(features, features, 3, padding=1, bias=False) for _ in range(2))
        self.res = nn.Sequential(first, nn.ReLU(inplace=True), second)

    def forward(self, x: Tensor) -> Tensor:
        first, _, second = self.res
        assert isinstance(first, nn.Conv2d)
        assert isinstance(second, nn.Conv2d)
        return convolve(second, convolve(first, x, "relu"), plus=x)


class DRUNet(Denoiser):
    """DRUNet, (B, channels, H, W) → the same shape, values in [0, 1]. Not blind. 32,640,960 parameters at its defaults.

    Sides that do not divide by 8 are extended by repeating their last row or column, and the result is cropped.

    Args:
        channels: of the image.
        width: of the first scale; each scale below is twice as wide (64 in the paper).
        blocks: residual blocks at each scale, down and up (4 in the paper).
        level: the noise's standard deviation where a call gives none, in steps of 255.

    Example:
        >>> network = DRUNet(width=4, blocks=1)
        >>> network(torch.rand(2, 3, 9, 7), level=torch.tensor([0.1, 0.2])).shape
        torch.Size([2, 3, 9, 7])
    """

    takes_noise_level = True
    he_gain: ClassVar[float] = 1.0
    size_multiple: ClassVar[int] = 2 ** (SCALES - 1)
    """Tiles that begin at its multiples halve the same pixels."""

    def __init__(self, channels: int = 3, width: int = 64, blocks: int = 4, level: float = 25.0) -> None:
        super().__init__()
        self.sizes = {"channels": channels, "width": width, "blocks": blocks, "level": level}
        widths = [width << scale for scale in range(SCALES)]
        self.m_head = nn.Conv2d(channels + 1, width, 3, padding=1, bias=False)
        for scale in range(1, SCALES):
            narrow, wide = widths[scale - 1], widths[scale]
            down, up = nn.Conv2d(narrow, wide, 2, 2, bias=False), nn.ConvTranspose2d(wide, narrow, 2, 2, bias=False)
            self.add_module(f"m_down{scale}", nn.Sequential(*_blocks(narrow, blocks), down))
            self.add_module(f"m_up{scale}", nn.Sequential(up, *_blocks(narrow, blocks)))
        self.m_body = nn.Sequential(*_blocks(widths[-1], blocks))
        self.m_tail = nn.Conv2d(width, channels, 3, padding=1, bias=False)

    def initialize_he(self) -> None:
        """He-normal weights, zeros for the last layer of each block: they begin as the identity."""
        super().initialize_he()
        for module in self.modules():
            if isinstance(module, ResidualBlock):
                nn.init.zeros_(module.res[2].weight)  # type: ignore[arg-type]

    @property
    def receptive_field_radius(self) -> int:
        """Down to an eighth of the resolution and up again."""
        blocks = [kernel_span(1, 1)] * (2 * self.sizes["blocks"])
        up, halve = [*blocks, upsampling_span()], [kernel_span(0, 1, 2), *blocks]
        path = [kernel_span(1, 1), *up * (SCALES - 1), *blocks, *halve * (SCALES - 1), kernel_span(1, 1)]
        return receptive_field_radius(path, self.size_multiple)

    def forward(self, x: Tensor, level: Tensor | None = None) -> Tensor:
        height, width = x.shape[-2:]
        image = pad_to_multiple_replicate(x, self.size_multiple)
        y = convolve(self.m_head, torch.cat([image, level_map(image, level, self.sizes["level"])], dim=1))
        skips = [y]
        for scale in range(1, SCALES):
            *blocks, halve = self.get_submodule(f"m_down{scale}").children()
            y = convolve(halve, _run(blocks, y))  # type: ignore[arg-type]
            skips.append(y)
        y = _run(self.m_body.children(), y)
        for scale in range(SCALES - 1, 0, -1):
            y = _run(self.get_submodule(f"m_up{scale}").children(), y + skips.pop())
        return output_convolution(self.m_tail, y + skips.pop(), image)[..., :height, :width]

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `m_head.weight` (width, C + 1, 3, 3) and the number of blocks in the middle."""
        head, tail = weights.get("m_head.weight"), weights.get("m_tail.weight")
        blocks = sum(bool(re.fullmatch(r"m_body\.\d+\.res\.0\.weight", key)) for key in weights)
        if head is None or tail is None or not blocks or head.shape[1] != tail.shape[0] + 1:
            return None
        return {"channels": tail.shape[0], "width": head.shape[0], "blocks": blocks}


def _blocks(features: int, number: int) -> list[nn.Module]:
    return [ResidualBlock(features) for _ in range(number)]


def _run(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x
