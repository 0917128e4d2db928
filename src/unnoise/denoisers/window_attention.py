"""Attention within windows of 8×8 pixels, every second time shifted by half a window.

Liu et al., "Swin Transformer", ICCV 2021, as SCUNet has it. A shift brings pixels of opposite edges into one window,
which must not see each other. That concerns the last row and column of windows alone. The published code masks all
windows; here only those get a mask, so the others share one small table of positions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW = 8
SHIFT = WINDOW // 2


class WindowAttention(nn.Module):
    """Attention in windows, (B, H, W, C) → the same shape, for sides that divide by 8.

    Args:
        channels: C.
        head_width: channels of each head, which divides C.
        shifted: whether the windows are shifted by four pixels.

    Example:
        >>> WindowAttention(8, head_width=4, shifted=True)(torch.rand(1, 16, 8, 8)).shape
        torch.Size([1, 16, 8, 8])
    """

    def __init__(self, channels: int, head_width: int, *, shifted: bool) -> None:
        super().__init__()
        self.heads, self.shifted = channels // head_width, shifted
        self.embedding_layer = nn.Linear(channels, 3 * channels)
        self.relative_position_params = nn.Parameter(torch.empty(self.heads, 2 * WINDOW - 1, 2 * WINDOW - 1))
        nn.init.trunc_normal_(self.relative_position_params, std=0.02)
        self.linear = nn.Linear(channels, channels)

    def positions(self) -> Tensor:
        """What each query adds for each key, by their distance: (heads, 64, 64)."""
        place = torch.arange(WINDOW, device=self.relative_position_params.device)
        apart = place[:, None] - place + WINDOW - 1  # (8, 8)
        table = self.relative_position_params[:, apart[:, None, :, None], apart[None, :, None, :]]  # (heads, 8, 8, 8, 8)
        return table.flatten(3, 4).flatten(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.embedding_layer(x)
        if self.shifted:
            qkv = torch.roll(qkv, (-SHIFT, -SHIFT), dims=(1, 2))
        attended = self._attended(qkv)
        if self.shifted:
            attended = torch.roll(attended, (SHIFT, SHIFT), dims=(1, 2))
        result: Tensor = self.linear(attended)
        return result

    def _attended(self, qkv: Tensor) -> Tensor:
        """(B, H, W, 3·C) → (B, H, W, C)."""
        batch, height, width, channels = qkv.shape
        parts = qkv.reshape(
            batch, height // WINDOW, WINDOW, width // WINDOW, WINDOW, 3, self.heads, channels // 3 // self.heads
        )
        parts = parts.permute(5, 0, 1, 3, 6, 2, 4, 7).flatten(5, 6)  # (3, B, rows, columns, heads, 64, head_width)
        bias = self.positions().to(qkv.dtype)
        if not self.shifted:
            attended = _attend(parts, bias)
        else:
            upper = _joined(parts[:, :, :-1], bias, rows_apart=False)
            lower = _joined(parts[:, :, -1:], bias, rows_apart=True)
            attended = torch.cat([upper, lower], dim=1)  # (B, rows, columns, heads, 64, head_width)
        attended = attended.reshape(*attended.shape[:4], WINDOW, WINDOW, -1).permute(0, 1, 4, 2, 5, 3, 6)
        return attended.reshape(batch, height, width, channels // 3)


def _joined(parts: Tensor, bias: Tensor, *, rows_apart: bool) -> Tensor:
    """Rows of windows, of which the last one of each holds columns of both edges."""
    inner = _attend(parts[:, :, :, :-1], _masked(bias, rows_apart=rows_apart, columns_apart=False))
    last = _attend(parts[:, :, :, -1:], _masked(bias, rows_apart=rows_apart, columns_apart=True))
    return torch.cat([inner, last], dim=2)


def _masked(bias: Tensor, *, rows_apart: bool, columns_apart: bool) -> Tensor:
    """The positions, with minus infinity between the halves of a window: (heads, 64, 64)."""
    half = torch.arange(WINDOW, device=bias.device) >= SHIFT
    other = half[:, None] != half  # (8, 8)
    zero = torch.zeros_like(other)
    rows, columns = (other if apart else zero for apart in (rows_apart, columns_apart))
    apart = rows[:, None, :, None] | columns[None, :, None, :]  # (8, 8, 8, 8)
    return bias.masked_fill(apart.flatten(2, 3).flatten(0, 1), float("-inf"))


def _attend(parts: Tensor, bias: Tensor) -> Tensor:
    """softmax(q·kᵀ/√width + bias)·v: (3, B, rows, columns, heads, 64, width) → (B, rows, columns, heads, 64, width)."""
    shape = parts.shape[1:]
    queries, keys, values = parts.flatten(1, 3)  # (windows, heads, 64, width)
    return F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias[None]).reshape(shape)
