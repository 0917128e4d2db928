"""The U-Net of AT-BSN: as the teacher's trunk its receptive field points only up, as student c it sees all round.

Chen et al., "Exploring Efficient Asymmetric Blind-Spots for Self-Supervised Denoising in Real-World Scenarios", CVPR 2024.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.layers.fused_convolution import can_fuse
from unnoise.layers.leaky_convolution import Convolution, start_kaiming
from unnoise.layers.partial.halo_crop import (
    LEVELS,
    decoded,
    deepest_path,
    encoded,
    everywhere,
    halved,
    pooled_first,
    read,
    strips,
)
from unnoise.layers.receptive_field import Layer, window
from unnoise.layers.rotations import move
from unnoise.regions import Region, relative_to

DOWN = 0


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

    def forward_region(self, x: Tensor, region: Region) -> Tensor:
        """The result at the rows and columns `region` alone, (B, leaving, rows, columns), from the part of x that it depends on.

        On a CPU the full size is worked out in strips of rows, but for a result that is as large as what it is made of.
        """
        around = (
            read(region[0], self.paths[0], x.shape[-2], 2**LEVELS),
            read(region[1], self.paths[1], x.shape[-1], 2**LEVELS),
        )
        x, region = x[..., *around], relative_to(region, around)
        up = [region[0]] if self.upward else strips(region[0], x)
        return self._in_pieces(x, region, strips(everywhere(x)[0], x), up)

    def _in_pieces(self, x: Tensor, region: Region, down: list[slice], up: list[slice]) -> Tensor:
        """The result at `region`; at full size, all rows in the pieces `down` enter, and those of `region` in the pieces `up` leave."""
        y = pooled_first(lambda image: self.get_submodule("enc1")(self.intro(image)), self._pool, x, down, upward=self.upward)
        y, skips = encoded(lambda level, features: self.get_submodule(f"enc{level}")(features), self._pool, y)

        def stage(level: int, y: Tensor, around: Region) -> Tensor:
            skip = x if level == 1 else skips.pop()
            return self.get_submodule(f"dec{level}").doubled(y, skip[..., *around])  # type: ignore[operator]

        return decoded(stage, y, region, up, (x.shape[-2], x.shape[-1]), upward=self.upward)

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
