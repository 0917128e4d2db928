"""TBSN, a transformer that is blind to each pixel: dilated attention between channels and masked attention in windows.

Li, Zhang and Zuo, "Rethinking Transformer-Based Blind-Spot Network for Self-Supervised Image Denoising", AAAI 2025.

Why it is blind in space: the first convolution leaves out the pixel itself. From there on every step, of a dilated
convolution or in a window, is an even number of rows and columns, and patch-unshuffle keeps what is even. A pixel comes
back to itself only from distances that are even, and from the first convolution's eight neighbours none is. The
attention between channels takes its cosines over the whole image. Through these the pixel is seen a little.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from unnoise.denoisers.base import Blindness, Denoiser
from unnoise.denoisers.channel_attention import ChannelAttention
from unnoise.denoisers.dbsn import CentreMaskedConv2d
from unnoise.denoisers.masked_attention import MaskedWindowAttention
from unnoise.layers.fused_convolution import (
    can_fuse,
    compute_dtype,
    convolve,
    convolve_with_weights,
    effective_weights,
)
from unnoise.layers.norms import ChannelNorm
from unnoise.layers.output_layer import output_convolution
from unnoise.layers.patch_shuffle import patch_shuffle, patch_unshuffle
from unnoise.layers.polyphase import pad_to_multiple
from unnoise.layers.weight_cache import prepare_weights

DILATION = 2
"""Of all 3×3 convolutions after the first, and the side of the patches that are shuffled."""
_STAGES = ("encoder_level1", "encoder_level2", "latent", "decoder_level2", "decoder_level1", "refinement")
_LEVELS = (0, 1, 2, 1, 0, 0)


class DilatedFeedForward(nn.Module):
    """x + conv(gelu(conv(norm(x)))) with two dilated 3×3 convolutions, (B, C, H, W) → the same shape.

    >>> DilatedFeedForward(4, 8, bias=False)(torch.rand(1, 4, 5, 6), ChannelNorm(4, "BiasFree", eps=1e-5)).shape
    torch.Size([1, 4, 5, 6])
    """

    def __init__(self, channels: int, hidden: int, bias: bool) -> None:
        super().__init__()
        around: dict[str, Any] = {"padding": DILATION, "dilation": DILATION, "bias": bias}
        self.project_in = nn.Conv2d(channels, hidden, 3, **around)
        self.project_out = nn.Conv2d(hidden, channels, 3, **around)

    def forward(self, x: Tensor, norm: ChannelNorm) -> Tensor:
        """In the memory of x where possible."""
        if not can_fuse(x):
            return convolve(self.project_out, convolve(self.project_in, norm(x), "gelu"), plus=x)
        make = lambda: norm.fold_into(effective_weights(self.project_in))  # noqa: E731
        weights = prepare_weights(self.project_in, "after norm", compute_dtype(x), make)
        around = (DILATION, DILATION)
        hidden = convolve_with_weights(norm.normalize(x), *weights, "gelu", padding=around, dilation=around)
        return convolve(self.project_out, hidden, plus=x, inplace=True)


class TransformerBlock(nn.Module):
    """Attention between channels, then in windows, each with a feed-forward part: (B, C, H, W) → the same shape."""

    def __init__(
        self, channels: int, window: int, heads: int, window_heads: int, head_width: int, expansion: float, bias: bool
    ) -> None:
        super().__init__()
        hidden = int(channels * expansion)
        self.spatial_attn = MaskedWindowAttention(channels, window, window_heads, head_width, bias)
        self.channel_attn = ChannelAttention(channels, heads, bias, dilation=DILATION)
        for number in range(1, 5):
            self.add_module(f"norm{number}", nn.Sequential(OrderedDict(body=ChannelNorm(channels, "BiasFree", eps=1e-5))))
        self.channel_ffn = DilatedFeedForward(channels, hidden, bias)
        self.spatial_ffn = DilatedFeedForward(channels, hidden, bias)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.channel_attn, self.channel_ffn, self.spatial_attn, self.spatial_ffn
        for number, part in enumerate(parts, start=1):
            x = part(x, self.get_submodule(f"norm{number}.body"))
        return x


class TBSN(Denoiser):
    """TBSN, (B, channels, H, W) → the same shape, values in [0, 255]. 12,746,780 parameters at its defaults.

    Blind to each pixel but for the image-wide cosines of its channel attention. Sides that do not divide by 32 are
    padded with zeros, as reflection would show a pixel near the edge to itself, and the result is cropped.

    Args:
        channels: of the image.
        dim: width of the first level, which doubles twice.
        blocks: transformer blocks at each of the three levels, the same down and up.
        refinement_blocks: blocks at the end, at full resolution.
        heads: of the attention between channels, at each level.
        window_heads: of the attention in windows, at each level.
        head_width: channels of each of these heads.
        window: side of a window in pixels, which 8 divides.
        expansion: width of the feed-forward parts over that of the level.
        bias: whether the convolutions have biases.

    Raises:
        ValueError: for sizes that do not fit each other.

    Example:
        >>> small = {"blocks": [1, 1, 1], "refinement_blocks": 1, "heads": [1, 1, 1], "window_heads": [1, 1, 1]}
        >>> TBSN(dim=8, head_width=4, **small)(torch.rand(1, 3, 33, 20) * 255).shape
        torch.Size([1, 3, 33, 20])
    """

    value_range = (0.0, 255.0)
    blindness: ClassVar[Blindness] = "approximate"
    padding_mode = "zeros"
    he_gain = 1.0

    def __init__(
        self,
        channels: int = 3,
        dim: int = 48,
        blocks: Sequence[int] = (4, 4, 4),
        refinement_blocks: int = 4,
        heads: Sequence[int] = (1, 2, 4),
        window_heads: Sequence[int] = (2, 2, 3),
        head_width: int = 16,
        window: int = 8,
        expansion: float = 1.0,
        bias: bool = False,
    ) -> None:
        super().__init__()
        if not len(blocks) == len(heads) == len(window_heads) == 3:
            raise ValueError(f"blocks, heads and window_heads need three numbers, got {blocks}, {heads} and {window_heads}.")
        if dim % 2 or 2 * dim % heads[0] or any((dim << level) % number for level, number in enumerate(heads)):
            raise ValueError(f"dim must be even, and each level's width must divide by its heads; got {dim} and {heads}.")
        if window < 8 or window % 8:
            raise ValueError(f"window must be a multiple of 8, got {window}.")
        self.sizes = {
            "channels": channels, "dim": dim, "blocks": list(blocks), "refinement_blocks": refinement_blocks,
            "heads": list(heads), "window_heads": list(window_heads), "head_width": head_width, "window": window,
            "expansion": expansion, "bias": bias,
        }  # fmt: skip
        self.patch_embed = nn.Sequential(OrderedDict(proj=CentreMaskedConv2d(channels, dim, 3, bias=False)))
        for stage, level in zip(_STAGES, _LEVELS, strict=True):
            # The last skip is not reduced, so the full resolution ends twice as wide as it began.
            wide = 2 * dim if stage in ("decoder_level1", "refinement") else dim << level
            number = refinement_blocks if stage == "refinement" else blocks[level]
            one = (
                TransformerBlock(wide, window, heads[level], window_heads[level], head_width, expansion, bias)
                for _ in range(number)
            )
            self.add_module(stage, nn.Sequential(*one))
        for upper in (1, 2):
            wide = dim << upper
            self.add_module(f"down{upper}_{upper + 1}", _resampling(wide // 2, wide // 4))
            self.add_module(f"up{upper + 1}_{upper}", _resampling(wide, 2 * wide))
        self.reduce_chan_level2 = nn.Conv2d(4 * dim, 2 * dim, 1, bias=bias)
        self.output = nn.Conv2d(2 * dim, channels, 1, bias=bias)

    @property
    def size_multiple(self) -> int:  # type: ignore[override] # depends on the window
        """Such sides need no padding: whole windows at a quarter of the resolution."""
        window: int = self.sizes["window"]
        return 4 * window

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        return self.on_grid(pad_to_multiple(x, self.size_multiple))[..., :height, :width]

    def on_grid(self, x: Tensor) -> Tensor:
        """The published network itself, (B, channels, H, W) → the same shape, for H and W that divide by 32."""
        image, skips = x, []
        x = convolve(self.patch_embed.proj, x)  # type: ignore[arg-type]
        for level in (1, 2):
            x = self.get_submodule(f"encoder_level{level}")(x)
            skips.append(x)
            x = patch_unshuffle(convolve(self.get_submodule(f"down{level}_{level + 1}.body.0"), x), DILATION)  # type: ignore[arg-type]
        x = self.get_submodule("latent")(x)
        for level in (2, 1):
            x = patch_shuffle(convolve(self.get_submodule(f"up{level + 1}_{level}.body.0"), x), DILATION)  # type: ignore[arg-type]
            x = torch.cat([x, skips.pop()], dim=1)
            if level == 2:
                x = convolve(self.reduce_chan_level2, x)
            x = self.get_submodule(f"decoder_level{level}")(x)
        return output_convolution(self.output, self.get_submodule("refinement")(x), image)

    def initialize_he(self) -> None:
        """He-normal weights, with zeros for the last layer of each attention and feed-forward part, so each block
        begins as the identity."""
        super().initialize_he()
        for module in self.modules():
            if isinstance(module, ChannelAttention | MaskedWindowAttention | DilatedFeedForward):
                nn.init.zeros_(module.project_out.weight)

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> Self | None:
        """As `Denoiser.from_weights`, without the published masks of the attention, which are constant."""
        return super().from_weights({key: value for key, value in weights.items() if "fixed_pos_emb" not in key})

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `patch_embed.proj.weight` (dim, C, 3, 3), the blocks, and their tables of positions
        (3·window − 1, head_width)."""
        first = weights.get("patch_embed.proj.weight")
        levels = _STAGES[:3]
        keys = [f"{level}.0.spatial_attn.rel_pos_emb.rel_height" for level in levels]
        if first is None or any(key not in weights for key in keys):
            return None
        table = weights[keys[0]]

        def blocks(stage: str) -> int:
            return sum(bool(re.fullmatch(rf"{stage}\.\d+\.channel_attn\.temperature", key)) for key in weights)

        return {
            "channels": first.shape[1],
            "dim": first.shape[0],
            "blocks": [blocks(level) for level in levels],
            "refinement_blocks": blocks("refinement"),
            "heads": [len(weights[f"{level}.0.channel_attn.temperature"]) for level in levels],
            "window_heads": [
                weights[f"{level}.0.spatial_attn.project_out.weight"].shape[1] // table.shape[1] for level in levels
            ],
            "head_width": table.shape[1],
            "window": (len(table) + 1) // 3,
            "expansion": weights[f"{levels[0]}.0.channel_ffn.project_in.weight"].shape[0] / first.shape[0],
            "bias": "output.bias" in weights,
        }


def _resampling(channels: int, out_channels: int) -> nn.Module:
    """The 1×1 convolution beside a patch-shuffle, under its published name `body.0`."""
    return nn.Sequential(OrderedDict(body=nn.Sequential(nn.Conv2d(channels, out_channels, 1, bias=False))))
