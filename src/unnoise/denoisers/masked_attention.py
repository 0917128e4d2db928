"""TBSN's window attention, which sees only pixels that lie an even number of rows and columns away.

Li, Zhang and Zuo, "Rethinking Transformer-Based Blind-Spot Network for Self-Supervised Image Denoising", AAAI 2025
(M-WSA). The published code computes all products of a window and masks three of four with minus infinity. Those that
remain join pixels of one polyphase component. So here each of the four components has an attention of its own, without
a mask. That is a quarter of the products, and the same result.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.layers.fused_convolution import (
    can_fuse,
    compute_dtype,
    convolve,
    convolve_with_weights,
    effective_weights,
)
from unnoise.layers.norms import ChannelNorm
from unnoise.layers.polyphase import merge_batch, split_batch
from unnoise.layers.weight_cache import prepare_weights


class RelativePositions(nn.Module):
    """One vector for each distance in rows and in columns, (2·reach − 1, width) each.

    >>> RelativePositions(12, 16).rel_height.shape
    torch.Size([23, 16])
    """

    def __init__(self, reach: int, width: int) -> None:
        super().__init__()
        self.rel_height = nn.Parameter(torch.randn(2 * reach - 1, width) * width**-0.5)
        self.rel_width = nn.Parameter(torch.randn(2 * reach - 1, width) * width**-0.5)

    def of_even_distances(self, window: int, reach: int) -> Tensor:
        """The sum of both for each query and key of one component: (window²/4, reach²/4, width)."""
        rows, columns = self.rel_height[1::2], self.rel_width[1::2]  # distances that are even
        queries, keys = (torch.arange(length // 2, device=rows.device) for length in (window, reach))
        place = keys - queries[:, None] + reach // 2 - 1  # (window/2, reach/2)
        both = rows[place][:, None, :, None] + columns[place][None, :, None]  # (w/2, w/2, r/2, r/2, width)
        return both.flatten(2, 3).flatten(0, 1)


class MaskedWindowAttention(nn.Module):
    """Attention in windows whose keys overlap those of the neighbours, (B, C, H, W) → the same shape.

    Args:
        channels: C.
        window: side of a window of queries in pixels, which divides H and W, and which 8 divides. Its keys lie in a
            window half as large again.
        heads: number of heads.
        width: channels of each head.
        bias: whether the convolutions have biases.

    Example:
        >>> attention, norm = MaskedWindowAttention(4, 8, heads=2, width=4, bias=False), ChannelNorm(4, "BiasFree", eps=1e-5)
        >>> attention(torch.rand(1, 4, 16, 8), norm).shape
        torch.Size([1, 4, 16, 8])
    """

    def __init__(self, channels: int, window: int, heads: int, width: int, bias: bool) -> None:
        super().__init__()
        self.window, self.reach, self.heads, self.width = window, window + window // 2, heads, width
        self.qkv = nn.Conv2d(channels, 3 * heads * width, 1, bias=bias)
        self.project_out = nn.Conv2d(heads * width, channels, 1, bias=bias)
        self.rel_pos_emb = RelativePositions(self.reach, width)

    def forward(self, x: Tensor, norm: ChannelNorm) -> Tensor:
        """x + attention(norm(x)), in the memory of x where possible."""
        return convolve(self.project_out, self._attended(self._qkv(x, norm)), plus=x, inplace=True)

    def _qkv(self, x: Tensor, norm: ChannelNorm) -> Tensor:
        if not can_fuse(x):
            return convolve(self.qkv, norm(x))
        make = lambda: norm.fold_into(effective_weights(self.qkv))  # noqa: E731
        return convolve_with_weights(norm.normalize(x), *prepare_weights(self.qkv, "after norm", compute_dtype(x), make))

    def _attended(self, qkv: Tensor) -> Tensor:
        """(B, 3·heads·width, H, W) → (B, heads·width, H, W)."""
        side, reach = self.window // 2, self.reach // 2
        parts = split_batch(qkv, 2).permute(0, 2, 3, 1)  # (4B, H/2, W/2, 3·heads·width)
        batch, height, width, channels = parts.shape
        rows, columns, inner = height // side, width // side, channels // 3
        queries = parts[..., :inner].reshape(batch, rows, side, columns, side, self.heads, self.width)
        queries = queries.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, self.heads, side**2, self.width) * self.width**-0.5
        around = (reach - side) // 2
        seen = F.pad(parts[..., inner:], (0, 0, around, around, around, around))
        seen = seen.unfold(1, reach, side).unfold(2, reach, side)  # (4B, rows, columns, 2·heads·width, reach, reach)
        seen = seen.reshape(batch * rows * columns, 2, self.heads, self.width, reach**2)
        keys, values = seen.unbind(1)  # (windows, heads, width, reach²)
        positions = self.rel_pos_emb.of_even_distances(self.window, self.reach).to(queries.dtype)  # (side², reach², width)
        by_place = queries.permute(2, 0, 1, 3).flatten(1, 2) @ positions.mT  # (side², windows·heads, reach²)
        logits = queries @ keys + by_place.unflatten(1, queries.shape[:2]).permute(1, 2, 0, 3)
        attended = logits.softmax(dim=-1) @ values.mT  # (windows, heads, side², width)
        attended = attended.reshape(batch, rows, columns, self.heads, side, side, self.width)
        attended = attended.permute(0, 1, 4, 2, 5, 3, 6).reshape(batch, height, width, inner)
        return merge_batch(attended.permute(0, 3, 1, 2), 2)  # (B, heads·width, H, W)
