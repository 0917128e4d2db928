"""Restormer, a U-shaped transformer with attention between channels, not between pixels. It is AMSNet's default
denoiser.

Zamir et al., "Restormer: Efficient Transformer for High-Resolution Image Restoration", CVPR 2022.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.channel_attention import ChannelAttention
from unnoise.denoisers.gated_feedforward import GatedFeedForward
from unnoise.layers.fused_convolution import convolve, run_sequential
from unnoise.layers.norms import ChannelNorm, NormKind
from unnoise.layers.output_layer import output_convolution
from unnoise.layers.reflection_padding import pad_to_multiple_reflect

# The published code's names, in order from the image down and up again, each with its level.
_STAGES = {
    "encoder_level1": 0,
    "encoder_level2": 1,
    "encoder_level3": 2,
    "latent": 3,
    "decoder_level3": 2,
    "decoder_level2": 1,
    "decoder_level1": 0,
    "refinement": 0,
}


class TransformerBlock(nn.Module):
    """Attention, then feed-forward, each after a normalization and residual: (B, C, H, W) → the same shape."""

    def __init__(self, channels: int, heads: int, hidden: int, bias: bool, norm: NormKind) -> None:
        super().__init__()
        self.norm1 = nn.Sequential(OrderedDict(body=ChannelNorm(channels, norm, eps=1e-5)))
        self.attn = ChannelAttention(channels, heads, bias)
        self.norm2 = nn.Sequential(OrderedDict(body=ChannelNorm(channels, norm, eps=1e-5)))
        self.ffn = GatedFeedForward(channels, hidden, bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attn(x, self.norm1.body)
        result: Tensor = self.ffn(x, self.norm2.body)
        return result


class Resampling(nn.Module):
    """A 3×3 convolution and pixel shuffle or unshuffle: (B, C, H, W) → (B, C/2, 2H, 2W) or (B, 2C, H/2, W/2)."""

    def __init__(self, channels: int, up: bool) -> None:
        super().__init__()
        out_channels = 2 * channels if up else channels // 2
        shuffle = nn.PixelShuffle(2) if up else nn.PixelUnshuffle(2)
        self.body = nn.Sequential(nn.Conv2d(channels, out_channels, 3, padding=1, bias=False), shuffle)

    def forward(self, x: Tensor) -> Tensor:
        return run_sequential(self.body, x)


class Restormer(Denoiser):
    """Restormer, (B, channels, H, W) → the same shape, values in [0, 1]. Not blind. 26,111,668 parameters at its
    defaults.

    Sides that do not divide by 8 are padded by reflection, and the result is cropped. The attention takes its cosines
    over the whole image, so every pixel depends on every other.

    Args:
        channels: of the image.
        dim: width of the first level; each level below is twice as wide as the one above.
        blocks: transformer blocks at each of the four levels, the same down and up.
        refinement_blocks: blocks at the end, at full resolution.
        heads: of the attention at each level.
        expansion: width of the feed-forward part over that of the level; the product is rounded down.
        bias: whether the convolutions have biases.
        norm: ``"BiasFree"`` (denoising) or ``"WithBias"``; see `ChannelNorm`.

    Raises:
        ValueError: for sizes that do not fit each other.

    Example:
        >>> Restormer(dim=8, blocks=(1, 1, 1, 1), refinement_blocks=1, heads=(1, 1, 1, 1))(torch.rand(1, 3, 9, 8)).shape
        torch.Size([1, 3, 9, 8])
    """

    he_gain = 1.0
    padding_mode = "reflect"
    size_multiple: ClassVar[int] = 8
    """Such sides need no padding."""

    def __init__(
        self,
        channels: int = 3,
        dim: int = 48,
        blocks: Sequence[int] = (4, 6, 6, 8),
        refinement_blocks: int = 4,
        heads: Sequence[int] = (1, 2, 4, 8),
        expansion: float = 2.66,
        bias: bool = False,
        norm: NormKind = "BiasFree",
    ) -> None:
        super().__init__()
        if len(blocks) != 4 or len(heads) != 4:
            raise ValueError(f"blocks and heads need one number for each of the four levels, got {blocks} and {heads}.")
        if any((dim << level) % number for level, number in enumerate(heads)) or dim % 2 or 2 * dim % heads[0]:
            raise ValueError(f"dim must be even, and each level's width must divide by its heads; got {dim} and {heads}.")
        if norm not in ("BiasFree", "WithBias"):
            raise ValueError(f"norm must be 'BiasFree' or 'WithBias', got {norm!r}.")
        self.sizes = {
            "channels": channels,
            "dim": dim,
            "blocks": list(blocks),
            "refinement_blocks": refinement_blocks,
            "heads": list(heads),
            "expansion": expansion,
            "bias": bias,
            "norm": norm,
        }
        self.patch_embed = nn.Sequential(OrderedDict(proj=nn.Conv2d(channels, dim, 3, padding=1, bias=False)))
        for stage, level in _STAGES.items():
            # The last skip is not reduced, so the full resolution ends twice as wide as it began.
            wide = 2 * dim if stage in ("decoder_level1", "refinement") else dim << level
            number = refinement_blocks if stage == "refinement" else blocks[level]
            one = (TransformerBlock(wide, heads[level], int(wide * expansion), bias, norm) for _ in range(number))
            self.add_module(stage, nn.Sequential(*one))
        for upper in range(1, 4):
            self.add_module(f"down{upper}_{upper + 1}", Resampling(dim << (upper - 1), up=False))
            self.add_module(f"up{upper + 1}_{upper}", Resampling(dim << upper, up=True))
        self.reduce_chan_level3 = nn.Conv2d(8 * dim, 4 * dim, 1, bias=bias)
        self.reduce_chan_level2 = nn.Conv2d(4 * dim, 2 * dim, 1, bias=bias)
        self.output = nn.Conv2d(2 * dim, channels, 3, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        return self.on_grid(pad_to_multiple_reflect(x, self.size_multiple))[..., :height, :width]

    def on_grid(self, x: Tensor) -> Tensor:
        """The published network itself, (B, channels, H, W) → the same shape, for H and W that divide by 8."""
        image, skips = x, []
        x = run_sequential(self.patch_embed, x)  # (B, dim, H, W)
        for level in range(1, 4):
            x = self.get_submodule(f"encoder_level{level}")(x)
            skips.append(x)
            x = self.get_submodule(f"down{level}_{level + 1}")(x)  # (B, dim·2^level, H/2^level, W/2^level)
        x = self.get_submodule("latent")(x)
        for level in range(3, 0, -1):
            x = torch.cat([self.get_submodule(f"up{level + 1}_{level}")(x), skips.pop()], dim=1)
            if level > 1:
                x = convolve(self.get_submodule(f"reduce_chan_level{level}"), x)  # type: ignore[arg-type]
            x = self.get_submodule(f"decoder_level{level}")(x)
        return image + output_convolution(self.output, self.get_submodule("refinement")(x), torch.zeros_like(image))

    def initialize_he(self) -> None:
        """He-normal weights, with zeros for the last layer of each attention and feed-forward part, so each block
        begins as the identity."""
        super().initialize_he()
        for module in self.modules():
            if isinstance(module, ChannelAttention | GatedFeedForward):
                nn.init.zeros_(module.project_out.weight)

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `patch_embed.proj.weight` (dim, C, 3, 3), the blocks, their temperatures (heads, 1, 1) and norms.

        Several expansions can give the same hidden widths; the one with fewest decimals is taken.
        """
        first, last = weights.get("patch_embed.proj.weight"), weights.get("output.weight")
        levels = ("encoder_level1", "encoder_level2", "encoder_level3", "latent")
        if first is None or last is None or any(f"{level}.0.attn.temperature" not in weights for level in levels):
            return None
        if first.shape[1] != last.shape[0] or "skip_conv.weight" in weights:  # the dual-pixel deblurring form is no denoiser
            return None
        hidden = [
            (weights[f"{level}.0.ffn.project_out.weight"].shape[0], weights[f"{level}.0.ffn.project_out.weight"].shape[1])
            for level in levels
        ]
        expansion = _expansion(hidden)
        if expansion is None:
            return None

        def blocks(stage: str) -> int:
            return sum(bool(re.fullmatch(rf"{stage}\.\d+\.attn\.temperature", key)) for key in weights)

        return {
            "channels": first.shape[1],
            "dim": first.shape[0],
            "blocks": [blocks(level) for level in levels],
            "refinement_blocks": blocks("refinement"),
            "heads": [len(weights[f"{level}.0.attn.temperature"]) for level in levels],
            "expansion": expansion,
            "bias": "encoder_level1.0.attn.qkv.bias" in weights,
            "norm": "WithBias" if "encoder_level1.0.norm1.body.bias" in weights else "BiasFree",
        }


def _expansion(widths: Sequence[tuple[int, int]]) -> float | None:
    """The shortest decimal e with int(width · e) = hidden for every (width, hidden); None if there is none."""
    least = max(hidden / width for width, hidden in widths)
    for decimals in range(9):
        candidate = math.ceil(least * 10.0**decimals - 1e-9) / 10.0**decimals
        if all(int(width * candidate) == hidden for width, hidden in widths):
            return candidate
    return None
