"""Self-similarity attention, SS-Attention: every pixel looks at the pixels of its own polyphase component that resemble it.

Han and Yu, "SS-BSN: Attentive Blind-Spot Network for Self-Supervised Denoising with Nonlocal Self-Similarity", IJCAI 2023.

The paper's weights (Eq. 9) are softmax((1 + q qᵀ) / √C), with q of unit length. The 1 cancels, so this is scaled-dot-product
attention whose queries are its keys. As its logits lie within ±1 / √C, the exponential is nearly a straight line; with that in
its place the sums can be taken in another order, and the work grows with the number of pixels N, not with its square.
"""

from __future__ import annotations

from itertools import product
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.dbsn import Block
from unnoise.layers.fused_convolution import can_fuse, can_fuse_on_cpu, convolve, convolve_with, working_type
from unnoise.layers.partial.line_buffer import is_streamed, streamed_onto
from unnoise.layers.partial.row_chunks import is_as_if_large
from unnoise.layers.polyphase import merge_batch, split_batch
from unnoise.layers.weight_cache import prepare_weights

Attention = Literal["auto", "exact", "linear"]

LINEAR_FROM = (1024, 64)
"""Tokens and features from which `auto` takes the linear form.

Below 1024 tokens exact attention costs less than the block's convolutions; from there on it soon costs more than all else.
The linear form's error falls with the number of features: relative to the exact result it was 2e-6 on random and 4e-4 on
strongly clustered features at C = 128, 8e-4 at C = 64, but 1e-2 at C = 8. In a small network that was trained (C = 32, the linear
form, on photographs) it was 4e-4, and the restored pictures changed by at most 0.002 of 255 on average, their PSNR by less than 0.001 dB
(`docs/results/blind-spot-methods.md`).
"""


RECTIFIED = nn.ReLU()
TOGETHER = 2**18
"""Pixels of a batch whose components all attend at once."""


def normalise(z: Tensor, eps: float = 1e-5) -> Tensor:
    """Layer normalisation of each feature map (C, H, W) in z, (B, C, H, W), as a whole, in float32 at least."""
    wide = z.to(torch.promote_types(z.dtype, torch.float32))
    centred = wide - wide.mean((1, 2, 3), keepdim=True)
    return centred * torch.rsqrt(centred.square().mean((1, 2, 3), keepdim=True) + eps)


def exact_attention(queries: Tensor, values: Tensor) -> Tensor:
    """softmax(qᵀq / √C) v as fused scaled-dot-product attention; queries and values (B, C, N) → (B, C, N)."""
    tokens = queries.mT.contiguous()[:, None]  # (B, 1, N, C)
    return F.scaled_dot_product_attention(tokens, tokens, values.mT.contiguous()[:, None])[:, 0].mT


def linear_attention(queries: Tensor, values: Tensor) -> Tensor:
    """The first order of `exact_attention` in O(N·C²); queries and values (B, C, N) → (B, C, N).

    With each query's logits expanded about their mean over all keys k, the weights sum to N and what is left is
    v̄ + s·cov(v, k) q, where s = 1 / √C and cov(v, k) = Σ v kᵀ / N − v̄ k̄ᵀ. Expanding about 0 instead, as in
    (Σv + s·(v kᵀ) q) / (N + s·(Σk)·q), costs the same and is up to 25 times farther off where all keys have much in common.
    """
    channels, tokens = queries.shape[1:]
    mean_value, mean_key = values.mean(2, keepdim=True), queries.mean(2, keepdim=True)  # (B, C, 1)
    # Written with the tokens as rows, which is how they lie in memory.
    covariance = torch.baddbmm(mean_key @ mean_value.mT, queries, values.mT, beta=-1, alpha=1 / tokens)  # (B, C, C)
    return torch.baddbmm(mean_value.mT, queries.mT, covariance, alpha=channels**-0.5).mT


def _tokens(parts: Tensor) -> Tensor:
    """(B, C, h, w) → (B, C, h·w), in whose memory the C values of a token lie side by side."""
    return parts.permute(0, 2, 3, 1).flatten(1, 2).mT


def _mean(z: Tensor) -> Tensor:
    """Of all values of an image; in bfloat16 the sums are float32's, and the rounding of their results averages out."""
    return z.mean((2, 3)).float().mean()


class DilatedBlock(Block):
    """D-ConvBlock, (B, F, H, W) → (B, F, H, W): 3×3 convolutions that step by `dilation` and a 1×1 one, added to z."""

    def __init__(self, features: int, dilation: int, grid: int = 1) -> None:
        super().__init__(sees=2 * dilation, grid=grid)
        self.conv1 = nn.Conv2d(features, features, 3, padding=dilation, dilation=dilation)
        self.conv2 = nn.Conv2d(features, features, 3, padding=dilation, dilation=dilation)
        self.conv3 = nn.Conv2d(features, features, 1)

    def feed(self, x: Tensor, plus: Tensor, *, own: bool) -> Tensor:
        """The convolutions of x, added to `plus`."""
        if own and is_streamed(plus):
            return streamed_onto(plus, [self.conv1, RECTIFIED, self.conv2, RECTIFIED], self.conv3, x)
        x = convolve(self.conv1, x, "relu")
        x = convolve(self.conv2, x, "relu")
        return convolve(self.conv3, x, plus=plus, own=own)

    def forward(self, z: Tensor, *, own: bool = False) -> Tensor:
        return self.feed(z, plus=z, own=own)


