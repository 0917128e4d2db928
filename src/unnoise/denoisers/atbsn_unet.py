"""The U-Net of AT-BSN. As the teacher's trunk it sees only upwards; as student c it sees all around.

Chen et al., "Exploring Efficient Asymmetric Blind-Spots for Self-Supervised Denoising in Real-World Scenarios", CVPR
2024.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.layers.fused_convolution import can_fuse
from unnoise.layers.leaky_convolution import LeakyConvolution, initialize_kaiming
from unnoise.layers.partial.halo_crop import (
    POOLING_LEVELS,
    deepest_path,
    full_region,
    input_interval,
    max_pool,
    row_strips,
    run_decoder,
    run_encoder,
    run_first_level,
)
from unnoise.layers.receptive_field import SpanMap, kernel_span
from unnoise.layers.rotations import shift
from unnoise.regions import Region, relative_to

DOWN = 0


class ConvolutionSequence(nn.Sequential):
    """Convolutions in sequence, (B, C, H, W) → (B, C', H, W)."""

    def forward_upsampled(self, x: Tensor, skip: Tensor) -> Tensor:
        """`LeakyConvolution.forward_upsampled` of the first one, then the others."""
        first, *others = self
        x = first.forward_upsampled(x, skip)  # type: ignore[operator]
        for layer in others:
            x = layer(x, skip) if layer.is_last else layer(x)  # in the last one the skip is the image
        return x


class NumberedSequence(ConvolutionSequence):
    """Convolutions in sequence, named conv1, conv2, …."""

    def __init__(self, *widths: int, upward: bool = False, replicate: bool = False) -> None:
        super().__init__()
        for number, (in_channels, out_channels) in enumerate(pairwise(widths), start=1):
            self.add_module(f"conv{number}", LeakyConvolution(in_channels, out_channels, upward=upward, replicate=replicate))


class AsymmetricUNet(nn.Module):
    """(B, channels, H, W) → (B, leaving, H, W), for H and W that divide by 32.

    The encoder has one convolution and a pooling at each scale. The decoder has two convolutions, on features
    concatenated with the *pooled* ones of that scale, and at full size with the image itself.

    Args:
        channels: of the image.
        width: of the encoder; the decoder is twice as wide.
        leaving: channels of the result.
        upward: row i of the output depends only on the input rows up to i.
    """

    def __init__(self, channels: int, width: int, out_channels: int, *, upward: bool) -> None:
        super().__init__()
        self.upward = upward
        self.intro = LeakyConvolution(channels, width, upward=upward)
        for level in range(1, POOLING_LEVELS + 2):
            self.add_module(f"enc{level}", NumberedSequence(width, width, upward=upward))
        wide = 2 * width
        for level in range(POOLING_LEVELS, 0, -1):
            in_channels = width if level == POOLING_LEVELS else wide
            skip, last = (width, wide) if level > 1 else (channels, out_channels)
            self.add_module(f"dec{level}", NumberedSequence(in_channels + skip, wide, last, upward=upward))
        initialize_kaiming(self)

    @property
    def paths(self) -> tuple[list[SpanMap], list[SpanMap]]:
        """The deepest paths from the output to the input, along a column of pixels and along a row."""
        along_row = deepest_path(kernel_span(1, 1), kernel_span(0, 1, 2))
        return deepest_path(kernel_span(2, 0), kernel_span(1, 0, 2)) if self.upward else along_row, along_row

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = full_region(x)
        return self._in_pieces(x, (rows, columns), [rows], [rows])

    def forward_region(self, x: Tensor, region: Region) -> Tensor:
        """The result in one region, (B, leaving, rows, columns), from the part of x that it depends on.

        On a CPU the full size is computed in strips of rows, unless the result is as large as its input.
        """
        around = (
            input_interval(region[0], self.paths[0], x.shape[-2], 2**POOLING_LEVELS),
            input_interval(region[1], self.paths[1], x.shape[-1], 2**POOLING_LEVELS),
        )
        x, region = x[..., *around], relative_to(region, around)
        up = [region[0]] if self.upward else row_strips(region[0], x)
        return self._in_pieces(x, region, row_strips(full_region(x)[0], x), up)

    def _in_pieces(self, x: Tensor, region: Region, down: list[slice], up: list[slice]) -> Tensor:
        """The result in one region. At full size the encoder runs in the strips `down`, the decoder in the strips `up`."""
        y = run_first_level(
            lambda image: self.get_submodule("enc1")(self.intro(image)), self._pool, x, down, upward=self.upward
        )
        y, skips = run_encoder(lambda level, features: self.get_submodule(f"enc{level}")(features), self._pool, y)

        def stage(level: int, y: Tensor, around: Region) -> Tensor:
            skip = x if level == 1 else skips.pop()
            return self.get_submodule(f"dec{level}").forward_upsampled(y, skip[..., *around])  # type: ignore[operator]

        return run_decoder(stage, y, region, up, (x.shape[-2], x.shape[-1]), upward=self.upward)

    def _pool(self, x: Tensor) -> Tensor:
        if self.upward and can_fuse(x):
            # The same without a copy. Pooling pads with minus infinity where a row of zeros must count.
            y = F.max_pool2d(x, 2, padding=(1, 0))[..., : x.shape[-2] // 2, :]
            y[..., :1, :].clamp_(min=0)
            return y
        return max_pool(shift(x, DOWN, 1) if self.upward else x)


def mark_last(stage: nn.Module) -> None:
    """Declare the last convolution of `stage` the network's last layer."""
    *_, last = (module for module in stage.modules() if isinstance(module, LeakyConvolution))
    last.is_last = True
