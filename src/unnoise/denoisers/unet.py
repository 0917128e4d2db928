"""The U-Net of Laine et al. as AMSNet uses it: five levels, transposed convolutions up, 1×1 convolutions at the end.

Ronneberger et al., "U-Net", MICCAI 2015, in the layout of Lehtinen et al., "Noise2Noise", ICML 2018, and Laine et al.,
"High-Quality Self-Supervised Deep Image Denoising", NeurIPS 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser, PaddingMode
from unnoise.layers.fused_convolution import convolve
from unnoise.layers.output_layer import output_convolution
from unnoise.layers.partial.halo_crop import (
    POOLING_LEVELS,
    deepest_path,
    full_region,
    max_pool,
    row_strips,
    run_decoder,
    run_encoder,
    run_first_level,
)
from unnoise.layers.receptive_field import kernel_span, receptive_field_radius
from unnoise.layers.reflection_padding import pad_to_multiple_reflect
from unnoise.regions import Region

OUTPUT_FEATURES = 96  # of the full-resolution and 1×1 layers, whatever the width
NEGATIVE_SLOPE = 0.2  # of the leaky ReLU


class UpsampleAndConcatenate(nn.Module):
    """A transposed convolution and the skip: (B, F, H, W) and (B, S, 2H, 2W) → (B, F + S, 2H, 2W)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.deconv = nn.ConvTranspose2d(features, features, 2, stride=2)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return torch.cat([self.deconv(x), skip], dim=1)


class UNet(Denoiser):
    """U-Net, (B, channels, H, W) → the same shape, values in [0, 1]. Not blind. 7,935,555 parameters at 128 features.

    Sides that do not divide by 32 are padded by reflection, and the result is cropped.

    Args:
        channels: of the image.
        features: width of the encoder; the decoder is twice as wide (128 in AMSNet, 48 in Laine et al.).

    Example:
        >>> UNet(features=4)(torch.rand(1, 3, 40, 33)).shape
        torch.Size([1, 3, 40, 33])
    """

    padding_mode: ClassVar[PaddingMode] = "reflect"
    size_multiple: ClassVar[int] = 32
    """Such sides need no padding, and tiles that begin at its multiples pool the same pixels."""

    halo_relative_cost = 0.2  # all of the encoder

    branches: ClassVar[int] = 1
    """How many trunk outputs are concatenated before the 1×1 convolutions."""

    def __init__(self, channels: int = 3, features: int = 128) -> None:
        super().__init__()
        self.sizes = {"channels": channels, "features": features}
        wide, out = 2 * features, OUTPUT_FEATURES
        self.enc_conv0 = _convolution(channels, features)
        for level in range(1, POOLING_LEVELS + 2):
            self.add_module(f"enc_conv{level}", _convolution(features, features))
        for level in range(POOLING_LEVELS, 0, -1):
            in_channels = features if level == POOLING_LEVELS else wide
            self.add_module(f"up{level}", UpsampleAndConcatenate(in_channels))
            skip, out_channels = (features, wide) if level > 1 else (channels, out)
            self.add_module(f"dec_conv{level}a", _convolution(in_channels + skip, out_channels))
            self.add_module(f"dec_conv{level}b", _convolution(out_channels, out_channels))
        self.nin_a = nn.Conv2d(out * self.branches, out * self.branches, 1)
        self.nin_b = nn.Conv2d(out * self.branches, out, 1)
        self.nin_c = nn.Conv2d(out, channels, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                _initialize_small(module)

    def initialize_he(self) -> None:
        """He-normal weights for the leaky ReLU, zero biases; a tenth of the weights for the last layer, so the output
        begins near black.

        The published draw, a tenth in every layer, lets nothing of the picture through five levels. A short training
        then learns only the mean brightness for a long time.
        """
        for module in self.modules():
            if isinstance(module, nn.ConvTranspose2d):
                # At stride 2 each output sums one value of each feature, and no ReLU follows.
                nn.init.normal_(module.weight, std=module.in_channels**-0.5)
            elif isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=NEGATIVE_SLOPE)
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.bias is not None:
                nn.init.zeros_(module.bias)
        with torch.no_grad():
            self.nin_c.weight *= 0.1

    @property
    def receptive_field_radius(self) -> int:
        """Down to the sixth convolution, at 1/32 of the resolution, and up again."""
        return receptive_field_radius(deepest_path(kernel_span(1, 1), kernel_span(0, 1, 2)), self.size_multiple)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_region(x, full_region(x))

    def forward_region(self, x: Tensor, region: Region) -> Tensor:
        """`Denoiser.forward_region`. On a CPU the full size, whose features are most of the memory, is computed in
        strips of rows."""
        x = pad_to_multiple_reflect(x, self.size_multiple)
        rows, columns = full_region(x)
        y, skips = self._encoded(x, row_strips(rows, x))

        def stage(level: int, y: Tensor, around: Region) -> Tensor:
            if level > 1:
                return self._up(level, y, skips.pop()[..., *around])
            image = x[..., *around]
            return self._finish(self._up(1, y, image), image)

        return run_decoder(stage, y, region, row_strips(region[0], x), (rows.stop, columns.stop))

    def _encoded(self, x: Tensor, pieces: list[slice]) -> tuple[Tensor, list[Tensor]]:
        """The deepest features, (B, F, H/32, W/32), and the pooled ones of levels 1 to 4; the full size in strips."""
        y = run_first_level(lambda x: self._convolve("enc_conv1", self._convolve("enc_conv0", x)), self._pool, x, pieces)
        return run_encoder(lambda level, x: self._convolve(f"enc_conv{level}", x), self._pool, y)

    def _up(self, level: int, x: Tensor, skip: Tensor) -> Tensor:
        """(B, F', H/2^level, W/2^level) and the skip → (B, 2F or 96, H/2^(level − 1), W/2^(level − 1))."""
        x = self.get_submodule(f"up{level}")(x, skip)
        return self._convolve(f"dec_conv{level}b", self._convolve(f"dec_conv{level}a", x))

    def _finish(self, x: Tensor, image: Tensor) -> Tensor:
        """(B, 96·branches, H, W) → (B, channels, H, W)."""
        x = convolve(self.nin_a, x, "leaky_relu", slope=NEGATIVE_SLOPE)
        x = convolve(self.nin_b, x, "leaky_relu", slope=NEGATIVE_SLOPE)
        return output_convolution(self.nin_c, x, image)

    def _convolve(self, name: str, x: Tensor) -> Tensor:
        return convolve(self.get_submodule(name), x, "leaky_relu", slope=NEGATIVE_SLOPE)  # type: ignore[arg-type]

    def _pool(self, x: Tensor) -> Tensor:
        return max_pool(x)

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `enc_conv0.weight` (F, C, 3, 3); the width of `nin_a` tells the blind-spot form from the plain
        one."""
        first, mixing = weights.get("enc_conv0.weight"), weights.get("nin_a.weight")
        if first is None or mixing is None or "up1.deconv.weight" not in weights:
            return None
        if mixing.shape[1] != OUTPUT_FEATURES * cls.branches:
            return None
        return {"channels": first.shape[1], "features": first.shape[0]}


def _convolution(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def _initialize_small(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """The published draw: a tenth of Kaiming-normal weights, zero biases."""
    nn.init.kaiming_normal_(layer.weight)
    with torch.no_grad():
        layer.weight *= 0.1
        if layer.bias is not None:
            layer.bias.zero_()
