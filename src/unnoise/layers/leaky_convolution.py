"""The 3×3 convolution with leaky ReLU that AT-BSN's U-Nets and TM-BSN's student consist of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.deprecated.module_names import renamed
from unnoise.layers.fused_convolution import (
    can_fuse,
    compute_dtype,
    convolve,
    convolve_unrounded,
    convolve_with_weights,
    effective_weights,
)
from unnoise.layers.output_layer import output_convolution
from unnoise.layers.upsample_convolution import can_fuse_upsampling, convolve_upsampled
from unnoise.layers.weight_cache import prepare_weights

NEGATIVE_SLOPE = 0.1
"""Of the leaky ReLU after every convolution."""


class LeakyConvolution(nn.Module):
    """3×3 convolution and leaky ReLU, (B, C, H, W) → (B, C', H, W).

    Args:
        in_channels, out_channels: C and C'.
        upward: row i depends on the rows i − 2 to i, in place of i − 1 to i + 1.
        replicate: replicate padding and no bias, as in AT-BSN's students a and b; otherwise zero padding and a bias.

    Attributes:
        is_last: the network's last layer, which keeps its weights' precision under autocast.
        is_first: the network's first layer, whose input, the image, autocast does not round.

    Example:
        >>> LeakyConvolution(3, 8)(torch.rand(1, 3, 5, 5)).shape
        torch.Size([1, 8, 5, 5])
    """

    def __init__(self, in_channels: int, out_channels: int, *, upward: bool = False, replicate: bool = False) -> None:
        super().__init__()
        self.upward = upward
        self.is_last = self.is_first = False
        self.conv = nn.Conv2d(
            in_channels, out_channels, 3, padding=1, bias=not replicate, padding_mode="replicate" if replicate else "zeros"
        )

    def forward(self, x: Tensor, residual_base: Tensor | None = None) -> Tensor:
        """The layer's result.

        Args:
            x: (B, C, H, W).
            residual_base: for the last layer, the image that the result is close to, (B, C', H, W).
        """
        if self.upward and can_fuse(x):
            # Pad two rows of zeros above, and drop the rows past the last. In a single picture these are the last in
            # memory.
            weight, bias = prepare_weights(self.conv, "", compute_dtype(x), lambda: effective_weights(self.conv))
            return convolve_with_weights(x, weight, bias, "leaky_relu", slope=NEGATIVE_SLOPE, padding=(2, 1))[
                ..., : x.shape[-2], :
            ]
        if self.upward:
            # Two rows of zeros above. Padding inside the convolution and cropping would double the time of the
            # gradient.
            x = F.conv2d(F.pad(x, (0, 0, 2, 0)), self.conv.weight, self.conv.bias, padding=(0, 1))
            return F.leaky_relu(x, NEGATIVE_SLOPE, inplace=True)
        if self.is_last:
            return F.leaky_relu(output_convolution(self.conv, x, residual_base), NEGATIVE_SLOPE, inplace=True)
        if self.is_first and can_fuse(x):
            return F.leaky_relu(convolve_unrounded(self.conv, x), NEGATIVE_SLOPE, inplace=True)
        return convolve(self.conv, x, "leaky_relu", slope=NEGATIVE_SLOPE)

    def forward_upsampled(self, x: Tensor, skip: Tensor) -> Tensor:
        """The same for x up-sampled by two, with a skip concatenated: (B, C, H/2, W/2) and (B, S, H, W) → (B, C', H,
        W)."""
        if can_fuse_upsampling(x) and (skip.shape[-2], skip.shape[-1]) == (2 * x.shape[-2], 2 * x.shape[-1]):
            kind = x.device.type
            with torch.autocast(kind, enabled=torch.is_autocast_enabled(kind) and not self.is_last):
                x = x.to(self.conv.weight.dtype) if self.is_last else x
                return F.leaky_relu(convolve_upsampled(self.conv, x, skip, upward=self.upward), NEGATIVE_SLOPE, inplace=True)
        x = F.interpolate(x, scale_factor=2.0)
        if torch.compiler.is_compiling() or x.shape[-2:] != skip.shape[-2:]:
            x = F.pad(x, (0, skip.shape[-1] - x.shape[-1], 0, skip.shape[-2] - x.shape[-2]))
        result: Tensor = self(torch.cat([x, skip], dim=1))
        return result

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """Ignore the maxima of a `QuantizedConvolution`, which this layer does not need."""
        maxima = f"{prefix}log_maximum", f"{prefix}top"
        used = {key: value for key, value in state_dict.items() if key not in maxima or "log_maximum" in self._parameters}
        super()._load_from_state_dict(used, prefix, *args, **kwargs)


def initialize_kaiming(network: nn.Module) -> None:
    """The published initialization of the AT-BSN family: Kaiming-normal weights for its leaky ReLU, zero biases.

    >>> layer = nn.Conv2d(64, 64, 3)
    >>> initialize_kaiming(layer)
    >>> layer.bias.abs().max().item(), round(layer.weight.std().item() * (64 * 9 / 2) ** 0.5, 1)
    (0.0, 1.0)
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=NEGATIVE_SLOPE)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


__getattr__ = renamed(
    __name__, {"Convolution": "LeakyConvolution", "SLOPE": "NEGATIVE_SLOPE", "start_kaiming": "initialize_kaiming"}
)
