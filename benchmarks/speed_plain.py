"""The plain form of each network: float32, contiguous memory, layer by layer, as the published code computes it.

The fast path is timed against this form. Only what our modules write differently is written here; the rest is their
code. Gradients stay enabled, because our modules then leave their fused path. At inference nobody asks for a gradient.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.denoisers import channel_attention, deamnet, gated_feedforward, nafnet, ssattention
from unnoise.denoisers.base import Denoiser
from unnoise.layers import leaky_convolution, norms
from unnoise.layers.polyphase import merge_batch, split_batch


def as_published(network: Denoiser, *, trained: bool = False) -> Denoiser:
    """Change `network` in place to its plain form, for inference alone or to be trained."""
    if not trained:
        network.requires_grad_(False)
    for module in network.modules():
        for kind, name, function in _FORMS:
            if isinstance(module, kind):
                setattr(module, name, MethodType(function, module))
    return network.train(trained).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def _attend(self: Any, z: Tensor) -> Tensor:
    """SS-BSN: normalization, grid, and the N×N matrix of the softmax in memory."""
    y = F.layer_norm(z, z.shape[1:])
    tokens, values = (split_batch(part, self.grid) for part in (y, z))
    size = tokens.shape
    queries = tokens.flatten(2).mT @ self.wqk  # (B·f², N, C)
    queries = queries / (queries.norm(dim=-1, keepdim=True) + 1e-8)
    weights = ((1 + queries @ queries.mT) / size[1] ** 0.5).softmax(dim=-1)  # (B·f², N, N)
    mixed = (weights @ values.flatten(2).mT).mT.reshape(size)
    return merge_batch(mixed, self.grid, (z.shape[-2], z.shape[-1]))


def _shifted_convolution(self: Any, x: Tensor, residual_base: Tensor | None = None) -> Tensor:
    """AT-BSN: a row of zeros on top, the convolution, and the last row dropped."""
    if self.upward:
        x = self.conv(F.pad(x, (0, 0, 1, 0)))[..., :-1, :]
        return F.leaky_relu(x, leaky_convolution.NEGATIVE_SLOPE)
    return F.leaky_relu(self.conv(x), leaky_convolution.NEGATIVE_SLOPE, inplace=True)


def _channel_norm(self: Any, x: Tensor) -> Tensor:
    """Restormer: to rows of pixels and back, torch.var along them. NAFNet: means along the channels, written out."""
    if self.bias is not None:
        centred = x - x.mean(1, keepdim=True)
        y = centred / (centred.pow(2).mean(1, keepdim=True) + self.eps).sqrt()
        return self.weight.view(1, -1, 1, 1) * y + self.bias.view(1, -1, 1, 1)
    rows = x.flatten(2).mT.contiguous()  # (B, H·W, C)
    rows = rows / torch.sqrt(rows.var(-1, keepdim=True, unbiased=False) + self.eps) * self.weight
    return rows.mT.reshape(x.shape).contiguous()


def _transposed_attention(self: Any, x: Tensor, norm: Any) -> Tensor:
    """Restormer: normalized queries and keys, attention, values, and the projection after it."""
    plus, x = x, norm(x)
    batch, channels, height, width = x.shape
    shape = batch, len(self.temperature), channels // len(self.temperature), height * width
    queries, keys, values = (part.reshape(shape) for part in self.qkv_dwconv(self.qkv(x)).chunk(3, dim=1))
    queries, keys = F.normalize(queries, dim=-1), F.normalize(keys, dim=-1)
    mixed = (queries @ keys.mT * self.temperature).softmax(dim=-1) @ values
    return plus + self.project_out(mixed.reshape(batch, channels, height, width))


def _feed_forward(self: Any, x: Tensor, norm: Any) -> Tensor:
    gate, values = self.dwconv(self.project_in(norm(x))).chunk(2, dim=1)
    return x + self.project_out(F.gelu(gate) * values)


def _nafnet_block(self: Any, x: Tensor) -> Tensor:
    gate = nafnet._gate if isinstance(self, nafnet.NAFBlock) else F.gelu
    y = gate(self.conv2(self.conv1(self.norm1(x))))
    x = x + self.conv3(y * self._attend(y)) * self.beta
    return x + self.conv5(gate(self.conv4(self.norm2(x)))) * self.gamma


def _skip_attention(self: Any, skip: Tensor, below: Tensor) -> Tensor:
    below = self.ConvTranspose(below)
    weights = self.conv_du(self.cat(torch.cat([self.C(skip), below], dim=1)))
    return skip * weights + below * (1 - weights)


def _upsampled_convolution(self: Any, x: Tensor, skip: Tensor) -> Tensor:
    """AT-BSN and students: nearest up-sampling, the skip beside it, and the convolution; zeros where pooling dropped a
    row."""
    x = F.interpolate(x, scale_factor=2.0)
    if x.shape[-2:] != skip.shape[-2:]:
        x = F.pad(x, (0, skip.shape[-1] - x.shape[-1], 0, skip.shape[-2] - x.shape[-2]))
    result: Tensor = self(torch.cat([x, skip], dim=1))
    return result


def _upsampled(self: Any, x: Tensor) -> Tensor:
    result: Tensor = self.conv2d(F.interpolate(x, scale_factor=2))
    return result


_FORMS: list[tuple[type[Any], str, Any]] = [
    (ssattention.SSBlock, "attend", _attend),
    (leaky_convolution.LeakyConvolution, "forward", _shifted_convolution),
    (leaky_convolution.LeakyConvolution, "forward_upsampled", _upsampled_convolution),
    (norms.ChannelNorm, "forward", _channel_norm),
    (channel_attention.ChannelAttention, "forward", _transposed_attention),
    (gated_feedforward.GatedFeedForward, "forward", _feed_forward),
    (nafnet.Block, "forward", _nafnet_block),
    (deamnet.SkipAttention, "forward", _skip_attention),
    (deamnet.UpsampledConvolution, "forward", _upsampled),
]
