"""NAFNet, and the baseline that it was simplified from.

Chen et al., "Simple Baselines for Image Restoration", ECCV 2022. Both are one U-shaped network and differ only in their
blocks. The baseline has GELU and channel attention. NAFNet has the product of two halves (SimpleGate), and a channel
attention of one linear layer. AMSNet's published configuration names NAFNet but uses the *baseline*.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.layers.channel_mixing import spatial_means
from unnoise.layers.fused_convolution import (
    Activation,
    can_fuse,
    compute_dtype,
    convolve,
    convolve_with_weights,
    effective_weights,
)
from unnoise.layers.norms import ChannelNorm
from unnoise.layers.output_layer import output_convolution
from unnoise.layers.pointwise import apply_convolution, convolve_depthwise, convolve_pointwise
from unnoise.layers.polyphase import pad_to_multiple
from unnoise.layers.weight_cache import Weights, prepare_weights


class Block(nn.Module):
    """A block, (B, C, H, W) → the same shape: attention over channels, then a feed-forward part, each residual."""

    share: ClassVar[int] = 1
    """The activation leaves one of `share` channels."""

    def __init__(self, channels: int, depthwise: int, hidden: int, dilation: int = 1) -> None:
        super().__init__()
        self.norm1 = ChannelNorm(channels, "WithBias", eps=1e-6)
        self.conv1 = nn.Conv2d(channels, depthwise, 1)
        self.conv2 = nn.Conv2d(depthwise, depthwise, 3, padding=dilation, dilation=dilation, groups=depthwise)
        self.conv3 = nn.Conv2d(depthwise // self.share, channels, 1)
        self.norm2 = ChannelNorm(channels, "WithBias", eps=1e-6)
        self.conv4 = nn.Conv2d(channels, hidden, 1)
        self.conv5 = nn.Conv2d(hidden // self.share, channels, 1)
        # Zero at the start, so a fresh block is the identity.
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self._local(x)
        x = _scaled(self.conv3, y * self._attend(y).to(y.dtype), self.beta, plus=x)
        return _scaled(self.conv5, self._hidden(x), self.gamma, plus=x, inplace=True)

    def _local(self, x: Tensor) -> Tensor:
        """norm1, conv1, conv2 and the activation."""
        raise NotImplementedError

    def _hidden(self, x: Tensor) -> Tensor:
        """norm2, conv4 and the activation."""
        raise NotImplementedError

    def _attend(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → a factor for each channel of each image, (B, C, 1, 1)."""
        raise NotImplementedError


class BaselineBlock(Block):
    """GELU, and channel attention through half as many channels and a sigmoid (Fig. 3c of the paper)."""

    def __init__(self, channels: int, depthwise: int, hidden: int) -> None:
        super().__init__(channels, depthwise, hidden)
        self.se = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(depthwise, depthwise // 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(depthwise // 2, depthwise, 1),
            nn.Sigmoid(),
        )

    def _local(self, x: Tensor) -> Tensor:
        return convolve(self.conv2, _after_norm(self.norm1, self.conv1, x), "gelu")

    def _hidden(self, x: Tensor) -> Tensor:
        return _after_norm(self.norm2, self.conv4, x, "gelu")

    def _attend(self, x: Tensor) -> Tensor:
        return convolve(self.se[3], convolve(self.se[1], _pooled(self.se, x), "relu"), "sigmoid")  # type: ignore[arg-type]


