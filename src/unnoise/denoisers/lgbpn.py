"""LG-BPN: a local branch of dense masked convolutions, and a global branch of dilated transformer blocks.

Wang et al., "LG-BPN: Local and Global Blind-Patch Network for Self-Supervised Real-World Denoising", CVPR 2023.

Each branch begins with a large masked convolution that leaves out a diamond, since the noise of close pixels is
correlated. Only then it does PD, on features, so that nothing close is lost. At inference the taps of the masked kernels
move towards the centre, and the diamond shrinks with them. The published code gathers a k×k window of interpolated
pixels for every pixel. But each tap moves equally for all pixels. So the same is one ordinary convolution, with each tap
spread over the four pixels that it lies between.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.base import Blindness, Denoiser
from unnoise.denoisers.channel_attention import ChannelAttention
from unnoise.denoisers.dbsn import ResidualModule, pointwise_tail
from unnoise.denoisers.gated_feedforward import GatedFeedForward
from unnoise.denoisers.staged_network import Stage
from unnoise.layers.fused_convolution import can_fuse, compute_dtype, convolve, convolve_with_weights, run_sequential
from unnoise.layers.norms import ChannelNorm
from unnoise.layers.output_layer import output_convolution
from unnoise.layers.polyphase import merge_batch, merge_mosaic, split_batch, split_mosaic
from unnoise.layers.reflection_padding import pad_to_multiple_reflect
from unnoise.layers.weight_cache import Weights, prepare_weights

STAGES: tuple[Stage, ...] = ("train", "restore", "refine")
DIAMOND = 4
"""Radius in pixels of the diamond that both masked kernels leave out."""
EXPANSION = 2.66
"""Width of the feed-forward part over that of the branch."""


class DenseSampledConv2d(nn.Conv2d):
    """A masked k×k convolution whose taps can move towards the centre, (B, C, H, W) → (B, C', H, W), reflection padding.

    Args:
        step: 1: all taps outside the diamond; 2: only those an even number of pixels away.

    Example:
        >>> layer = DenseSampledConv2d(1, 1, 9, step=1)
        >>> layer(torch.rand(1, 1, 12, 12), ratio=0.72).shape, layer.sampled(0.72).shape
        (torch.Size([1, 1, 12, 12]), torch.Size([1, 1, 7, 7]))
    """

    mask: Tensor

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, step: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2, padding_mode="reflect")
        self.step = step
        away = torch.arange(kernel_size) - kernel_size // 2
        outside = away.abs()[:, None] + away.abs() > DIAMOND
        on_grid = (away % step == 0)[:, None] & (away % step == 0)
        self.register_buffer("mask", (outside & on_grid).float()[None, None], persistent=False)

    def sampled(self, ratio: float) -> Tensor:
        """The kernel whose taps lie at `ratio` times their distance, each spread bilinearly: (C', C, n, n)."""
        radius = self.kernel_size[0] // 2
        reach = math.ceil(radius * ratio)
        away = ratio * torch.arange(-radius, radius + 1, device=self.weight.device, dtype=torch.float64)
        places = torch.arange(-reach, reach + 1, device=self.weight.device)
        spread = (1 - (away[:, None] - places).abs()).clamp_min(0).to(self.weight.dtype)  # (k, n)
        return torch.einsum("ocij,im,jn->ocmn", self.weight * self.mask, spread, spread)

    def forward(self, x: Tensor, ratio: float = 1.0) -> Tensor:
        """
        Args:
            x: (B, C, H, W), larger than the kernel's radius.
            ratio: 1 leaves the taps where they are.
        """
        if ratio == 1:
            radius = self.kernel_size[0] // 2
            first = radius % self.step  # the first tap on the grid of steps
            padded = F.pad(x, (radius,) * 4, mode="reflect")
            padded = padded[..., first:, first:]
            weight = (self.weight * self.mask)[..., first :: self.step, first :: self.step]
            size = slice(0, x.shape[-2]), slice(0, x.shape[-1])
            return F.conv2d(padded, weight, self.bias, dilation=self.step)[..., *size]

        def make() -> Weights:
            return self.sampled(ratio), self.bias

        reach = math.ceil(self.kernel_size[0] // 2 * ratio)
        padded = F.pad(x, (reach,) * 4, mode="reflect")
        if can_fuse(x):
            return convolve_with_weights(padded, *prepare_weights(self, f"at {ratio}", compute_dtype(x), make))
        return F.conv2d(padded, *make())


class DilatedTransformerBlock(nn.Module):
    """Restormer's block with dilated depthwise convolutions, (B, C, H, W) → the same shape."""

    def __init__(self, channels: int, heads: int, dilation: int) -> None:
        super().__init__()
        self.norm1 = nn.Sequential(OrderedDict(body=ChannelNorm(channels, "BiasFree", eps=1e-5)))
        self.attn = ChannelAttention(channels, heads, bias=False, dilation=dilation)
        self.norm2 = nn.Sequential(OrderedDict(body=ChannelNorm(channels, "BiasFree", eps=1e-5)))
        self.ffn = GatedFeedForward(channels, int(channels * EXPANSION), bias=False, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attn(x, self.norm1.body)
        result: Tensor = self.ffn(x, self.norm2.body)
        return result


class LocalBranch(nn.Module):
    """A 9×9 masked convolution, and residual modules with dilation 2."""

    def __init__(self, head_features: int, features: int, modules: int) -> None:
        super().__init__()
        self.Maskconv = DenseSampledConv2d(head_features, features, 9, step=1)
        self.body = nn.Sequential(
            nn.ReLU(inplace=True),
            nn.Conv2d(features, features, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(features, features, 1),
            nn.ReLU(inplace=True),
            *(ResidualModule(features, 2) for _ in range(modules)),
            nn.Conv2d(features, features, 1),
            nn.ReLU(inplace=True),
        )

    def after_mask(self, x: Tensor) -> Tensor:
        """All but the masked convolution, (B, F, h, w) → the same shape."""
        fuses, pending = can_fuse(x), list[nn.Module]()
        for layer in self.body:
            if isinstance(layer, ResidualModule):
                x, pending = run_sequential(pending, x), []
                x = layer(x, inplace=fuses)
            else:
                pending.append(layer)
        return run_sequential(pending, x)


class GlobalBody(nn.Module):
    """Transformer blocks and a convolution, all with dilation 3: (B, F, h, w) → the same shape."""

    def __init__(self, features: int, blocks: int, heads: int) -> None:
        super().__init__()
        self.encoder_level1 = nn.Sequential(*(DilatedTransformerBlock(features, heads, 3) for _ in range(blocks)))
        self.output = nn.Conv2d(features, features, 3, padding=3, dilation=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return convolve(self.output, self.encoder_level1(x))


class GlobalBranch(nn.Module):
    """A 21×21 masked convolution of every other pixel, and transformer blocks."""

    def __init__(self, head_features: int, features: int, blocks: int, heads: int) -> None:
        super().__init__()
        self.Maskconv = DenseSampledConv2d(head_features, features, 21, step=2)
        self.body = GlobalBody(features, blocks, heads)


class LGBPN(Denoiser):
    """LG-BPN, (B, channels, H, W) → the same shape, values in [0, 255]. 4,558,879 parameters at its defaults.

    Blind, but for the image-wide cosines of its channel attention, and near the picture's edges, where reflection shows
    a pixel to itself. It does PD on its features: a call names its `stage`.

    Args:
        channels: of the image.
        features: width of the branches, even.
        modules: residual modules of the local branch.
        blocks: transformer blocks of the global branch.
        heads: of their attention.
        head_features: width of the first layer.
        local_strides, global_strides: of PD in training, at inference and in refinement.
        local_ratios, global_ratios: at inference and in refinement, how far the taps of the masked kernels move in.

    Raises:
        ValueError: for sizes that do not fit each other.

    Example:
        >>> network = LGBPN(features=8, modules=1, blocks=1, head_features=4)
        >>> network(torch.rand(1, 3, 9, 40) * 255).shape
        torch.Size([1, 3, 9, 40])
    """

    value_range = (0.0, 255.0)
    blindness: ClassVar[Blindness] = "approximate"
    has_stages: ClassVar[bool] = True
    padding_mode = "reflect"
    he_gain = 1.0
    local_border, global_border = 2, 7
    """Pixels around each component at inference."""

    def __init__(
        self,
        channels: int = 3,
        features: int = 128,
        modules: int = 9,
        blocks: int = 6,
        heads: int = 2,
        head_features: int = 24,
        local_strides: Sequence[int] = (4, 3, 2),
        global_strides: Sequence[int] = (5, 4, 4),
        local_ratios: Sequence[float] = (0.72, 0.46),
        global_ratios: Sequence[float] = (0.8, 0.43),
    ) -> None:
        super().__init__()
        if features % 2 or features % heads:
            raise ValueError(f"features must be even and divide by heads, got {features} and {heads}.")
        if (len(local_strides), len(global_strides), len(local_ratios), len(global_ratios)) != (3, 3, 2, 2):
            raise ValueError("Give three strides and two ratios for each branch.")
        self.sizes = {
            "channels": channels, "features": features, "modules": modules, "blocks": blocks, "heads": heads,
            "head_features": head_features, "local_strides": list(local_strides), "global_strides": list(global_strides),
            "local_ratios": list(local_ratios), "global_ratios": list(global_ratios),
        }  # fmt: skip
        self.head = nn.Sequential(nn.Conv2d(channels, head_features, 1), nn.ReLU(inplace=True))
        self.branch1 = LocalBranch(head_features, features, modules)
        self.branch2 = GlobalBranch(head_features, features, blocks, heads)
        self.tail = pointwise_tail(2 * features, features, channels)

    @property
    def size_multiple(self) -> int:  # type: ignore[override] # depends on the strides
        """Tiles that begin at its multiples are split like the picture."""
        return math.lcm(*self.sizes["local_strides"][1:], *self.sizes["global_strides"][1:])

    @property
    def minimum_side(self) -> int:  # type: ignore[override] # depends on the strides
        """So that reflection finds enough pixels in each component."""
        strides = *self.sizes["local_strides"], *self.sizes["global_strides"]
        return (self.global_border + 1) * max(strides)

    def forward(self, x: Tensor, stage: Stage = "restore") -> Tensor:
        """One stage, with its strides and ratios.

        Args:
            x: (B, channels, H, W) in `value_range`.
            stage: whose strides to take.
        """
        height, width = x.shape[-2:]
        least = self.minimum_side
        x = F.pad(x, (0, max(0, least - width), 0, max(0, least - height)), mode="replicate")
        seen = torch.cat([self._local(x, stage), self._global(x, stage)], dim=1)
        *tail, last = self.tail
        assert isinstance(last, nn.Conv2d)
        return output_convolution(last, run_sequential(tail, seen), x)[..., :height, :width]

    def _local(self, x: Tensor, stage: Stage) -> Tensor:
        """(B, channels, H, W) → (B, features, H, W)."""
        size, place = (x.shape[-2], x.shape[-1]), STAGES.index(stage)
        stride, border = self.sizes["local_strides"][place], self.local_border
        ratio = 1.0 if stage == "train" else self.sizes["local_ratios"][place - 1]
        y = self.branch1.Maskconv(run_sequential(self.head, pad_to_multiple_reflect(x, stride)), ratio)
        if stage == "train":
            return merge_mosaic(self.branch1.after_mask(split_mosaic(y, stride, border)), stride, border, size)
        y = F.pad(split_batch(y, stride), (border,) * 4, mode="reflect")
        return merge_batch(_inner(self.branch1.after_mask(y), border), stride, size)

    def _global(self, x: Tensor, stage: Stage) -> Tensor:
        """(B, channels, H, W) → (B, features, H, W)."""
        size, place = (x.shape[-2], x.shape[-1]), STAGES.index(stage)
        stride, border = self.sizes["global_strides"][place], self.global_border
        ratio = 1.0 if stage == "train" else self.sizes["global_ratios"][place - 1]
        y = self.branch2.Maskconv(run_sequential(self.head, pad_to_multiple_reflect(x, stride)), ratio)
        if stage == "train":
            return merge_mosaic(self.branch2.body(split_mosaic(y, stride)), stride, size=size)
        y = F.pad(split_batch(y, stride), (border,) * 4, mode="reflect")
        return merge_batch(_inner(self.branch2.body(y), border), stride, size)

    def initialize_he(self) -> None:
        """Normal weights that keep the signal's size, with zeros for the last layer of each residual part, so each
        begins as the identity."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, DenseSampledConv2d):  # the mask leaves out most taps
                    module.weight *= module.mask.mean() ** -0.5
                elif isinstance(module, ChannelAttention | GatedFeedForward):
                    nn.init.zeros_(module.project_out.weight)
                elif isinstance(module, ResidualModule):
                    nn.init.zeros_(module.body[2].weight)  # type: ignore[arg-type]
            self.tail[-1].weight.mul_(0.5)  # type: ignore[operator]

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> Self | None:
        """As `Denoiser.from_weights`, without the copies of the masked kernels that published files hold."""
        return super().from_weights({key: value for key, value in weights.items() if ".test_conv." not in key})

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `head.0.weight` (head_features, C, 1, 1), the masked kernel and the keys of both branches. No
        weight tells strides and ratios."""
        head, masked = weights.get("head.0.weight"), weights.get("branch1.Maskconv.weight")
        temperature = weights.get("branch2.body.encoder_level1.0.attn.temperature")
        if head is None or masked is None or temperature is None:
            return None
        return {
            "channels": head.shape[1],
            "features": masked.shape[0],
            "modules": sum(bool(re.fullmatch(r"branch1\.body\.\d+\.body\.0\.weight", key)) for key in weights),
            "blocks": sum(bool(re.fullmatch(r"branch2\.body\.\w+\.\d+\.attn\.temperature", key)) for key in weights),
            "heads": len(temperature),
            "head_features": head.shape[0],
        }


def _inner(x: Tensor, border: int) -> Tensor:
    """Without the border of (B, C, H, W)."""
    return x[..., border:-border, border:-border]
