"""Self2Self's network: partial convolutions down, dropout before each convolution up.

Quan et al., "Self2Self With Dropout: Learning Self-Supervised Denoising From Single Image", CVPR 2020. A partial
convolution sums what is visible, and is scaled up by the share of it. Dropout, also at inference, makes each pass another
network; the scheme averages over many.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.layers.fused_convolution import convolve
from unnoise.layers.leaky_convolution import NEGATIVE_SLOPE
from unnoise.layers.partial.halo_crop import POOLING_LEVELS
from unnoise.layers.receptive_field import kernel_span, receptive_field_radius, upsampling_span
from unnoise.layers.reflection_padding import pad_to_multiple_reflect
from unnoise.rng import RandomSource, uniform


class DropoutNetwork(Protocol):
    """What a network with masks and dropout offers beside what every `Denoiser` does."""

    def __call__(self, x: Tensor, visible: Tensor | None = None, generator: RandomSource | None = None) -> Tensor:
        """(B, C, H, W) → the same shape.

        Args:
            x: zero where hidden.
            visible: of the same shape, 1 where visible; None: everywhere.
            generator: of the dropout; None: nothing is dropped.
        """


class PartialConv2d(nn.Conv2d):
    """A 3×3 convolution of what is visible, with a leaky ReLU: (B, C, H, W) and its mask → (B, C', H, W) and its mask.

    >>> layer = PartialConv2d(1, 2)
    >>> layer.masked(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4))[1].max()
    tensor(0.)
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)

    def masked(self, x: Tensor, visible: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The result and where it knows anything, (B, 1, H, W).

        Args:
            x: zero where hidden.
            visible: (B, C, H, W) or (B, 1, H, W), 1 where visible; None: everywhere, and then an ordinary convolution.
        """
        if visible is None:
            return convolve(self, x, "leaky_relu", slope=NEGATIVE_SLOPE), None
        # beyond the edges nothing is hidden: there the convolution has zeros, as everywhere
        share = F.avg_pool2d(F.pad(visible.mean(1, keepdim=True), (1, 1, 1, 1), value=1.0), 3, stride=1)  # (B, 1, H, W)
        known = (F.max_pool2d(visible.amax(1, keepdim=True), 3, stride=1, padding=1) > 0).to(x.dtype)
        assert self.bias is not None
        y = F.conv2d(x, self.weight, padding=1) * (known / share.clamp_min(1e-8)) + self.bias[:, None, None]
        return F.leaky_relu(y * known, NEGATIVE_SLOPE), known


class Self2SelfUNet(Denoiser):
    """(B, channels, H, W) → the same shape, values in [0, 1]. Not blind. 991,203 parameters at width 48.

    Sides that do not divide by 32 are padded by reflection, and the result is cropped.

    Args:
        channels: of the image.
        width: of the encoder; the decoder is twice as wide, at full size 4/3 and 2/3 times (48 in the paper).
        dropout: share of the values that are dropped before each convolution of the decoder (0.3 in the paper).

    Example:
        >>> network, x = Self2SelfUNet(width=6), torch.rand(1, 3, 33, 34)
        >>> network(x, torch.ones_like(x), torch.Generator()).shape
        torch.Size([1, 3, 33, 34])
    """

    padding_mode = "reflect"
    size_multiple: ClassVar[int] = 2**POOLING_LEVELS
    he_gain: ClassVar[float] = 2 / (1 + NEGATIVE_SLOPE**2)

    def __init__(self, channels: int = 3, width: int = 48, dropout: float = 0.3) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is a share below 1, got {dropout}.")
        self.sizes = {"channels": channels, "width": width, "dropout": dropout}
        wide = 2 * width
        for level in range(POOLING_LEVELS + 2):
            self.add_module(f"EB{level}", PartialConv2d(channels if level == 0 else width, width))
        for level in range(POOLING_LEVELS, 0, -1):
            first, second = (wide, wide) if level > 1 else (4 * width // 3, 2 * width // 3)
            entering = (width if level == POOLING_LEVELS else wide) + (width if level > 1 else channels)
            self.add_module(f"dec{level}a", nn.Conv2d(entering, first, 3, padding=1))
            self.add_module(f"dec{level}b", nn.Conv2d(first, second, 3, padding=1))
        self.last = nn.Conv2d(second, channels, 3, padding=1)

    @property
    def receptive_field_radius(self) -> int:
        """Down to the seventh convolution, at 1/32 of the resolution, and up again."""
        one, pool = kernel_span(1, 1), kernel_span(0, 1, 2)
        up, down = [one, one, upsampling_span()] * POOLING_LEVELS, [pool, one] * POOLING_LEVELS
        return receptive_field_radius([one, *up, one, *down, one], self.size_multiple)

    def forward(self, x: Tensor, visible: Tensor | None = None, generator: RandomSource | None = None) -> Tensor:
        height, width = x.shape[-2:]
        x = pad_to_multiple_reflect(x, self.size_multiple)
        visible = None if visible is None else pad_to_multiple_reflect(visible, self.size_multiple)
        skips, y = [x], x
        for level in range(POOLING_LEVELS + 2):
            y, visible = self._partial(level).masked(y, visible)
            if 1 <= level <= POOLING_LEVELS:
                y, visible = F.max_pool2d(y, 2), None if visible is None else F.max_pool2d(visible, 2)
                skips.append(y)
        skips.pop()
        for level in range(POOLING_LEVELS, 0, -1):
            y = torch.cat([F.interpolate(y, scale_factor=2, mode="nearest"), skips.pop()], dim=1)
            for half in "ab":
                layer = self.get_submodule(f"dec{level}{half}")
                y = convolve(layer, self._dropped(y, generator), "leaky_relu", slope=NEGATIVE_SLOPE)  # type: ignore[arg-type]
        with torch.autocast(x.device.type, enabled=False):
            result: Tensor = self.last(self._dropped(y, generator).to(self.last.weight.dtype)).sigmoid()
        return result[..., :height, :width]

    def _partial(self, level: int) -> PartialConv2d:
        layer = self.get_submodule(f"EB{level}")
        assert isinstance(layer, PartialConv2d)
        return layer

    def _dropped(self, x: Tensor, generator: RandomSource | None) -> Tensor:
        if generator is None or not self.sizes["dropout"]:
            return x
        kept = uniform(x.shape, generator, x.device) >= self.sizes["dropout"]
        return x * (kept / (1 - self.sizes["dropout"])).to(x.dtype)