class NAFBlock(Block):
    """SimpleGate, and simplified channel attention: no activation function anywhere (Fig. 3d and Eq. 6 of the paper)."""

    share: ClassVar[int] = 2

    def __init__(self, channels: int, depthwise: int, hidden: int, dilation: int = 1) -> None:
        super().__init__(channels, depthwise, hidden, dilation)
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(depthwise // 2, depthwise // 2, 1))

    def _local(self, x: Tensor) -> Tensor:
        if not can_fuse(x):
            y = apply_convolution(self.conv1, self.norm1(x))
            return _gate(convolve_depthwise(y, self.conv2.weight, self.conv2.bias, self.conv2.dilation[0]))
        y = self.norm1.normalize(x)
        one, other = (_half(self.conv2, _half(self.conv1, y, part, self.norm1), part) for part in (0, 1))
        return one.mul_(other)

    def _hidden(self, x: Tensor) -> Tensor:
        if not can_fuse(x):
            return _gate(apply_convolution(self.conv4, self.norm2(x)))
        y = self.norm2.normalize(x)
        return _half(self.conv4, y, 1, self.norm2, times=_half(self.conv4, y, 0, self.norm2))

    def _attend(self, x: Tensor) -> Tensor:
        return convolve(self.sca[1], _pooled(self.sca, x))  # type: ignore[arg-type]


class NAFNet(Denoiser):
    """NAFNet, (B, channels, H, W) → the same shape, values in [0, 1]. Not blind.

    Each encoder level halves the sides and doubles the width. Sides that do not divide by 2^levels (16 by default) are
    padded with zeros, as in the published network, and the result is cropped. The channel attention averages over the
    whole image with its padding, so every pixel depends on every other.

    Args:
        channels: of the image.
        width: channels of the first level (32, or 64 for the paper's larger form).
        encoder_blocks, decoder_blocks: blocks at each level, from the image down and back up.
        middle_blocks: blocks at the lowest level.
        depthwise_expansion: width of the depthwise convolution over that of the level (2 in NAFNet, 1 in the baseline).
        hidden_expansion: the same for the feed-forward part.

    Raises:
        ValueError: for sizes that do not fit each other.

    Example:
        >>> NAFNet(width=4, encoder_blocks=(1,), middle_blocks=1, decoder_blocks=(1,))(torch.rand(1, 3, 9, 8)).shape
        torch.Size([1, 3, 9, 8])
    """

    he_gain = 1.0
    block: ClassVar[type[Block]] = NAFBlock
    attention_key: ClassVar[str] = "sca.1.weight"

    def __init__(
        self,
        channels: int = 3,
        width: int = 32,
        encoder_blocks: Sequence[int] = (2, 2, 4, 8),
        middle_blocks: int = 12,
        decoder_blocks: Sequence[int] = (2, 2, 2, 2),
        depthwise_expansion: int = 2,
        hidden_expansion: int = 2,
    ) -> None:
        super().__init__()
        if len(encoder_blocks) != len(decoder_blocks):
            raise ValueError(
                f"encoder_blocks and decoder_blocks must be equally long, got {encoder_blocks} and {decoder_blocks}."
            )
        if width * depthwise_expansion % 2 or width * hidden_expansion % 2:
            raise ValueError(
                f"width times each expansion must be even, got {width}, {depthwise_expansion} and {hidden_expansion}."
            )
        self.sizes = {
            "channels": channels,
            "width": width,
            "encoder_blocks": list(encoder_blocks),
            "middle_blocks": middle_blocks,
            "decoder_blocks": list(decoder_blocks),
            "depthwise_expansion": depthwise_expansion,
            "hidden_expansion": hidden_expansion,
        }

        def blocks(number: int, level: int) -> nn.Sequential:
            wide = width << level
            return nn.Sequential(
                *(self.block(wide, wide * depthwise_expansion, wide * hidden_expansion) for _ in range(number))
            )

        levels = len(encoder_blocks)
        self.intro = nn.Conv2d(channels, width, 3, padding=1)
        self.encoders = nn.ModuleList(blocks(number, level) for level, number in enumerate(encoder_blocks))
        self.downs = nn.ModuleList(nn.Conv2d(width << level, width << (level + 1), 2, stride=2) for level in range(levels))
        self.middle_blks = blocks(middle_blocks, levels)
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width << level, width << (level + 1), 1, bias=False), nn.PixelShuffle(2))
            for level in range(levels, 0, -1)
        )
        self.decoders = nn.ModuleList(blocks(number, levels - 1 - place) for place, number in enumerate(decoder_blocks))
        self.ending = nn.Conv2d(width, channels, 3, padding=1)

    padding_mode = "zeros"

    @property
    def size_multiple(self) -> int:  # type: ignore[override] # depends on the depth
        """Such sides need no padding."""
        return 1 << len(self.downs)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        return self.on_grid(pad_to_multiple(x, self.size_multiple))[..., :height, :width]

    def on_grid(self, x: Tensor) -> Tensor:
        """The network without padding, (B, channels, H, W) → the same shape, for H and W that divide by
        `size_multiple`."""
        image, skips = x, []
        x = convolve(self.intro, x)
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            skips.append(x)
            x = convolve(down, x)  # type: ignore[arg-type] # (B, 2·width·2^level, H/2^(level + 1), W/2^(level + 1))
        x = self.middle_blks(x)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(up[1](convolve(up[0], x)) + skips.pop())  # type: ignore[index]
        return image + output_convolution(self.ending, x, torch.zeros_like(image))

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `intro.weight` (width, C, 3, 3), `downs` and the keys of the blocks. The attention tells the kind
        of block."""
        first, widening = weights.get("intro.weight"), weights.get("downs.0.weight")
        block = next((key.removesuffix(cls.attention_key) for key in weights if key.endswith(f".{cls.attention_key}")), None)
        if first is None or widening is None or block is None or f"{block}conv4.weight" not in weights:
            return None
        levels = range(sum(bool(re.fullmatch(r"downs\.\d+\.weight", key)) for key in weights))
        count = {
            part: sum(bool(re.fullmatch(re.escape(part) + r"\.\d+\.beta", key)) for key in weights)
            for part in ["middle_blks", *(f"{side}.{level}" for side in ("encoders", "decoders") for level in levels)]
        }
        wide = weights[f"{block}conv1.weight"].shape[1]
        return {
            "channels": first.shape[1],
            "width": first.shape[0],
            "encoder_blocks": [count[f"encoders.{level}"] for level in levels],
            "middle_blocks": count["middle_blks"],
            "decoder_blocks": [count[f"decoders.{level}"] for level in levels],
            "depthwise_expansion": weights[f"{block}conv1.weight"].shape[0] // wide,
            "hidden_expansion": weights[f"{block}conv4.weight"].shape[0] // wide,
        }


class NAFNetBaseline(NAFNet):
    """The baseline of NAFNet, which AMSNet uses, with the same arguments; 29,056,227 parameters at its defaults.

    >>> small = {"width": 4, "encoder_blocks": [1], "middle_blocks": 1, "decoder_blocks": [1]}
    >>> NAFNetBaseline(**small)(torch.zeros(1, 3, 9, 10)).shape
    torch.Size([1, 3, 9, 10])
    """

    block: ClassVar[type[Block]] = BaselineBlock
    attention_key: ClassVar[str] = "se.1.weight"

    def __init__(
        self,
        channels: int = 3,
        width: int = 32,
        encoder_blocks: Sequence[int] = (2, 2, 4, 8),
        middle_blocks: int = 12,
        decoder_blocks: Sequence[int] = (2, 2, 2, 2),
        depthwise_expansion: int = 1,
        hidden_expansion: int = 2,
    ) -> None:
        super().__init__(channels, width, encoder_blocks, middle_blocks, decoder_blocks, depthwise_expansion, hidden_expansion)


def _scaled(layer: nn.Conv2d, x: Tensor, scale: Tensor, plus: Tensor, *, inplace: bool = False) -> Tensor:
    """layer(x) · scale + plus, with the scale (1, C, 1, 1) folded into the weights. With `inplace` the result
    overwrites plus."""

    def make() -> Weights:
        bias = None if layer.bias is None else layer.bias * scale.flatten()
        return layer.weight * scale.view(-1, 1, 1, 1), bias

    if can_fuse(x):
        return convolve_with_weights(x, *prepare_weights(layer, "scaled", compute_dtype(x), make), plus=plus, inplace=inplace)
    return plus + convolve_pointwise(x, *make())


def _pooled(attention: nn.Sequential, x: Tensor) -> Tensor:
    """The attention's first layer, (B, C, H, W) → (B, C, 1, 1)."""
    result: Tensor = spatial_means(x) if can_fuse(x) else attention[0](x)
    return result


