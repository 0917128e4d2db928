"""Restormer, a U-shaped transformer whose attention runs between channels, not between pixels; AMSNet's default denoiser.

Zamir et al., "Restormer: Efficient Transformer for High-Resolution Image Restoration", CVPR 2022.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.layers.fused import Activation, can_fuse, convolve, convolve_with, in_sequence, working_type
from unnoise.layers.last import last_layer
from unnoise.layers.norms import ChannelNorm, NormKind
from unnoise.layers.padding import pad_to_multiple_reflect
from unnoise.layers.pointwise import are_rows, convolve_depthwise, convolve_pixels, gelu
from unnoise.layers.prepared import Weights, prepared
from unnoise.layers.sums import mix_channels

Half = Literal[0, 1]
HALVES: tuple[Half, Half] = 0, 1

# The published code's names, in the order from the image down and up again, each with the level whose heads and blocks it has.
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


class Attention(nn.Module):
    """Multi-Dconv head transposed attention (MDTA, Eq. 1 of the paper), (B, C, H, W) → the same shape.

    The attention map of each head is (C/heads, C/heads), from the cosines between channels over the whole image.
    """

    def __init__(self, channels: int, heads: int, bias: bool) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=bias)
        self.qkv_dwconv = nn.Conv2d(3 * channels, 3 * channels, 3, padding=1, groups=3 * channels, bias=bias)
        self.project_out = nn.Conv2d(channels, channels, 1, bias=bias)

    def forward(self, x: Tensor, norm: ChannelNorm) -> Tensor:
        """x + attention(norm(x))."""
        if can_fuse(x) or (are_rows(x) and working_type(x) != torch.float16):  # in which sums of squares could overflow
            return self._by_rows(x, norm)
        plus, x = x, norm(x)
        channels, heads = x.shape[1], len(self.temperature)
        qkv: Tensor = self.qkv_dwconv(self.qkv(x))  # (B, 3C, H, W)
        values = qkv[:, 2 * channels :]
        shape = len(x), 2, heads, channels // heads, -1
        queries, keys = qkv[:, : 2 * channels].reshape(shape).unbind(1)  # each (B, heads, C/heads, H·W)
        attention = (self.temperature * _cosines(queries, keys)).softmax(dim=-1)  # (B, heads, C/heads, C/heads)
        out = mix_channels(self._projected(attention).to(values.dtype), values)
        if self.project_out.bias is not None:
            out = out + self.project_out.bias.to(out.dtype)[:, None, None]
        return plus + out

    def _projected(self, attention: Tensor) -> Tensor:
        """The projection times the attention, (B, heads, C/heads, C/heads) → (B, C, C): the values pass once, not twice."""
        heads = len(self.temperature)
        projection = self.project_out.weight.view(-1, heads, attention.shape[-1]).transpose(0, 1)  # (heads, C, C/heads)
        return (projection.to(attention.dtype) @ attention).transpose(1, 2).flatten(2)

    def _by_rows(self, x: Tensor, norm: ChannelNorm) -> Tensor:
        """The same with the pixels as rows of memory, and without queries, keys and values being cut out of one another."""
        batch, channels, height, width = x.shape
        cosines, values = self._at_inference(x, norm) if can_fuse(x) else self._in_training(norm(x))
        mixed = self._projected((self.temperature * cosines).softmax(dim=-1)).to(values.dtype)  # (B, C, C)
        rows = _as_rows(x.to(values.dtype))
        if self.project_out.bias is not None:
            rows = rows + self.project_out.bias.to(rows.dtype)
        return torch.baddbmm(rows, values, mixed.mT).reshape(batch, height, width, channels).permute(0, 3, 1, 2)

    def _at_inference(self, x: Tensor, norm: ChannelNorm) -> tuple[Tensor, Tensor]:
        """Cosines (B, heads, C/heads, C/heads) and values (B, H·W, C)."""
        batch, channels = x.shape[:2]
        heads = len(self.temperature)
        normal = norm.unscaled(x)
        parts = slice(2 * channels), slice(2 * channels, None)
        both, values = (_as_rows(self._part(normal, part, norm)) for part in parts)  # (B, H·W, 2C) and (B, H·W, C)
        # All products of queries and keys with one another: of use are the lengths on the diagonal, and blocks of queries with keys. That
        # is four times the work, and takes a tenth of the time that these by themselves do: no piece is cut out, no square is stored.
        products = (both.mT @ both).float()  # (B, 2C, 2C)
        lengths = products.diagonal(dim1=1, dim2=2).sqrt().clamp_min(1e-12)  # (B, 2C)
        products = products[:, :channels, channels:]  # (B, C, C)
        products = products / (lengths[:, :channels, None] * lengths[:, None, channels:])
        cosines = products.reshape(batch, heads, channels // heads, heads, -1).diagonal(dim1=1, dim2=3).movedim(-1, 1)
        return cosines, values

    def _in_training(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The same of a normalised x: gradients of what is never cut out need not be put together, nor those of products without use."""
        channels, heads = x.shape[1], len(self.temperature)
        queries, keys, values = (  # each (B, H·W, C)
            _as_rows(convolve_depthwise(convolve_pixels(x, *_rows(self.qkv, part)), *_rows(self.qkv_dwconv, part)))
            for part in (slice(start, start + channels) for start in range(0, 3 * channels, channels))
        )
        wide = torch.promote_types(queries.dtype, torch.float32)
        lengths = (torch.linalg.vector_norm(rows, dim=1, dtype=wide).clamp(min=1e-12) for rows in (queries, keys))
        one, other = (length.reshape(len(x), heads, -1) for length in lengths)  # each (B, heads, C/heads)
        of_heads = (
            rows.reshape(*rows.shape[:2], heads, -1).unbind(2) for rows in (queries, keys)
        )  # of each head (B, H·W, C/heads)
        products = torch.stack([some.mT @ others for some, others in zip(*of_heads, strict=True)], dim=1)
        return products.to(wide) / (one[..., None] * other[..., None, :]), values

    def _part(self, x: Tensor, part: slice, norm: ChannelNorm) -> Tensor:
        """Some of the channels of qkv_dwconv(qkv(norm(…))), for x that the norm left unscaled."""
        name, dtype = f"{part.start}", working_type(x)
        x = convolve_with(x, *prepared(self.qkv, name, dtype, lambda: norm.into(_rows(self.qkv, part))))
        weight, bias = prepared(self.qkv_dwconv, name, dtype, lambda: _rows(self.qkv_dwconv, part))
        return convolve_with(x, weight, bias, padding=(1, 1), groups=len(weight))


