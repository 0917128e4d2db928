"""SCUNet: DRUNet's U-Net, with blocks that are half residual convolutions and half shifted windows of attention.

Zhang et al., "Practical Blind Image Denoising via Swin-Conv-UNet and Data Synthesis", Machine Intelligence Research, 2023.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.window_attention import WINDOW, WindowAttention
from unnoise.layers.fused_convolution import convolve
from unnoise.layers.output_layer import output_convolution
from unnoise.layers.replication_padding import pad_to_multiple_replicate

SCALES = 4


class TransformerBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), (B, H, W, C) → the same shape."""

    def __init__(self, channels: int, head_width: int, *, shifted: bool) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.msa = WindowAttention(channels, head_width, shifted=shifted)
        self.mlp = nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.msa(self.ln1(x))
        result: Tensor = x + self.mlp(self.ln2(x))
        return result


class SwinConvBlock(nn.Module):
    """x + conv(half of it through convolutions, half through attention), (B, 2·F, H, W) → the same shape."""

    def __init__(self, features: int, head_width: int, *, shifted: bool) -> None:
        super().__init__()
        self.trans_block = TransformerBlock(features, head_width, shifted=shifted)
        self.conv1_1, self.conv1_2 = (nn.Conv2d(2 * features, 2 * features, 1) for _ in range(2))
        first, second = (nn.Conv2d(features, features, 3, padding=1, bias=False) for _ in range(2))
        self.conv_block = nn.Sequential(first, nn.ReLU(inplace=True), second)

    def forward(self, x: Tensor) -> Tensor:
        near, far = convolve(self.conv1_1, x).chunk(2, dim=1)
        first, _, second = self.conv_block
        near = convolve(second, convolve(first, near, "relu"), plus=near)  # type: ignore[arg-type]
        far = self.trans_block(far.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return convolve(self.conv1_2, torch.cat([near, far], dim=1), plus=x)


class SCUNet(Denoiser):
    """SCUNet, (B, channels, H, W) → the same shape, values in [0, 1]. Not blind. 17,946,072 parameters at its defaults.

    Sides that do not divide by 64 are extended by repeating their last row or column, and the result is cropped.

    Args:
        channels: of the image.
        width: of the first scale, half for each kind of layer; each scale below is twice as wide (64 in the paper).
        blocks: blocks at each of the seven steps down and up; every second one has shifted windows (4 each in the paper).
        head_width: channels of a head, which divides half of the width (32 in the paper).

    Raises:
        ValueError: for sizes that do not fit each other.

    Example:
        >>> SCUNet(width=8, blocks=[1] * 7, head_width=4)(torch.rand(1, 3, 9, 7)).shape
        torch.Size([1, 3, 9, 7])
    """

    he_gain: ClassVar[float] = 1.0
    size_multiple: ClassVar[int] = WINDOW * 2 ** (SCALES - 1)
    """Tiles that begin at its multiples have the same windows."""

    def __init__(self, channels: int = 3, width: int = 64, blocks: Sequence[int] = (4,) * 7, head_width: int = 32) -> None:
        super().__init__()
        if len(blocks) != 2 * SCALES - 1 or width % 2 or (width // 2) % head_width:
            raise ValueError(
                f"blocks must be seven and head_width divide half of the width, got {blocks}, {head_width}, {width}."
            )
        self.sizes = {"channels": channels, "width": width, "blocks": list(blocks), "head_width": head_width}
        widths = [width << scale for scale in range(SCALES)]

        def several(features: int, number: int) -> list[nn.Module]:
            return [SwinConvBlock(features // 2, head_width, shifted=bool(place % 2)) for place in range(number)]

        self.m_head = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1, bias=False))
        for scale in range(1, SCALES):
            narrow, wide = widths[scale - 1], widths[scale]
            down, up = nn.Conv2d(narrow, wide, 2, 2, bias=False), nn.ConvTranspose2d(wide, narrow, 2, 2, bias=False)
            self.add_module(f"m_down{scale}", nn.Sequential(*several(narrow, blocks[scale - 1]), down))
            self.add_module(f"m_up{scale}", nn.Sequential(up, *several(narrow, blocks[-scale])))
        self.m_body = nn.Sequential(*several(widths[-1], blocks[SCALES - 1]))
        self.m_tail = nn.Sequential(nn.Conv2d(width, channels, 3, padding=1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        image = pad_to_multiple_replicate(x, self.size_multiple)
        y = convolve(self.m_head[0], image)  # type: ignore[arg-type]
        skips = [y]
        for scale in range(1, SCALES):
            *blocks, halve = self.get_submodule(f"m_down{scale}").children()
            y = convolve(halve, _run(blocks, y))  # type: ignore[arg-type]
            skips.append(y)
        y = _run(list(self.m_body), y)
        for scale in range(SCALES - 1, 0, -1):
            y = _run(list(self.get_submodule(f"m_up{scale}").children()), y + skips.pop())
        return output_convolution(self.m_tail[0], y + skips.pop(), image)[..., :height, :width]  # type: ignore[arg-type]

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `m_head.0.weight` (width, C, 3, 3), the numbers of blocks and the positions' number of heads."""
        head = weights.get("m_head.0.weight")
        heads = [len(value) for key, value in weights.items() if key.endswith("trans_block.msa.relative_position_params")]
        if head is None or not heads:
            return None
        parts = [f"m_down{scale}" for scale in (1, 2, 3)] + ["m_body"] + [f"m_up{scale}" for scale in (3, 2, 1)]
        blocks = [sum(bool(re.fullmatch(rf"{part}\.\d+\.conv1_1\.weight", key)) for key in weights) for part in parts]
        width = head.shape[0]
        return {"channels": head.shape[1], "width": width, "blocks": blocks, "head_width": width // 2 // min(heads)}


def _run(layers: Sequence[nn.Module], x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x