def _gate(x: Tensor) -> Tensor:
    """SimpleGate, the product of the first and the second half of the channels."""
    one, other = x.chunk(2, dim=1)
    return one * other


def _after_norm(norm: ChannelNorm, layer: nn.Conv2d, x: Tensor, activation: Activation = "none") -> Tensor:
    """activation(layer(norm(x))) for a 1×1 convolution."""
    if not can_fuse(x):
        return convolve(layer, norm(x), activation)
    weights = prepare_weights(layer, "after norm", compute_dtype(x), lambda: norm.fold_into(effective_weights(layer)))
    return convolve_with_weights(norm.normalize(x), *weights, activation)


def _half(
    layer: nn.Conv2d, x: Tensor, part: Literal[0, 1], norm: ChannelNorm | None = None, times: Tensor | None = None
) -> Tensor:
    """One half of the layer's outputs, for an x that `can_fuse`, times a factor.

    A grouped layer receives its half of x. A layer after a norm receives the normalized x without the norm's weight and
    bias.
    """

    def make() -> Weights:
        half = layer.weight.chunk(2)[part], None if layer.bias is None else layer.bias.chunk(2)[part]
        return half if norm is None else norm.fold_into(half)

    weight, bias = prepare_weights(layer, f"half {part}", compute_dtype(x), make)
    groups = layer.groups // 2 if layer.groups > 1 else 1
    return convolve_with_weights(x, weight, bias, times=times, padding=layer.padding, dilation=layer.dilation, groups=groups)