def _as_rows(x: Tensor) -> Tensor:
    """(B, C, H, W) → (B, H·W, C)."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _rows(layer: nn.Conv2d, part: slice) -> Weights:
    """The weights of some of a layer's outputs."""
    return layer.weight[part], None if layer.bias is None else layer.bias[part]


def _cosines(queries: Tensor, keys: Tensor) -> Tensor:
    """Cosines between the rows of two (B, heads, c, N): (B, heads, c, c) in float32 at least.

    The products are divided by the norms, not each of the many values; float16 alone could overflow in the sum over N.
    """
    wide = torch.promote_types(queries.dtype, torch.float32)
    queries_length, keys_length = (_lengths(rows, wide) for rows in (queries, keys))  # (B, heads, c, 1)
    if queries.dtype == torch.float16:
        return ((queries / queries_length).half() @ (keys / keys_length).half().mT).to(wide)
    return (queries @ keys.mT).to(wide) / (queries_length * keys_length.mT)


def _lengths(rows: Tensor, dtype: torch.dtype) -> Tensor:
    """Euclidean lengths of rows (B, heads, c, N), never quite zero: (B, heads, c, 1) in `dtype`."""
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=-1, keepdim=True, dtype=dtype)
    return lengths.clamp(min=1e-12)


class FeedForward(nn.Module):
    """Gated-Dconv feed-forward network (GDFN, Eq. 2 of the paper), (B, C, H, W) → the same shape."""

    def __init__(self, channels: int, hidden: int, bias: bool) -> None:
        super().__init__()
        self.project_in = nn.Conv2d(channels, 2 * hidden, 1, bias=bias)
        self.dwconv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=bias)
        self.project_out = nn.Conv2d(hidden, channels, 1, bias=bias)

    def forward(self, x: Tensor, norm: ChannelNorm) -> Tensor:
        """x + feed-forward(norm(x)), in the memory of x where that can be."""
        if can_fuse(x):
            normal = norm.unscaled(x)
            values = self._part(normal, 1, norm, times=self._part(normal, 0, norm))
            weight, bias = prepared(self.project_out, "", working_type(x), self._leaving)
            return convolve_with(values, weight, bias, plus=x, own=True)
        normal = norm(x)
        if are_rows(x):
            gate, values = (self._trained_part(normal, half) for half in HALVES)
            return x + convolve_pixels(gelu(gate) * values, *self._leaving())
        gate, values = self.dwconv(self.project_in(normal)).chunk(2, dim=1)
        return x + self.project_out(F.gelu(gate) * values)

    def _part(self, x: Tensor, half: Half, norm: ChannelNorm, times: Tensor | None = None) -> Tensor:
        """gelu of the first half of dwconv(project_in(norm(…))), or the second half times a factor."""
        name, dtype = f"half {half}", working_type(x)
        x = convolve_with(x, *prepared(self.project_in, name, dtype, lambda: norm.into(_half(self.project_in, half))))
        weight, bias = prepared(self.dwconv, name, dtype, lambda: _half(self.dwconv, half))
        activation: Activation = "none" if half else "gelu"
        return convolve_with(x, weight, bias, activation, times=times, padding=(1, 1), groups=len(weight))

    def _trained_part(self, x: Tensor, half: Half) -> Tensor:
        """One half of dwconv(project_in(x)); halves that are never joined need not be cut apart, nor their gradients joined."""
        return convolve_depthwise(convolve_pixels(x, *_half(self.project_in, half)), *_half(self.dwconv, half))

    def _leaving(self) -> Weights:
        """The weights of the last layer, for as many channels as `_half` leaves."""
        return _filled(self.project_out.weight, 1), self.project_out.bias


