"""Self-similarity attention (SS-Attention): every pixel attends to the similar pixels of its own polyphase component.

Han and Yu, "SS-BSN: Attentive Blind-Spot Network for Self-Supervised Denoising with Nonlocal Self-Similarity", IJCAI
2023.

The paper's weights (Eq. 9) are softmax((1 + q qᵀ) / √C), with q of unit length. The 1 cancels, so this is
scaled-dot-product attention whose queries are its keys. The logits lie within ±1 / √C, where the exponential is nearly
linear. With the linear form the sums can be taken in another order, and the work grows with the number of pixels N
instead of its square.
"""

from __future__ import annotations

from itertools import product
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.dbsn import Block
from unnoise.layers.fused_convolution import can_fuse, can_fuse_on_cpu, compute_dtype, convolve, convolve_with_weights
from unnoise.layers.partial.line_buffer import add_buffered, uses_line_buffer
from unnoise.layers.partial.row_chunks import is_chunking_forced
from unnoise.layers.polyphase import merge_batch, split_batch
from unnoise.layers.weight_cache import prepare_weights

Attention = Literal["auto", "exact", "linear"]

LINEAR_FROM = (1024, 64)
"""Tokens and features from which *auto* takes the linear form.

Below 1024 tokens exact attention costs less than the block's convolutions; above, it soon costs more than all else. The
error of the linear form falls with the number of features. Relative to the exact result it was 2e-6 on random features
and 4e-4 on strongly clustered ones at C = 128, 8e-4 at C = 64, but 1e-2 at C = 8. In a small trained network (C = 32,
linear form, photographs) it was 4e-4. The restored pictures changed by at most 0.002 of 255 on average, and their PSNR
by less than 0.001 dB (`docs/results/blind-spot-methods.md`)."""


RELU = nn.ReLU()
MAX_BATCHED_PIXELS = 2**18
"""Up to this many pixels in a batch all components attend at once."""


def normalize_map(z: Tensor, eps: float = 1e-5) -> Tensor:
    """Layer normalization of each feature map (C, H, W) of z, (B, C, H, W), as a whole, in at least float32.

    Example:
        >>> normalize_map(torch.rand(1, 4, 8, 8)).std(correction=0).round(decimals=2)
        tensor(1.)
    """
    wide = z.to(torch.promote_types(z.dtype, torch.float32))
    centred = wide - wide.mean((1, 2, 3), keepdim=True)
    return centred * torch.rsqrt(centred.square().mean((1, 2, 3), keepdim=True) + eps)


def exact_attention(queries: Tensor, values: Tensor) -> Tensor:
    """softmax(qᵀq / √C) v as fused scaled-dot-product attention; queries and values (B, C, N) → (B, C, N).

    Example:
        >>> exact_attention(torch.zeros(1, 2, 3), torch.tensor([[[0.0, 3.0, 6.0], [1.0, 1.0, 1.0]]]))[0, 0].tolist()
        [3.0, 3.0, 3.0]
    """
    tokens = queries.mT.contiguous()[:, None]  # (B, 1, N, C)
    return F.scaled_dot_product_attention(tokens, tokens, values.mT.contiguous()[:, None])[:, 0].mT


def linear_attention(queries: Tensor, values: Tensor) -> Tensor:
    """The first order of `exact_attention` in O(N·C²); queries and values (B, C, N) → (B, C, N).

    Each query's logits are expanded about their mean over all keys k. Then the weights sum to N, and what remains is v̄
    + s·cov(v, k) q, with s = 1 / √C and cov(v, k) = Σ v kᵀ / N − v̄ k̄ᵀ. Expanding about 0 instead, as in (Σv + s·(v
    kᵀ) q) / (N + s·(Σk)·q), costs the same and is up to 25 times less exact where all keys have much in common.

    Example:
        >>> linear_attention(torch.zeros(1, 2, 3), torch.tensor([[[0.0, 3.0, 6.0], [1.0, 1.0, 1.0]]]))[0, 0].tolist()
        [3.0, 3.0, 3.0]
    """
    channels, tokens = queries.shape[1:]
    mean_value, mean_key = values.mean(2, keepdim=True), queries.mean(2, keepdim=True)  # (B, C, 1)
    # Written with the tokens as rows, which is how they lie in memory.
    covariance = torch.baddbmm(mean_key @ mean_value.mT, queries, values.mT, beta=-1, alpha=1 / tokens)  # (B, C, C)
    return torch.baddbmm(mean_value.mT, queries.mT, covariance, alpha=channels**-0.5).mT


def _tokens(parts: Tensor) -> Tensor:
    """(B, C, h, w) → (B, C, h·w), with the C values of a token side by side in memory."""
    return parts.permute(0, 2, 3, 1).flatten(1, 2).mT


def _mean(z: Tensor) -> Tensor:
    """The mean of all values of an image. In bfloat16 the sums are float32, and the rounding of their results averages
    out."""
    return z.mean((2, 3)).float().mean()


