"""Restormer's feed-forward part: two depthwise convolutions, where one gates the other."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.layers.fused_convolution import Activation, can_fuse, compute_dtype, convolve_with_weights
from unnoise.layers.norms import ChannelNorm
from unnoise.layers.partial.line_buffer import BufferedLayer, run_line_buffer, will_use_line_buffer
from unnoise.layers.pointwise import convolve_depthwise, convolve_pointwise, gelu, is_channels_last
from unnoise.layers.weight_cache import Weights, prepare_weights

Half = Literal[0, 1]
HALVES: tuple[Half, Half] = 0, 1
LARGE_MAP_BYTES = 2**28
"""Bytes of the hidden map of an image from which on it is computed in strips.

At 268 MB strips take 0.95 of the time, at 600 MB 0.77, and for smaller maps up to 1.3 (96 channels; measured)."""


class GatedFeedForward(nn.Module):
    """Gated-Dconv feed-forward network (GDFN, Eq. 2 of the paper), (B, C, H, W) → the same shape.

    Args:
        channels: C.
        hidden: width of each half of the hidden map.
        bias: whether the convolutions have biases.
        dilation: of the depthwise convolutions; 1 in Restormer, larger in blind-spot networks.

    Example:
        >>> feed_forward, norm = GatedFeedForward(8, 16, bias=False), ChannelNorm(8, "BiasFree", eps=1e-5)
        >>> feed_forward(torch.rand(1, 8, 4, 4), norm).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(self, channels: int, hidden: int, bias: bool, dilation: int = 1) -> None:
        super().__init__()
        self.dilation = dilation
        self.project_in = nn.Conv2d(channels, 2 * hidden, 1, bias=bias)
        self.dwconv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=dilation, dilation=dilation, groups=2 * hidden, bias=bias)
        self.project_out = nn.Conv2d(hidden, channels, 1, bias=bias)

    def forward(self, x: Tensor, norm: ChannelNorm) -> Tensor:
        """x + feed-forward(norm(x)), in the memory of x where possible."""
        if can_fuse(x):
            if not self._streams(x, norm):
                return self._added(self._hidden(x, norm), x)
            for image in (x[n : n + 1] for n in range(len(x))):
                stage = BufferedLayer(partial(self._hidden, norm=norm, above=0), self.dilation, len(self.dwconv.weight) // 2)
                run_line_buffer([image], [stage], lambda y, rows, onto=image: self._added(y, onto[..., rows, :]))  # type: ignore[misc]
            return x
        normal = norm(x)
        if is_channels_last(x):
            gate, values = (self._trained_part(normal, half) for half in HALVES)
            return x + convolve_pointwise(gelu(gate) * values, *self._leaving())
        y = convolve_depthwise(self.project_in(normal), self.dwconv.weight, self.dwconv.bias, self.dilation)
        gate, values = y.chunk(2, dim=1)
        return x + self.project_out(F.gelu(gate) * values)

    def _streams(self, x: Tensor, norm: ChannelNorm) -> bool:
        """Whether to process the images strip by strip, since the hidden maps are five times as large.

        The depthwise convolution must see zeros around the picture, which a bias before it would change.
        """
        return (
            norm.bias is None
            and self.project_in.bias is None
            and will_use_line_buffer(x[:1], len(self.dwconv.weight) // 2, LARGE_MAP_BYTES)
        )

    def _hidden(self, x: Tensor, norm: ChannelNorm, above: int | None = None) -> Tensor:
        """gelu of one half times the other, of x with `above` rows of zeros added above and below; None: all that the
        depthwise convolution sees."""
        above = self.dilation if above is None else above
        normal = norm.normalize(x)
        return self._part(normal, 1, norm, above, times=self._part(normal, 0, norm, above))

    def _added(self, hidden: Tensor, x: Tensor) -> Tensor:
        """x + project_out(hidden), in the memory of x where possible."""
        weight, bias = prepare_weights(self.project_out, "", compute_dtype(x), self._leaving)
        return convolve_with_weights(hidden, weight, bias, plus=x, inplace=True)

    def _part(self, x: Tensor, half: Half, norm: ChannelNorm, above: int, times: Tensor | None = None) -> Tensor:
        """gelu of the first half of dwconv(project_in(norm(…))), or the second half times a factor."""
        name, dtype = f"half {half}", compute_dtype(x)
        x = convolve_with_weights(
            x, *prepare_weights(self.project_in, name, dtype, lambda: norm.fold_into(_half(self.project_in, half)))
        )
        weight, bias = prepare_weights(self.dwconv, name, dtype, lambda: _half(self.dwconv, half))
        activation: Activation = "none" if half else "gelu"
        return convolve_with_weights(
            x, weight, bias, activation, times=times, padding=(above, self.dilation),
            dilation=(self.dilation, self.dilation), groups=len(weight),
        )  # fmt: skip

    def _trained_part(self, x: Tensor, half: Half) -> Tensor:
        """One half of dwconv(project_in(x)). Halves that are never joined need not be cut apart, nor their gradients
        joined."""
        return convolve_depthwise(
            convolve_pointwise(x, *_half(self.project_in, half)), *_half(self.dwconv, half), self.dilation
        )

    def _leaving(self) -> Weights:
        """The weights of the last layer, for as many channels as `_half` leaves."""
        return _pad_to_vector(self.project_out.weight, 1), self.project_out.bias


def _half(layer: nn.Conv2d, half: Half) -> Weights:
    """The weights of one half of a layer's outputs, padded with zero channels to full vectors."""
    bias = None if layer.bias is None else _pad_to_vector(layer.bias.chunk(2)[half], 0)
    return _pad_to_vector(layer.weight.chunk(2)[half], 0), bias


def _pad_to_vector(values: Tensor, dim: int, multiple: int = 32) -> Tensor:
    """Zeros added along `dim` until its length divides by `multiple`, the width of a vector. An expansion of 2.66 gives
    127 channels."""
    zeros = list(values.shape)
    zeros[dim] = -values.shape[dim] % multiple
    return torch.cat([values, values.new_zeros(zeros)], dim=dim) if values.shape[dim] >= multiple else values