def _half(layer: nn.Conv2d, half: Half) -> Weights:
    """The weights of one half of a layer's outputs; zero channels fill up the vectors."""
    bias = None if layer.bias is None else _filled(layer.bias.chunk(2)[half], 0)
    return _filled(layer.weight.chunk(2)[half], 0), bias


def _filled(values: Tensor, dim: int, multiple: int = 32) -> Tensor:
    """Zeros added along `dim` until its length divides by `multiple`, the width of a vector: an expansion of 2.66 gives 127 channels."""
    zeros = list(values.shape)
    zeros[dim] = -values.shape[dim] % multiple
    return torch.cat([values, values.new_zeros(zeros)], dim=dim) if values.shape[dim] >= multiple else values


class TransformerBlock(nn.Module):
    """Attention, then feed-forward, each after a normalisation and added to its input, (B, C, H, W) → the same shape."""

    def __init__(self, channels: int, heads: int, hidden: int, bias: bool, norm: NormKind) -> None:
        super().__init__()
        self.norm1 = nn.Sequential(OrderedDict(body=ChannelNorm(channels, norm, eps=1e-5)))
        self.attn = Attention(channels, heads, bias)
        self.norm2 = nn.Sequential(OrderedDict(body=ChannelNorm(channels, norm, eps=1e-5)))
        self.ffn = FeedForward(channels, hidden, bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attn(x, self.norm1.body)
        result: Tensor = self.ffn(x, self.norm2.body)
        return result


class Resampling(nn.Module):
    """A 3×3 convolution, then pixels into channels or back: (B, C, H, W) → (B, 2C, H/2, W/2) or (B, C/2, 2H, 2W)."""

    def __init__(self, channels: int, up: bool) -> None:
        super().__init__()
        leaving = 2 * channels if up else channels // 2
        shuffle = nn.PixelShuffle(2) if up else nn.PixelUnshuffle(2)
        self.body = nn.Sequential(nn.Conv2d(channels, leaving, 3, padding=1, bias=False), shuffle)

    def forward(self, x: Tensor) -> Tensor:
        return in_sequence(self.body, x)


class Restormer(Denoiser):
    """Restormer, (B, channels, H, W) → the same shape, values in [0, 1]. Not blind. 26,111,668 parameters at its defaults.

    Sides that do not divide by 8 are padded by reflection and the result is cropped. The attention's cosines are taken over the
    whole image, so every pixel depends on every other.

    Args:
        channels: of the image.
        dim: width of the first level; each level below is twice as wide as the one above.
        blocks: transformer blocks at each of the four levels, the same down and up.
        refinement_blocks: blocks at the end, at full resolution.
        heads: of the attention at each level.
        expansion: width of the feed-forward part over the level's width; the product is rounded down.
        bias: whether the convolutions have biases.
        norm: ``"BiasFree"`` (denoising) or ``"WithBias"``; see `ChannelNorm`.
    """

    multiple: ClassVar[int] = 8
    """Sides that divide by it need no padding."""

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
            # The last skip is not reduced, so that the full resolution ends twice as wide as it began.
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
        return self.on_grid(pad_to_multiple_reflect(x, self.multiple))[..., :height, :width]

    def on_grid(self, x: Tensor) -> Tensor:
        """The published network itself, (B, channels, H, W) → the same shape, for H and W that divide by 8."""
        image, skips = x, []
        x = in_sequence(self.patch_embed, x)  # (B, dim, H, W)
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
        return image + last_layer(self.output, self.get_submodule("refinement")(x), torch.zeros_like(image))

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `patch_embed.proj.weight` (dim, C, 3, 3), the blocks, their temperatures (heads, 1, 1) and norms.

        Of the expansions that give the hidden widths found, the one with fewest decimals is taken.
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
