"""Restormer's attention between channels, in three forms of the same mathematics.

At inference the products of all channels with one another are cheapest. In training those of each head alone are. On
memory that is not channels last it is the published form.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unnoise.layers.channel_mixing import mix_channels
from unnoise.layers.fused_convolution import can_fuse, compute_dtype, convolve_with_weights
from unnoise.layers.norms import ChannelNorm
from unnoise.layers.pointwise import convolve_depthwise, convolve_pointwise, is_channels_last
from unnoise.layers.weight_cache import Weights, prepare_weights


class ChannelAttention(nn.Module):
    """Multi-Dconv head transposed attention (MDTA, Eq. 1 of the paper), (B, C, H, W) → the same shape.

    The attention map of each head is (C/heads, C/heads), from the cosines between channels over the whole image.

    Args:
        channels: C.
        heads: number of heads, which divides C.
        bias: whether the convolutions have biases.
        dilation: of the depthwise convolutions; 1 in Restormer, larger in blind-spot networks.

    Example:
        >>> attention, norm = ChannelAttention(8, heads=2, bias=False), ChannelNorm(8, "BiasFree", eps=1e-5)
        >>> attention(torch.rand(1, 8, 4, 4), norm).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(self, channels: int, heads: int, bias: bool, dilation: int = 1) -> None:
        super().__init__()
        self.dilation = dilation
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=bias)
        self.qkv_dwconv = nn.Conv2d(
            3 * channels, 3 * channels, 3, padding=dilation, dilation=dilation, groups=3 * channels, bias=bias
        )
        self.project_out = nn.Conv2d(channels, channels, 1, bias=bias)

    def forward(self, x: Tensor, norm: ChannelNorm) -> Tensor:
        """x + attention(norm(x))."""
        if can_fuse(x) or (is_channels_last(x) and compute_dtype(x) != torch.float16):  # where sums of squares could overflow
            return self._by_rows(x, norm)
        plus, x = x, norm(x)
        channels, heads = x.shape[1], len(self.temperature)
        qkv = convolve_depthwise(self.qkv(x), self.qkv_dwconv.weight, self.qkv_dwconv.bias, self.dilation)  # (B, 3C, H, W)
        values = qkv[:, 2 * channels :]
        shape = len(x), 2, heads, channels // heads, -1
        queries, keys = qkv[:, : 2 * channels].reshape(shape).unbind(1)  # each (B, heads, C/heads, H·W)
        attention = (self.temperature * _cosines(queries, keys)).softmax(dim=-1)  # (B, heads, C/heads, C/heads)
        out = mix_channels(self._projected(attention).to(values.dtype), values)
        if self.project_out.bias is not None:
            out = out + self.project_out.bias.to(out.dtype)[:, None, None]
        return plus + out

    def _projected(self, attention: Tensor) -> Tensor:
        """The projection times the attention, (B, heads, C/heads, C/heads) → (B, C, C), so the values are multiplied
        once, not twice."""
        heads = len(self.temperature)
        projection = self.project_out.weight.view(-1, heads, attention.shape[-1]).transpose(0, 1)  # (heads, C, C/heads)
        return (projection.to(attention.dtype) @ attention).transpose(1, 2).flatten(2)

    def _by_rows(self, x: Tensor, norm: ChannelNorm) -> Tensor:
        """The same for channels-last memory, without cutting queries, keys and values out of one map."""
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
        normal = norm.normalize(x)
        parts = slice(2 * channels), slice(2 * channels, None)
        both, values = (_as_rows(self._part(normal, part, norm)) for part in parts)  # (B, H·W, 2C) and (B, H·W, C)
        # All products of queries and keys with one another: of use are the lengths on the diagonal, and blocks of
        # queries with keys. That is four times the work, and takes a tenth of the time that these by themselves do: no
        # piece is cut out, no square is stored.
        products = (both.mT @ both).float()  # (B, 2C, 2C)
        lengths = products.diagonal(dim1=1, dim2=2).sqrt().clamp_min(1e-12)  # (B, 2C)
        products = products[:, :channels, channels:]  # (B, C, C)
        products = products / (lengths[:, :channels, None] * lengths[:, None, channels:])
        cosines = products.reshape(batch, heads, channels // heads, heads, -1).diagonal(dim1=1, dim2=3).movedim(-1, 1)
        return cosines, values

    def _in_training(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The same of a normalized x. Parts that are never cut out save the gradient the work of joining them."""
        channels, heads = x.shape[1], len(self.temperature)
        queries, keys, values = (  # each (B, H·W, C)
            _as_rows(
                convolve_depthwise(convolve_pointwise(x, *_rows(self.qkv, part)), *_rows(self.qkv_dwconv, part), self.dilation)
            )
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
        """Some of the channels of qkv_dwconv(qkv(norm(…))), for the normalized x without the norm's weight."""
        name, dtype = f"{part.start}", compute_dtype(x)
        x = convolve_with_weights(x, *prepare_weights(self.qkv, name, dtype, lambda: norm.fold_into(_rows(self.qkv, part))))
        weight, bias = prepare_weights(self.qkv_dwconv, name, dtype, lambda: _rows(self.qkv_dwconv, part))
        around = (self.dilation, self.dilation)
        return convolve_with_weights(x, weight, bias, padding=around, dilation=around, groups=len(weight))


def _as_rows(x: Tensor) -> Tensor:
    """(B, C, H, W) → (B, H·W, C)."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _rows(layer: nn.Conv2d, part: slice) -> Weights:
    """The weights of some of a layer's outputs."""
    return layer.weight[part], None if layer.bias is None else layer.bias[part]


def _cosines(queries: Tensor, keys: Tensor) -> Tensor:
    """Cosines between the rows of two (B, heads, c, N): (B, heads, c, c), at least float32.

    The products are divided by the norms, which are few, not the rows. In float16 the rows are, since sums over N could
    overflow.
    """
    wide = torch.promote_types(queries.dtype, torch.float32)
    queries_length, keys_length = (_lengths(rows, wide) for rows in (queries, keys))  # (B, heads, c, 1)
    if queries.dtype == torch.float16:
        return ((queries / queries_length).half() @ (keys / keys_length).half().mT).to(wide)
    return (queries @ keys.mT).to(wide) / (queries_length * keys_length.mT)


def _lengths(rows: Tensor, dtype: torch.dtype) -> Tensor:
    """Euclidean lengths of rows (B, heads, c, N), never zero: (B, heads, c, 1) in `dtype`."""
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=-1, keepdim=True, dtype=dtype)
    return lengths.clamp(min=1e-12)