class DilatedBlock(Block):
    """D-ConvBlock, z + conv1×1(two 3×3 convolutions with this dilation (z)): (B, F, H, W) → (B, F, H, W).

    >>> DilatedBlock(features=4, dilation=2)(torch.rand(1, 4, 12, 16)).shape
    torch.Size([1, 4, 12, 16])
    """

    def __init__(self, features: int, dilation: int, grid: int = 1) -> None:
        super().__init__(sees=2 * dilation, grid=grid)
        self.conv1 = nn.Conv2d(features, features, 3, padding=dilation, dilation=dilation)
        self.conv2 = nn.Conv2d(features, features, 3, padding=dilation, dilation=dilation)
        self.conv3 = nn.Conv2d(features, features, 1)

    def feed(self, x: Tensor, plus: Tensor, *, inplace: bool) -> Tensor:
        """The convolutions of x, added to `plus`."""
        if inplace and uses_line_buffer(plus):
            return add_buffered(plus, [self.conv1, RELU, self.conv2, RELU], self.conv3, x)
        x = convolve(self.conv1, x, "relu")
        x = convolve(self.conv2, x, "relu")
        return convolve(self.conv3, x, plus=plus, inplace=inplace)

    def forward(self, z: Tensor, *, inplace: bool = False) -> Tensor:
        return self.feed(z, plus=z, inplace=inplace)


class SSBlock(DilatedBlock):
    """SS-Block, z + convolutions(z + SS-Attention(z)), (B, F, H, W) → (B, F, H, W).

    Args:
        features: F.
        dilation: of the convolutions, d.
        gamma: attention connects the pixels that lie multiples of γ·d apart.
        attention: *exact*, *linear*, or *auto*: linear from `LINEAR_FROM` tokens and features on.

    >>> SSBlock(features=4, dilation=2, gamma=2, attention="exact")(torch.rand(1, 4, 12, 16)).shape
    torch.Size([1, 4, 12, 16])
    """

    def __init__(self, features: int, dilation: int, gamma: int, attention: Attention) -> None:
        super().__init__(features, dilation, grid=gamma * dilation)
        self.attention = attention
        self.wqk = nn.Parameter(nn.init.xavier_uniform_(torch.empty(features, features), gain=1.414))

    def queries(self, z: Tensor) -> Tensor:
        """The unit vectors by which pixels are compared, (B, F, H, W)."""
        if can_fuse(z):
            return torch.cat([self._queries_of(image, _mean(image)) for image in z.chunk(len(z))])
        q: Tensor = F.conv2d(normalize_map(z), self.wqk.mT[..., None, None])
        q = q.to(torch.promote_types(q.dtype, torch.float32))
        length: Tensor = torch.linalg.vector_norm(q, dim=1, keepdim=True)
        return q / (length + 1e-8)

    def _queries_of(self, z: Tensor, mean: Tensor) -> Tensor:
        """`queries` of one image, or of a part of it.

        Unit vectors do not depend on the deviation that `normalize_map` divides by, and the image's mean becomes a
        bias.
        """
        weight, _ = prepare_weights(self, "wqk", compute_dtype(z), lambda: (self.wqk.mT[..., None, None], None))
        q = convolve_with_weights(z, weight, -mean * self.wqk.sum(0))
        length: Tensor = torch.linalg.vector_norm(q, dim=1, keepdim=True)
        return q.div_(length + 1e-8)

    def attend(self, z: Tensor) -> Tensor:
        """SS-Attention alone, (B, F, H, W) → (B, F, H, W).

        Where γ·d does not divide the sides, the zero tokens that pad them take part, as in the published code. On a CPU
        large images are processed component by component. All tokens at once would be five more maps of memory.
        """
        if can_fuse_on_cpu(z) and (is_chunking_forced() or z[:, 0].numel() > MAX_BATCHED_PIXELS):
            result = torch.empty_like(z)
            for number, image in enumerate(z):
                self._attend_in_turn(image[None], result[number : number + 1])
            return result
        parts = split_batch(z, self.grid)  # (B·f², F, ⌈H/f⌉, ⌈W/f⌉)
        mixed = self._mixed(split_batch(self.queries(z).to(z.dtype), self.grid), parts)
        return merge_batch(mixed, self.grid, (z.shape[-2], z.shape[-1]))

    def _attend_in_turn(self, z: Tensor, result: Tensor) -> None:
        """The same for one image, into `result`, component by component."""
        step, mean = self.grid, _mean(z)
        for row, column in product(range(min(step, z.shape[-2])), range(min(step, z.shape[-1]))):
            part = z[..., row::step, column::step].contiguous(memory_format=torch.channels_last)  # (1, F, h, w)
            height, width = part.shape[-2:]
            missing = 0, -(-z.shape[-1] // step) - width, 0, -(-z.shape[-2] // step) - height
            queries = F.pad(self._queries_of(part, mean).to(z.dtype), missing)
            result[..., row::step, column::step] = self._mixed(queries, F.pad(part, missing))[..., :height, :width]

    def _mixed(self, queries: Tensor, values: Tensor) -> Tensor:
        """The attention within each of the components (N, F, h, w)."""
        tokens = _tokens(queries), _tokens(values)  # (N, F, h·w) each
        mixed = linear_attention(*tokens) if self._is_linear(tokens[0]) else exact_attention(*tokens)
        return mixed.mT.reshape(*values.shape[:1], *values.shape[2:], -1).permute(0, 3, 1, 2)  # (N, F, h, w)

    def forward(self, z: Tensor, *, inplace: bool = False) -> Tensor:
        # The sum has no name, so its memory is free after the first convolution.
        return self.feed(self.attend(z).add_(z) if can_fuse(z) else z + self.attend(z), plus=z, inplace=inplace)

    def _is_linear(self, queries: Tensor) -> bool:
        if self.attention != "auto":
            return self.attention == "linear"
        tokens, features = LINEAR_FROM
        return queries.shape[2] >= tokens and queries.shape[1] >= features
