"""DeamNet: one U-Net applied four times with the same weights. Each result is weighted against the first features.

Ren et al., "Adaptive Consistency Prior based Deep Network for Image Denoising", CVPR 2021. Its dual element-wise
attention (DEAM) weights two feature maps against each other, value by value. Keys are those of the published code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.layers.fused_convolution import (
    Activation,
    can_fuse,
    compute_dtype,
    convolve,
    convolve_concatenated,
    convolve_with_weights,
    run_sequential,
)
from unnoise.layers.output_layer import output_convolution
from unnoise.layers.receptive_field import kernel_span, receptive_field_radius, upsampling_span
from unnoise.layers.reflection_padding import pad_to_multiple_reflect
from unnoise.layers.upsample_convolution import can_fuse_upsampling, convolve_upsampled
from unnoise.layers.weight_cache import Weights, prepare_weights

_LEVELS = 4
_PASSES = 4
_UNUSED_LAYERS = ("conv_dila1", "conv_dila2", "conv_dila3", "cat1")


class PlainConvolution(nn.Module):
    """A convolution with the published key `conv2d`, (B, C, H, W) → (B, C', H, W)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x: Tensor, activation: Activation = "none", plus: Tensor | None = None) -> Tensor:
        return convolve(self.conv2d, x, activation, plus=plus)


class ReLUConvolution(nn.Module):
    """A 3×3 convolution and ReLU with the published key `block`, (B, F, H, W) → (B, F, ⌈H/stride⌉, ⌈W/stride⌉)."""

    def __init__(self, features: int, stride: int = 1) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(features, features, 3, stride, padding=1), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        return run_sequential(self.block, x)


class UpsampledConvolution(nn.Module):
    """Nearest-neighbour up-sampling, a 3×3 convolution and ReLU, (B, F, H, W) → (B, F, 2H, 2W)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv2d = ReLUConvolution(features)

    def forward(self, x: Tensor) -> Tensor:
        if can_fuse_upsampling(x):
            return F.relu(convolve_upsampled(self.conv2d.block[0], x), inplace=True)  # type: ignore[arg-type]
        result: Tensor = self.conv2d(F.interpolate(x, scale_factor=2))
        return result


class EncoderLevel(nn.Module):
    """Two convolutions and a third with stride 2, (B, F, H, W) → the same shape, and (B, F, H/2, W/2)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(ReLUConvolution(features), ReLUConvolution(features), ReLUConvolution(features, stride=2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept = self.body[:2](x)
        return kept, self.body[2](kept)


class SkipFusion(nn.Module):
    """Fuses a skip with the level below it, (B, F, H, W) and (B, F, H/2, W/2) → (B, F, H, W)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = ReLUConvolution(features)
        self.ConvTranspose = UpsampledConvolution(features)
        self.cat = PlainConvolution(2 * features, features, 1)

    def forward(self, skip: Tensor, below: Tensor) -> Tensor:
        return convolve_concatenated(self.cat.conv2d, self.conv1(skip), self.ConvTranspose(below))


class DecoderLevel(nn.Module):
    """`SkipFusion` and two convolutions, (B, F, H, W) and (B, F, H/2, W/2) → (B, F, H, W)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.upsample = SkipFusion(features)
        self.body = nn.Sequential(ReLUConvolution(features), ReLUConvolution(features))

    def forward(self, skip: Tensor, below: Tensor) -> Tensor:
        result: Tensor = self.body(self.upsample(skip, below))
        return result


def _attention_layers(features: int) -> nn.Sequential:
    """Layers that give weights in 0 … 1 of the shape of their input, (B, F, H, W), through F/16 channels."""
    narrow = max(1, features // 16)
    return nn.Sequential(
        PlainConvolution(features, narrow), nn.ReLU(inplace=True), PlainConvolution(narrow, features), nn.Sigmoid()
    )


def _attention_weights(layers: nn.Sequential, x: Tensor) -> Tensor:
    """The result of `_attention_layers`."""
    result: Tensor = layers[2](layers[0](x, "relu"), "sigmoid")
    return result


def _residual_pair(layers: nn.Sequential, x: Tensor) -> Tensor:
    """x + second(ReLU(first(x))), (B, F, H, W) → the same shape."""
    result: Tensor = layers[2](layers[0](x, "relu"), plus=x)
    return result


def _fuse_skip(cat: nn.Conv2d, first: nn.Conv2d, skip: Tensor, below: Tensor) -> Tensor:
    """cat of first(skip) and `below`, all (B, F, H, W) → (B, F, H, W), for a 1×1 `cat`.

    Nothing lies between the two convolutions of the skip, so they are merged into one.
    """
    if not can_fuse(skip):
        return convolve_concatenated(cat, first(skip), below)
    features = first.out_channels

    def make() -> Weights:
        mixing = cat.weight[:, :features].flatten(1)  # (F, F)
        assert first.bias is not None
        assert cat.bias is not None
        return torch.einsum("om,mikl->oikl", mixing, first.weight), cat.bias + mixing @ first.bias

    dtype = compute_dtype(skip)
    of_skip = convolve_with_weights(skip, *prepare_weights(cat, "of skip", dtype, make), padding=first.padding)
    weight, _ = prepare_weights(cat, "other", dtype, lambda: (cat.weight[:, features:], None))
    return convolve_with_weights(below, weight, None, plus=of_skip, inplace=True)


class SkipAttention(nn.Module):
    """DEAM between a skip and the level below it, (B, F, H, W) and (B, F, H/2, W/2) → (B, F, H, W)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv_du = _attention_layers(features)
        self.cat = PlainConvolution(2 * features, features, 1)
        self.C = PlainConvolution(features, features)
        self.ConvTranspose = UpsampledConvolution(features)

    def forward(self, skip: Tensor, below: Tensor) -> Tensor:
        below = self.ConvTranspose(below)
        return torch.lerp(
            below, skip, _attention_weights(self.conv_du, _fuse_skip(self.cat.conv2d, self.C.conv2d, skip, below))
        )


class Subnetwork(nn.Module):
    """The non-linear operator: a U-Net of four levels on features, added to its input, (B, F, H, W) → the same shape."""

    def __init__(self, features: int) -> None:
        super().__init__()
        # Unused in the published network too. They are only in the state dict and the parameter count.
        for name, kernel_size in zip(_UNUSED_LAYERS, (3, 5, 7), strict=False):
            self.add_module(name, PlainConvolution(features, features, kernel_size))
        self.cat1 = nn.Conv2d(3 * features, features, 1)
        for level in range(_LEVELS):
            self.add_module(f"e{level}", EncoderLevel(features))
            self.add_module(f"attention{level}", SkipAttention(features))
            self.add_module(f"de{level}", DecoderLevel(features))
        self.mid = nn.Sequential(ReLUConvolution(features), ReLUConvolution(features))
        self.final = PlainConvolution(features, features)
        for name in _UNUSED_LAYERS:
            self.get_submodule(name).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        start, skips = x, []
        for level in range(_LEVELS):
            skip, x = self.get_submodule(f"e{level}")(x)
            skips.append(skip)  # (B, F, H/2^level, W/2^level)
        x = self.mid(x)
        for level in reversed(range(_LEVELS)):
            x = self.get_submodule(f"de{level}")(self.get_submodule(f"attention{level}")(skips.pop(), x), x)
        result: Tensor = self.final(x, plus=start)
        return result


class StartAttention(nn.Module):
    """DEAM between an application's result and the first features, both (B, F, H, W) → the same shape."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.cat = PlainConvolution(2 * features, features, 1)
        self.C = PlainConvolution(features, features)
        self.weight = nn.Module()
        self.weight.conv_du = _attention_layers(features)

    def forward(self, x: Tensor, start: Tensor) -> Tensor:
        joined = _fuse_skip(self.cat.conv2d, self.C.conv2d, start, x)
        return torch.lerp(x, start, _attention_weights(self.weight.get_submodule("conv_du"), joined))  # type: ignore[arg-type]


class Transform(nn.Module):
    """Into or out of the feature space: a convolution `ext`, and two residual ones `pre` on the side of the features."""

    def __init__(self, in_channels: int, out_channels: int, features: int) -> None:
        super().__init__()
        self.ext = PlainConvolution(in_channels, out_channels)
        self.pre = nn.Sequential(
            PlainConvolution(features, features), nn.ReLU(inplace=True), PlainConvolution(features, features)
        )


class DeamNet(Denoiser):
    """DeamNet, (B, channels, H, W) → the same shape, values in [0, 1]. Not blind. 2,228,131 parameters at 64 features.

    Sides that do not divide by 16 are padded by reflection, and the result is cropped.

    352,512 of the parameters change no output, as in the published network: `net2.conv_dila1`, `net2.conv_dila2`,
    `net2.conv_dila3` and `net2.cat1`. They are here for the published state dict, need no gradient and cost no time.

    Args:
        channels: of the image.
        features: width of every layer (always 64 in the published network).

    Example:
        >>> DeamNet(features=16)(torch.rand(1, 3, 20, 17)).shape
        torch.Size([1, 3, 20, 17])
    """

    he_gain = 1.0
    padding_mode = "reflect"
    size_multiple: ClassVar[int] = 2**_LEVELS
    """Such sides need no padding, and tiles that begin at its multiples are down-sampled at the same pixels."""

    def __init__(self, channels: int = 3, features: int = 64) -> None:
        super().__init__()
        self.sizes = {"channels": channels, "features": features}
        self.transform_function = Transform(channels, features, features)
        self.inverse_transform_function = Transform(features, channels, features)
        for number in range(1, _PASSES + 1):
            self.add_module(f"line{number}{number}", StartAttention(features))
        self.net2 = Subnetwork(features)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_normal_(module.weight)  # as published

    @property
    def receptive_field_radius(self) -> int:
        """Four times down four levels and up again, which is most of a photograph."""
        one = kernel_span(1, 1)
        up = [one] * 6 + [upsampling_span()]  # a decoder's three convolutions, two of the weighing, one after doubling
        down = [kernel_span(1, 1, 2), one, one]
        once = [one, one, one] + up * _LEVELS + [one, one] + down * _LEVELS
        return receptive_field_radius([one] * 3 + once * _PASSES + [one] * 3, self.size_multiple)

    def parameter_count(self) -> int:
        """Number of values in the state dict, with the unused ones, as papers count."""
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        return self.on_grid(pad_to_multiple_reflect(x, self.size_multiple))[..., :height, :width]

    def on_grid(self, x: Tensor) -> Tensor:
        """The published network itself, (B, channels, H, W) → the same shape, for H and W that divide by 16."""
        image = x
        x = _residual_pair(self.transform_function.pre, self.transform_function.ext(x))  # (B, F, H, W)
        start = x
        for number in range(1, _PASSES + 1):
            x = self.get_submodule(f"line{number}{number}")(self.net2(x), start)
        x = _residual_pair(self.inverse_transform_function.pre, x)
        return output_convolution(self.inverse_transform_function.ext.conv2d, x, image)

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `transform_function.ext.conv2d.weight` (F, C, 3, 3)."""
        first = weights.get("transform_function.ext.conv2d.weight")
        if first is None or "net2.cat1.weight" not in weights or "line44.C.conv2d.weight" not in weights:
            return None
        return {"channels": first.shape[1], "features": first.shape[0]}
