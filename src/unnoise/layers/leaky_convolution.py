"""The 3×3 convolution and leaky ReLU that AT-BSN's U-Nets and TM-BSN's student are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.layers.fused_convolution import can_fuse, convolve, convolve_exactly, convolve_with, weights_of, working_type
from unnoise.layers.output_layer import last_layer
from unnoise.layers.upsample_convolution import can_double, convolve_doubled
from unnoise.layers.weight_cache import prepare_weights

SLOPE = 0.1
"""Of the leaky ReLU after every convolution."""


class Convolution(nn.Module):
    """3×3 convolution and leaky ReLU, (B, C, H, W) → (B, C', H, W).

    Args:
        entering, leaving: C and C'.
        upward: row i sees the rows i − 2 to i, in place of i − 1 to i + 1.
        replicate: replicate padding and no bias, as students a and b have it, in place of zeros and a bias.

    Attributes:
        is_last: of the whole network, so that it keeps its weights' precision under autocast.
        is_first: it sees the image itself, which autocast then does not round.
    """

    def __init__(self, entering: int, leaving: int, *, upward: bool = False, replicate: bool = False) -> None:
        super().__init__()
        self.upward = upward
        self.is_last = self.is_first = False
        self.conv = nn.Conv2d(
            entering, leaving, 3, padding=1, bias=not replicate, padding_mode="replicate" if replicate else "zeros"
        )

    def forward(self, x: Tensor, near: Tensor | None = None) -> Tensor:
        """`near`, of the result's shape, is what a last layer's is near to: the image."""
        if self.upward and can_fuse(x):
            # Two rows of zeros above, and the rows past the last left out: of a single picture these are the last in memory.
            weight, bias = prepare_weights(self.conv, "", working_type(x), lambda: weights_of(self.conv))
            return convolve_with(x, weight, bias, "leaky_relu", slope=SLOPE, padding=(2, 1))[..., : x.shape[-2], :]
        if self.upward:
            # Two rows of zeros above. Padding within the convolution and cropping after it would cost the gradient twice the time.
            x = F.conv2d(F.pad(x, (0, 0, 2, 0)), self.conv.weight, self.conv.bias, padding=(0, 1))
            return F.leaky_relu(x, SLOPE, inplace=True)
        if self.is_last:
            return F.leaky_relu(last_layer(self.conv, x, near), SLOPE, inplace=True)
        if self.is_first and can_fuse(x):
            return F.leaky_relu(convolve_exactly(self.conv, x), SLOPE, inplace=True)
        return convolve(self.conv, x, "leaky_relu", slope=SLOPE)

    def doubled(self, x: Tensor, skip: Tensor) -> Tensor:
        """The same for x with its sides doubled and the skip beside it, (B, C, H/2, W/2) and (B, S, H, W) → (B, C', H, W)."""
        if can_double(x) and (skip.shape[-2], skip.shape[-1]) == (2 * x.shape[-2], 2 * x.shape[-1]):
            kind = x.device.type
            with torch.autocast(kind, enabled=torch.is_autocast_enabled(kind) and not self.is_last):
                x = x.to(self.conv.weight.dtype) if self.is_last else x
                return F.leaky_relu(convolve_doubled(self.conv, x, skip, upward=self.upward), SLOPE, inplace=True)
        x = F.interpolate(x, scale_factor=2.0)
        if x.shape[-2:] != skip.shape[-2:]:
            x = F.pad(x, (0, skip.shape[-1] - x.shape[-1], 0, skip.shape[-2] - x.shape[-2]))
        result: Tensor = self(torch.cat([x, skip], dim=1))
        return result

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """What the steps of a counted map stand for (`rounded.RoundedConvolution`) is of no use to a layer without them, and no error."""
        used = {key: value for key, value in state_dict.items() if key != f"{prefix}top" or "top" in self._parameters}
        super()._load_from_state_dict(used, prefix, *args, **kwargs)


def start_kaiming(network: nn.Module) -> None:
    """The published start of the AT-BSN family: Kaiming's normal weights for its leaky ReLU, zero biases."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=SLOPE)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