class SSBlock(DilatedBlock):
    """SS-Block, z + convolutions(z + SS-Attention(z)), (B, F, H, W) → (B, F, H, W).

    Args:
        features: F.
        dilation: of the convolutions, d.
        gamma: attention joins the pixels that lie multiples of γ·d apart.
        attention: *exact*, *linear*, or *auto*: linear from `LINEAR_FROM` tokens and features on.
    """

    def __init__(self, features: int, dilation: int, gamma: int, attention: Attention) -> None:
        super().__init__(features, dilation, grid=gamma * dilation)
        self.attention = attention
        self.wqk = nn.Parameter(nn.init.xavier_uniform_(torch.empty(features, features), gain=1.414))

    def queries(self, z: Tensor) -> Tensor:
        """The unit vectors that pixels are compared by, (B, F, H, W)."""
        if can_fuse(z):
            return torch.cat([self._queries_of(image, _mean(image)) for image in z.chunk(len(z))])
        q: Tensor = F.conv2d(normalise(z), self.wqk.mT[..., None, None])
        q = q.to(torch.promote_types(q.dtype, torch.float32))
        length: Tensor = torch.linalg.vector_norm(q, dim=1, keepdim=True)
        return q / (length + 1e-8)

    def _queries_of(self, z: Tensor, mean: Tensor) -> Tensor:
        """`queries` of one image, or of a part of it. Unit vectors do not know the deviation that `normalise` divides by, and the mean of
        the image is a bias."""
        weight, _ = prepare_weights(self, "wqk", working_type(z), lambda: (self.wqk.mT[..., None, None], None))
        q = convolve_with(z, weight, -mean * self.wqk.sum(0))
        length: Tensor = torch.linalg.vector_norm(q, dim=1, keepdim=True)
        return q.div_(length + 1e-8)

    def attend(self, z: Tensor) -> Tensor:
        """SS-Attention alone, (B, F, H, W) → (B, F, H, W).

        Where γ·d does not divide the sides, the tokens of zeros that fill them up take part, as in the published code. On a CPU large
        images are taken component by component: their tokens all at once are five more maps of memory, most of them page faults.
        """
        if can_fuse_on_cpu(z) and (is_as_if_large() or z[:, 0].numel() > TOGETHER):
            result = torch.empty_like(z)
            for number, image in enumerate(z):
                self._attend_in_turn(image[None], result[number : number + 1])
            return result
        parts = split_batch(z, self.grid)  # (B·f², F, ⌈H/f⌉, ⌈W/f⌉)
        mixed = self._mixed(split_batch(self.queries(z).to(z.dtype), self.grid), parts)
        return merge_batch(mixed, self.grid, (z.shape[-2], z.shape[-1]))

    def _attend_in_turn(self, z: Tensor, result: Tensor) -> None:
        """The same for one image, into `result`."""
        step, mean = self.grid, _mean(z)
        for row, column in product(range(min(step, z.shape[-2])), range(min(step, z.shape[-1]))):
            part = z[..., row::step, column::step].contiguous(memory_format=torch.channels_last)  # (1, F, h, w)
            height, width = part.shape[-2:]
            missing = 0, -(-z.shape[-1] // step) - width, 0, -(-z.shape[-2] // step) - height
            queries = F.pad(self._queries_of(part, mean).to(z.dtype), missing)
            result[..., row::step, column::step] = self._mixed(queries, F.pad(part, missing))[..., :height, :width]

    def _mixed(self, queries: Tensor, values: Tensor) -> Tensor:
        """What each pixel of components (N, F, h, w) makes of the values of its own, by its likeness to them."""
        tokens = _tokens(queries), _tokens(values)  # (N, F, h·w) each
        mixed = linear_attention(*tokens) if self._is_linear(tokens[0]) else exact_attention(*tokens)
        return mixed.mT.reshape(*values.shape[:1], *values.shape[2:], -1).permute(0, 3, 1, 2)  # (N, F, h, w)

    def forward(self, z: Tensor, *, own: bool = False) -> Tensor:
        # Without a name, so that it is gone when the first convolution is done.
        return self.feed(self.attend(z).add_(z) if can_fuse(z) else z + self.attend(z), plus=z, own=own)

    def _is_linear(self, queries: Tensor) -> bool:
        if self.attention != "auto":
            return self.attention == "linear"
        tokens, features = LINEAR_FROM
        return queries.shape[2] >= tokens and queries.shape[1] >= features
