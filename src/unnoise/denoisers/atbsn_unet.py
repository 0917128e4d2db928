"""The U-Net of AT-BSN: as the teacher's trunk its receptive field points only up, as student c it sees all round.

Chen et al., "Exploring Efficient Asymmetric Blind-Spots for Self-Supervised Denoising in Real-World Scenarios", CVPR 2024.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.doubling import can_double, convolve_doubled
from unnoise.denoisers.fused import can_fuse, convolve, convolve_exactly, convolve_with, weights_of, working_type
from unnoise.denoisers.layers import halved, last_layer
from unnoise.denoisers.parts import LEVELS, decoded, deepest_path, encoded, everywhere, pooled_first, read, strips
from unnoise.denoisers.prepared import prepared
from unnoise.denoisers.reach import Layer, window
from unnoise.denoisers.turns import move
from unnoise.views import Part, within

SLOPE = 0.1  # of the leaky ReLU after every convolution
DOWN = 0


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
            weight, bias = prepared(self.conv, "", working_type(x), lambda: weights_of(self.conv))
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


class Row(nn.Sequential):
    """Convolutions one after the other, (B, C, H, W) → (B, C', H, W)."""

    def doubled(self, x: Tensor, skip: Tensor) -> Tensor:
        """The first one's `Convolution.doubled`, then the others."""
        first, *others = self
        x = first.doubled(x, skip)  # type: ignore[operator]
        for layer in others:
            x = layer(x, skip) if layer.is_last else layer(x)  # the skip of the last row is the image itself
        return x


class Stage(Row):
    """A row named conv1, conv2 … as in the published files."""

    def __init__(self, *widths: int, upward: bool = False, replicate: bool = False) -> None:
        super().__init__()
        for number, (entering, leaving) in enumerate(pairwise(widths), start=1):
            self.add_module(f"conv{number}", Convolution(entering, leaving, upward=upward, replicate=replicate))


class AsymmetricUNet(nn.Module):
    """(B, channels, H, W) → (B, leaving, H, W), for H and W that divide by 32.

    Going down, one convolution and a pooling at each scale; going up, two convolutions on the features joined with the *pooled*
    ones of that scale, and at full size with the image itself.

    Args:
        channels: of the image.
        width: of the encoder; the decoder is twice as wide.
        leaving: channels of the result.
        upward: output row i depends on input rows up to i alone.
    """

    def __init__(self, channels: int, width: int, leaving: int, *, upward: bool) -> None:
        super().__init__()
        self.upward = upward
        self.intro = Convolution(channels, width, upward=upward)
        for level in range(1, LEVELS + 2):
            self.add_module(f"enc{level}", Stage(width, width, upward=upward))
        wide = 2 * width
        for level in range(LEVELS, 0, -1):
            entering = width if level == LEVELS else wide
            skip, last = (width, wide) if level > 1 else (channels, leaving)
            self.add_module(f"dec{level}", Stage(entering + skip, wide, last, upward=upward))
        start_kaiming(self)

    @property
    def paths(self) -> tuple[list[Layer], list[Layer]]:
        """The deepest paths from the output to the input, along a column of pixels and along a row."""
        along_row = deepest_path(window(1, 1), window(0, 1, 2))
        return deepest_path(window(2, 0), window(1, 0, 2)) if self.upward else along_row, along_row

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = everywhere(x)
        return self._in_pieces(x, (rows, columns), [rows], [rows])

    def part(self, x: Tensor, wanted: Part) -> Tensor:
        """The result at the rows and columns `wanted` alone, (B, leaving, rows, columns), from the part of x that it depends on.

        On a CPU the full size is worked out in strips of rows, but for a result that is as large as what it is made of.
        """
        around = (
            read(wanted[0], self.paths[0], x.shape[-2], 2**LEVELS),
            read(wanted[1], self.paths[1], x.shape[-1], 2**LEVELS),
        )
        x, wanted = x[..., *around], within(wanted, around)
        up = [wanted[0]] if self.upward else strips(wanted[0], x)
        return self._in_pieces(x, wanted, strips(everywhere(x)[0], x), up)

    def _in_pieces(self, x: Tensor, wanted: Part, down: list[slice], up: list[slice]) -> Tensor:
        """The result at `wanted`; at full size, all rows in the pieces `down` enter, and those of `wanted` in the pieces `up` leave."""
        y = pooled_first(lambda image: self.get_submodule("enc1")(self.intro(image)), self._pool, x, down, upward=self.upward)
        y, skips = encoded(lambda level, features: self.get_submodule(f"enc{level}")(features), self._pool, y)

        def stage(level: int, y: Tensor, around: Part) -> Tensor:
            skip = x if level == 1 else skips.pop()
            return self.get_submodule(f"dec{level}").doubled(y, skip[..., *around])  # type: ignore[operator]

        return decoded(stage, y, wanted, up, (x.shape[-2], x.shape[-1]), upward=self.upward)

    def _pool(self, x: Tensor) -> Tensor:
        if self.upward and can_fuse(x):
            # The same without a copy: pooling's own padding is less than any value, where a row of zeros must count.
            y = F.max_pool2d(x, 2, padding=(1, 0))[..., : x.shape[-2] // 2, :]
            y[..., :1, :].clamp_(min=0)
            return y
        return halved(move(x, DOWN, 1) if self.upward else x)


def mark_last(stage: nn.Module) -> None:
    """Declare the last convolution of `stage` the last of the whole network."""
    *_, last = (module for module in stage.modules() if isinstance(module, Convolution))
    last.is_last = True


def start_kaiming(network: nn.Module) -> None:
    """The published start of the AT-BSN family: Kaiming's normal weights for its leaky ReLU, zero biases."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=SLOPE)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
