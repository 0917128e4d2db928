"""DeamNet: a U-Net passed four times with the same weights, each pass weighed against the features it began with.

Ren et al., "Adaptive Consistency Prior based Deep Network for Image Denoising", CVPR 2021. Its dual element-wise attention
(DEAM) is a weight for every single feature value between two feature maps. Key names are those of the published code.
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
    convolve,
    convolve_joined,
    convolve_with,
    in_sequence,
    working_type,
)
from unnoise.layers.output_layer import last_layer
from unnoise.layers.receptive_field import doubling, reach_through, window
from unnoise.layers.reflection_padding import pad_to_multiple_reflect
from unnoise.layers.upsample_convolution import can_double, convolve_doubled
from unnoise.layers.weight_cache import Weights, prepare_weights

_LEVELS = 4
_PASSES = 4
_DEAD = ("conv_dila1", "conv_dila2", "conv_dila3", "cat1")


class Plain(nn.Module):
    """A convolution under the published key `conv2d`, (B, C, H, W) → (B, C', H, W)."""

    def __init__(self, entering: int, leaving: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(entering, leaving, kernel_size, padding=kernel_size // 2)

    def forward(self, x: Tensor, activation: Activation = "none", plus: Tensor | None = None) -> Tensor:
        return convolve(self.conv2d, x, activation, plus=plus)


class Rectified(nn.Module):
    """A 3×3 convolution and ReLU under the published key `block`, (B, F, H, W) → (B, F, ⌈H/stride⌉, ⌈W/stride⌉)."""

    def __init__(self, features: int, stride: int = 1) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(features, features, 3, stride, padding=1), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        return in_sequence(self.block, x)


class Doubled(nn.Module):
    """Nearest up-sampling, a 3×3 convolution and ReLU, (B, F, H, W) → (B, F, 2H, 2W); no transposed convolution."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv2d = Rectified(features)

    def forward(self, x: Tensor) -> Tensor:
        if can_double(x):
            return F.relu(convolve_doubled(self.conv2d.block[0], x), inplace=True)  # type: ignore[arg-type]
        result: Tensor = self.conv2d(F.interpolate(x, scale_factor=2))
        return result


class Encoding(nn.Module):
    """Two convolutions and a third with stride 2, (B, F, H, W) → the same shape, and (B, F, H/2, W/2)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(Rectified(features), Rectified(features), Rectified(features, stride=2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept = self.body[:2](x)
        return kept, self.body[2](kept)


class Joining(nn.Module):
    """A skip and the level below it, (B, F, H, W) and (B, F, H/2, W/2) → (B, F, H, W)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = Rectified(features)
        self.ConvTranspose = Doubled(features)
        self.cat = Plain(2 * features, features, 1)

    def forward(self, skip: Tensor, below: Tensor) -> Tensor:
        return convolve_joined(self.cat.conv2d, self.conv1(skip), self.ConvTranspose(below))


class Decoding(nn.Module):
    """`Joining` and two convolutions, (B, F, H, W) and (B, F, H/2, W/2) → (B, F, H, W)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.upsample = Joining(features)
        self.body = nn.Sequential(Rectified(features), Rectified(features))

    def forward(self, skip: Tensor, below: Tensor) -> Tensor:
        result: Tensor = self.body(self.upsample(skip, below))
        return result


def _weighing(features: int) -> nn.Sequential:
    """(B, F, H, W) → weights in 0 … 1 of the same shape, through F/16 channels."""
    narrow = max(1, features // 16)
    return nn.Sequential(Plain(features, narrow), nn.ReLU(inplace=True), Plain(narrow, features), nn.Sigmoid())


def _weigh(layers: nn.Sequential, x: Tensor) -> Tensor:
    """What `_weighing` made, applied."""
    result: Tensor = layers[2](layers[0](x, "relu"), "sigmoid")
    return result


def _with_residual(layers: nn.Sequential, x: Tensor) -> Tensor:
    """x + second(ReLU(first(x))), (B, F, H, W) → the same shape."""
    result: Tensor = layers[2](layers[0](x, "relu"), plus=x)
    return result


def _joined(cat: nn.Conv2d, first: nn.Conv2d, skip: Tensor, below: Tensor) -> Tensor:
    """cat of first(skip) beside `below`, all (B, F, H, W) → (B, F, H, W), for a 1×1 `cat`.

    Nothing lies between the two convolutions of the skip, so that they are one.
    """
    if not can_fuse(skip):
        return convolve_joined(cat, first(skip), below)
    features = first.out_channels

    def make() -> Weights:
        mixing = cat.weight[:, :features].flatten(1)  # (F, F)
        assert first.bias is not None
        assert cat.bias is not None
        return torch.einsum("om,mikl->oikl", mixing, first.weight), cat.bias + mixing @ first.bias

    dtype = working_type(skip)
    of_skip = convolve_with(skip, *prepare_weights(cat, "of skip", dtype, make), padding=first.padding)
    weight, _ = prepare_weights(cat, "other", dtype, lambda: (cat.weight[:, features:], None))
    return convolve_with(below, weight, None, plus=of_skip, own=True)


class SkipAttention(nn.Module):
    """DEAM between a skip and the level below it, (B, F, H, W) and (B, F, H/2, W/2) → (B, F, H, W)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv_du = _weighing(features)
        self.cat = Plain(2 * features, features, 1)
        self.C = Plain(features, features)
        self.ConvTranspose = Doubled(features)

    def forward(self, skip: Tensor, below: Tensor) -> Tensor:
        below = self.ConvTranspose(below)
        return torch.lerp(below, skip, _weigh(self.conv_du, _joined(self.cat.conv2d, self.C.conv2d, skip, below)))


class Subnetwork(nn.Module):
    """The non-linear operator: a U-Net of four levels on features, added to its input, (B, F, H, W) → the same shape."""

    def __init__(self, features: int) -> None:
        super().__init__()
        # Dead in the published network too: they take part in no output, only in the state dict and the parameter count.
        for name, kernel_size in zip(_DEAD, (3, 5, 7), strict=False):
            self.add_module(name, Plain(features, features, kernel_size))
        self.cat1 = nn.Conv2d(3 * features, features, 1)
        for level in range(_LEVELS):
            self.add_module(f"e{level}", Encoding(features))
            self.add_module(f"attention{level}", SkipAttention(features))
            self.add_module(f"de{level}", Decoding(features))
        self.mid = nn.Sequential(Rectified(features), Rectified(features))
        self.final = Plain(features, features)
        for name in _DEAD:
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
    """DEAM between a pass's result and the features the network began with, both (B, F, H, W) → the same shape."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.cat = Plain(2 * features, features, 1)
        self.C = Plain(features, features)
        self.weight = nn.Module()
        self.weight.conv_du = _weighing(features)

    def forward(self, x: Tensor, start: Tensor) -> Tensor:
        joined = _joined(self.cat.conv2d, self.C.conv2d, start, x)
        return torch.lerp(x, start, _weigh(self.weight.get_submodule("conv_du"), joined))  # type: ignore[arg-type]


class Transform(nn.Module):
    """Into or out of the feature space: a convolution `ext`, and two with a residual `pre` on the side of the features."""

    def __init__(self, entering: int, leaving: int, features: int) -> None:
        super().__init__()
        self.ext = Plain(entering, leaving)
        self.pre = nn.Sequential(Plain(features, features), nn.ReLU(inplace=True), Plain(features, features))


class DeamNet(Denoiser):
    """DeamNet, (B, channels, H, W) → the same shape, values in [0, 1]. Not blind. 2,228,131 parameters at 64 features.

    Sides that do not divide by 16 are padded by reflection and the result is cropped.

    Of the parameters, 352,512 are dead in the published network as well: `net2.conv_dila1`, `net2.conv_dila2`,
    `net2.conv_dila3` and `net2.cat1` change no output. They are here for the published state dict, ask for no gradient and cost
    no time.

    Args:
        channels: of the image.
        features: width of every layer (always 64 in the published network).
    """

    he_gain = 1.0
    size_multiple: ClassVar[int] = 2**_LEVELS
    """Sides that divide by it need no padding, and tiles cut at its multiples are down-sampled at the same pixels."""

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
        """Four times down four levels and up again: most of a photograph."""
        one = window(1, 1)
        up = [one] * 6 + [doubling()]  # a decoder's three convolutions, two of the weighing, one after doubling
        down = [window(1, 1, 2), one, one]
        once = [one, one, one] + up * _LEVELS + [one, one] + down * _LEVELS
        return reach_through([one] * 3 + once * _PASSES + [one] * 3, self.size_multiple)

    def parameter_count(self) -> int:
        """Number of values in the state dict, the dead ones included, as papers count."""
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        return self.on_grid(pad_to_multiple_reflect(x, self.size_multiple))[..., :height, :width]

    def on_grid(self, x: Tensor) -> Tensor:
        """The published network itself, (B, channels, H, W) → the same shape, for H and W that divide by 16."""
        image = x
        x = _with_residual(self.transform_function.pre, self.transform_function.ext(x))  # (B, F, H, W)
        start = x
        for number in range(1, _PASSES + 1):
            x = self.get_submodule(f"line{number}{number}")(self.net2(x), start)
        x = _with_residual(self.inverse_transform_function.pre, x)
        return last_layer(self.inverse_transform_function.ext.conv2d, x, image)

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `transform_function.ext.conv2d.weight` (F, C, 3, 3)."""
        first = weights.get("transform_function.ext.conv2d.weight")
        if first is None or "net2.cat1.weight" not in weights or "line44.C.conv2d.weight" not in weights:
            return None
        return {"channels": first.shape[1], "features": first.shape[0]}
