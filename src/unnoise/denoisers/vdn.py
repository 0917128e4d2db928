"""VDN and DANet's denoiser: U-Nets that predict the noise, trained on pairs.

Yue et al., "Variational Denoising Network", NeurIPS 2019. One network gives the clean picture's distribution, its mean
and log variance; another, which training alone needs, that of the noise variance. Yue et al., "Dual Adversarial Network",
ECCV 2020: the denoiser of three networks, of which the others learn to make noise and to judge pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser, PaddingMode
from unnoise.denoisers.leaky_unet import NEGATIVE_SLOPE, LeakyUNet, inferred_sizes, radius, run_scales
from unnoise.layers.fused_convolution import convolve
from unnoise.layers.output_layer import begin_small, output_convolution
from unnoise.layers.reflection_padding import pad_to_multiple_reflect


class NoiseVarianceNet(nn.Module):
    """Five 3×3 convolutions: (B, C, H, W) → (B, 2·C, H, W), the parameters of an inverse gamma distribution.

    >>> import torch
    >>> NoiseVarianceNet(3, 4)(torch.rand(1, 3, 5, 6)).shape
    torch.Size([1, 6, 5, 6])
    """

    def __init__(self, channels: int, features: int, layers: int = 5) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, features, 3, padding=1)
        middle: list[nn.Module] = []
        for _ in range(layers - 2):
            middle += [nn.Conv2d(features, features, 3, padding=1), nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True)]
        self.mid_layer = nn.Sequential(*middle)
        self.conv_last = nn.Conv2d(features, 2 * channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.conv1, *list(self.mid_layer)[::2]):
            assert isinstance(layer, nn.Conv2d)
            x = convolve(layer, x, "leaky_relu", slope=NEGATIVE_SLOPE)
        return convolve(self.conv_last, x)


class VDN(Denoiser):
    """VDN, (B, channels, H, W) → the same shape, values in [0, 1]: x minus the predicted noise. Not blind. 7,816,780
    parameters at its defaults.

    Sides that do not divide by 2^(depth − 1) are padded by reflection, and the result is cropped.

    Args:
        channels: of the image.
        width: of the first scale (64 in the paper).
        depth: number of scales (4 in the paper).
        variance_layers: convolutions of the network for the noise variance (5 in the paper).

    Raises:
        ValueError: for sizes below two.

    Example:
        >>> import torch
        >>> VDN(width=4)(torch.rand(1, 3, 9, 7)).shape
        torch.Size([1, 3, 9, 7])
    """

    padding_mode: ClassVar[PaddingMode] = "reflect"

    def __init__(self, channels: int = 3, width: int = 64, depth: int = 4, variance_layers: int = 5) -> None:
        super().__init__()
        if depth < 2 or variance_layers < 2:
            raise ValueError(f"depth and variance_layers must be at least 2, got {depth} and {variance_layers}.")
        self.sizes = {"channels": channels, "width": width, "depth": depth, "variance_layers": variance_layers}
        self.DNet = LeakyUNet(channels, 2 * channels, width, depth, strided=False)
        self.SNet = NoiseVarianceNet(channels, 64, variance_layers)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    @property
    def size_multiple(self) -> int:  # type: ignore[override] # depends on the depth
        """Such sides need no padding, and tiles that begin at its multiples average the same pixels."""
        return 1 << (self.sizes["depth"] - 1)

    @property
    def receptive_field_radius(self) -> int:
        return radius(self.sizes["depth"], strided=False)

    def initialize_he(self) -> None:
        """He-normal weights; the last layer begins small."""
        super().initialize_he()
        begin_small(self.DNet.last)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        features = self.DNet.features(pad_to_multiple_reflect(x, self.size_multiple))
        noise = output_convolution(self.DNet.last, features)
        return x - noise[:, : x.shape[1], :height, :width]

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from the keys of `DNet` and the number of convolutions of `SNet`."""
        inner = {key.removeprefix("DNet."): value for key, value in weights.items() if key.startswith("DNet.")}
        sizes = inferred_sizes(inner)
        if sizes is None or sizes.pop("strided") or "SNet.conv1.weight" not in weights:
            return None
        middle = sum(key.startswith("SNet.mid_layer.") and key.endswith(".weight") for key in weights)
        return sizes | {"variance_layers": middle + 2}


class DANet(Denoiser):
    """DANet's denoiser, (B, channels, H, W) → the same shape, values in [0, 1]: x minus the predicted noise. Not blind.
    9,153,571 parameters at its defaults.

    Sides that do not divide by 2^(depth − 1) are padded by reflection, and the result is cropped.

    Args:
        channels: of the image.
        width: of the first scale (32 in the paper).
        depth: number of scales (5 in the paper).

    Raises:
        ValueError: for fewer than two scales.

    Example:
        >>> import torch
        >>> DANet(width=4)(torch.rand(1, 3, 9, 7)).shape
        torch.Size([1, 3, 9, 7])
    """

    padding_mode: ClassVar[PaddingMode] = "reflect"

    def __init__(self, channels: int = 3, width: int = 32, depth: int = 5) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"depth must be at least 2, got {depth}.")
        self.sizes = {"channels": channels, "width": width, "depth": depth}
        inner = LeakyUNet(channels, channels, width, depth, strided=True)
        self.down_path, self.up_path, self.last = inner.down_path, inner.up_path, inner.last
        gain = nn.init.calculate_gain("leaky_relu", NEGATIVE_SLOPE)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.orthogonal_(module.weight, gain=gain)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @property
    def size_multiple(self) -> int:  # type: ignore[override] # depends on the depth
        """Such sides need no padding."""
        return 1 << (self.sizes["depth"] - 1)

    @property
    def receptive_field_radius(self) -> int:
        return radius(self.sizes["depth"], strided=True)

    def initialize_he(self) -> None:
        """He-normal weights; the last layer begins small."""
        super().initialize_he()
        begin_small(self.last)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        features = run_scales(self.down_path, self.up_path, pad_to_multiple_reflect(x, self.size_multiple))
        return x - output_convolution(self.last, features)[..., :height, :width]

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `down_path.0.block.0.weight` (width, C, 3, 3) and the number of scales."""
        sizes = inferred_sizes(weights)
        if sizes is None or not sizes.pop("strided") or weights["last.weight"].shape[0] != sizes["channels"]:
            return None
        return sizes
