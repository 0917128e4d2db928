"""TM-BSN, which hides a diamond around each pixel, and its student, which is not blind.

"TM-BSN: Triangular-Masked Blind-Spot Network for Self-Supervised Real-World Image Denoising", CVPR 2026. Demosaicing
spreads the noise of a pixel over a diamond, so the blind spot is a diamond.

Why it is blind: every 3×3 kernel keeps only its upper triangle and the diagonal. So an output depends only on inputs r
rows and c columns away with c − r ≥ 0. Shifted down by s rows, or left by s columns, it depends on those with c − r ≥
s. In four rotations, the pixels with |r| + |c| < s are seen by none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.tunable import DirectionalFeatures, TunableDenoiser
from unnoise.errors import UsageError
from unnoise.layers.fused_convolution import convolve
from unnoise.layers.leaky_convolution import LeakyConvolution, initialize_kaiming
from unnoise.layers.output_layer import output_convolution
from unnoise.layers.partial.halo_crop import POOLING_LEVELS, full_region, max_pool, row_strips, run_decoder
from unnoise.layers.partial.row_chunks import concatenate_rows
from unnoise.layers.receptive_field import kernel_span, receptive_field_radius, upsampling_span
from unnoise.layers.reflection_padding import pad_to_multiple_reflect
from unnoise.layers.rotations import run_in_four_rotations, run_regions_in_four_rotations
from unnoise.regions import Region, dilate, relative_to


class TriangularConv2d(nn.Conv2d):
    """A 3×3 convolution with the upper triangle and the diagonal of its kernel: (B, C, H, W) → (B, C', H, W)."""

    mask: Tensor

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)
        self.register_buffer("mask", torch.ones(3, 3).triu(), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        return F.conv2d(input, self.weight * self.mask, self.bias, padding=1)


class ResidualBlock(nn.Module):
    """x + convolution(ReLU(convolution(x))), (B, F, H, W) → (B, F, H, W)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = TriangularConv2d(features, features)
        self.conv2 = TriangularConv2d(features, features)

    def forward(self, x: Tensor, *, inplace: bool = False) -> Tensor:
        """With `inplace` the result overwrites x."""
        return convolve(self.conv2, convolve(self.conv1, x, "relu"), plus=x, inplace=inplace)


class Group(nn.Module):
    """x + convolution(blocks(x)), (B, F, H, W) → (B, F, H, W)."""

    def __init__(self, features: int, blocks: int) -> None:
        super().__init__()
        self.res_blocks = nn.Sequential(*(ResidualBlock(features) for _ in range(blocks)))
        self.conv_out = TriangularConv2d(features, features)
        self.convolutions = 2 * blocks + 1
        """In sequence."""

    def forward(self, x: Tensor, *, inplace: bool = False) -> Tensor:
        """With `inplace` the result overwrites x."""
        y = x
        for block in self.res_blocks:
            y = block(y, inplace=y is not x)
        return convolve(self.conv_out, y, plus=x, inplace=inplace)


class TriangularTrunk(nn.Module):
    """(B, channels, H, W) → (B, F, H, W). Each output depends on one side of the diagonal through it."""

    def __init__(self, channels: int, features: int, groups: int, blocks: int) -> None:
        super().__init__()
        self.conv1 = TriangularConv2d(channels, features)
        self.RIR_blocks = nn.Sequential(*(Group(features, blocks) for _ in range(groups)))
        self.conv2 = TriangularConv2d(features, features)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_region(x, full_region(x))

    def forward_region(self, x: Tensor, region: Region) -> Tensor:
        """`Denoiser.forward_region`, with no more halo for each group than the convolutions after it need."""
        size = x.shape[-2], x.shape[-1]
        to_come = 1 + sum(group.convolutions for group in self.groups)
        seen, start = dilate(region, to_come + 1, size), dilate(region, to_come, size)
        first = y = convolve(self.conv1, x[..., *seen])[..., *relative_to(start, seen)]
        around = start
        for group in self.groups:
            to_come -= group.convolutions
            inner = dilate(region, to_come, size)
            y = group(y, inplace=y is not first)[..., *relative_to(inner, around)]
            around = inner
        return convolve(self.conv2, y, plus=first[..., *relative_to(around, start)])[..., *relative_to(region, around)]

    @property
    def groups(self) -> list[Group]:
        return [group for group in self.RIR_blocks if isinstance(group, Group)]


class TMBSN(TunableDenoiser):
    """TM-BSN, (B, channels, H, W) → the same shape, values in [0, 1]. 1.35 million parameters at full size.

    Strictly blind to the diamond of pixels fewer than s steps away, s = `blind_spot` ≥ 1. At s = 1 this is the pixel
    alone. With ``blind_spot=0`` at a call the network is not blind. Any sides, without padding, since nothing is
    pooled.

    Args:
        channels: of the image.
        features: width of the trunk (48 in the paper).
        groups: groups of residual blocks (5 in the paper).
        blocks: blocks in each group (5 in the paper).
        blind_spot: s where a call gives none. The paper trains with 5 and restores with 4.

    Example:
        >>> network = TMBSN(features=4, groups=1, blocks=1)
        >>> network(torch.rand(1, 3, 9, 7), blind_spot=2).shape
        torch.Size([1, 3, 9, 7])
    """

    value_range = (0.0, 1.0)
    activation = "relu"
    halo_relative_cost = 0.5  # the first layers compute all of the halo, the last ones none of it

    def __init__(self, channels: int = 3, features: int = 48, groups: int = 5, blocks: int = 5, blind_spot: int = 4) -> None:
        super().__init__(channels, pieces=8, features=features, middle=2 * features, blind_spot=blind_spot)
        self.sizes = {"channels": channels, "features": features, "groups": groups, "blocks": blocks, "blind_spot": blind_spot}
        self.unet = TriangularTrunk(channels, features, groups, blocks)

    @staticmethod
    def blind_spot_shift(size: int, /) -> int:
        """s pixels.

        Raises:
            UsageError: for a negative size.
        """
        if size < 0:
            raise UsageError(f"The blind spot of TM-BSN is 0 or the steps to its edge, at least 1; got {size}.")
        return size

    @property
    def receptive_field_radius(self) -> int:
        """One pixel for each 3×3 convolution, and the network's own blind spot."""
        convolutions: int = 2 + self.sizes["groups"] * (2 * self.sizes["blocks"] + 1)
        return convolutions + self.blind_spot_shift(self.blind_spot)

    def pieces(self, x: Tensor, places: Sequence[Region] | None = None) -> list[DirectionalFeatures]:
        # Each rotation's features are shifted down and shifted left. "Left" of one rotation is "down" of the one
        # before.
        if places is None:
            return [
                DirectionalFeatures(direction, features)
                for turn, features in enumerate(run_in_four_rotations(self.unet, x))
                for direction in (turn, (turn - 1) % 4)
            ]
        place = _bounding_region(places)
        results = run_regions_in_four_rotations(self.unet.forward_region, x, [place] * 4)
        return [
            DirectionalFeatures(direction, features, place[0].start, place[1].start)
            for turn, features in enumerate(results)
            for direction in (turn, (turn - 1) % 4)
        ]

    def initialize_he(self) -> None:
        """He-normal weights, with zeros for the last layer of each block and group. Otherwise the variance would grow
        with each."""
        super().initialize_he()
        for module in self.modules():
            if isinstance(module, ResidualBlock):
                nn.init.zeros_(module.conv2.weight)
            elif isinstance(module, Group):
                nn.init.zeros_(module.conv_out.weight)

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `unet.conv1.weight` (F, C, 3, 3) and the numbers of groups and blocks. No weight tells the blind
        spot."""
        first = weights.get("unet.conv1.weight")
        pattern = re.compile(r"unet\.RIR_blocks\.(\d+)\.res_blocks\.(\d+)\.conv1\.weight")
        found = [match for key in weights if (match := pattern.fullmatch(key))]
        if first is None or not found:
            return None
        groups, blocks = (1 + max(int(match[place]) for match in found) for place in (1, 2))
        return {"channels": first.shape[1], "features": first.shape[0], "groups": groups, "blocks": blocks}


def _bounding_region(places: Sequence[Region]) -> Region:
    """The smallest region that holds all regions, since all features of a direction must begin at the same pixel."""
    rows, columns = (
        slice(min(stretch.start for stretch in axis), max(stretch.stop for stretch in axis))
        for axis in zip(*places, strict=True)
    )
    return rows, columns


class TMBSNStudent(Denoiser):
    """The student of TM-BSN (D), (B, channels, H, W) → the same shape, values in [0, 1]. Not blind. 1.02 million
    parameters.

    A U-Net with one 3×3 convolution at each of six encoder scales and two at each of five decoder scales. The skips are
    the features *before* pooling. Sides that do not divide by 32 are padded by reflection, and the result is cropped.

    Args:
        channels: of the image.
        width: of the encoder; the decoder is twice as wide (48 in the paper).
        finest: width of the decoder at full size, where most of the time goes; None: as wide as the rest, as in the
            paper.

    Example:
        >>> TMBSNStudent(width=4)(torch.rand(1, 3, 40, 33)).shape
        torch.Size([1, 3, 40, 33])
    """

    value_range = (0.0, 1.0)
    quantized_form = "tmbsn-student-rounded"
    padding_mode = "reflect"
    size_multiple: ClassVar[int] = 2**POOLING_LEVELS
    """Such sides need no padding, and tiles that begin at its multiples pool the same pixels."""

    halo_relative_cost = 0.09  # the encoder, with one layer at full size

    def __init__(self, channels: int = 3, width: int = 48, finest: int | None = None) -> None:
        super().__init__()
        wide = 2 * width
        finest = finest or wide
        self.sizes = {"channels": channels, "width": width, "finest": finest}
        for level in range(1, POOLING_LEVELS + 2):
            self.add_module(f"enc{level}", self.convolution(channels if level == 1 else width, width, first=level == 1))
        for level in range(POOLING_LEVELS, 0, -1):
            out_channels = wide if level > 1 else finest
            in_channels = (width if level == POOLING_LEVELS else wide) + width
            self.add_module(f"dec{level}_2", self.convolution(in_channels, out_channels, last=level == 1))
            if level > 1:
                self.add_module(f"dec{level}_1", self.convolution(wide, wide))
        self.dec1_1 = nn.Conv2d(finest, channels, 3, padding=1)
        initialize_kaiming(self)

    def convolution(self, in_channels: int, out_channels: int, *, first: bool = False, last: bool = False) -> LeakyConvolution:
        """A hidden layer.

        Args:
            in_channels, out_channels: of the layer.
            first: its input is the image.
            last: the network's last layer follows.
        """
        layer = LeakyConvolution(in_channels, out_channels)
        layer.is_first = first
        return layer

    @property
    def receptive_field_radius(self) -> int:
        """Down to the sixth encoder scale, at 1/32 of the resolution, and up again."""
        convolution, pool = kernel_span(1, 1), kernel_span(0, 1, 2)
        path = (
            [convolution, convolution, upsampling_span()] * POOLING_LEVELS
            + [convolution]
            + [pool, convolution] * POOLING_LEVELS
        )
        return receptive_field_radius(path, self.size_multiple)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_region(x, full_region(x))

    def forward_region(self, x: Tensor, region: Region) -> Tensor:
        """`Denoiser.forward_region`: in the decoder each scale has only the halo that the next one needs.

        On a CPU the full size, whose features are most of the memory, is computed in strips of rows.
        """
        x = pad_to_multiple_reflect(x, self.size_multiple)
        rows, columns = full_region(x)
        pieces = self.row_strips(rows, x)
        first = self.first(x, pieces)
        y = concatenate_rows([max_pool(first((piece, columns))) for piece in pieces])  # (B, width, H/2, W/2)
        skips = []
        for level in range(2, POOLING_LEVELS + 2):
            y = max_pool(y) if level > 2 else y
            y = self.get_submodule(f"enc{level}")(y)  # (B, width, H/2^(level − 1), W/2^(level − 1))
            skips.append(y)
        skips.pop()

        def stage(level: int, y: Tensor, around: Region) -> Tensor:
            skip = first(around) if level == 1 else skips.pop()[..., *around]
            y = self.get_submodule(f"dec{level}_2").forward_upsampled(y, skip)  # type: ignore[operator]
            return output_convolution(self.dec1_1, y, x[..., *around]) if level == 1 else self.get_submodule(f"dec{level}_1")(y)

        return run_decoder(stage, y, region, self.row_strips(region[0], x), (rows.stop, columns.stop))

    def row_strips(self, rows: slice, x: Tensor) -> list[slice]:
        """Rows at full size, in the strips that are computed one after the other."""
        return row_strips(rows, x)

    def first(self, x: Tensor, pieces: Sequence[slice]) -> Callable[[Region], Tensor]:
        """The first convolution's features of any region, (B, width, rows, columns).

        If there are several strips, the features are computed when asked for. That is twice, but cheap, and never all
        at once.
        """
        if len(pieces) == 1:
            return region_reader(self.get_submodule("enc1")(x))

        def at(place: Region) -> Tensor:
            around = dilate(place, 1, (x.shape[-2], x.shape[-1]))
            features: Tensor = self.get_submodule("enc1")(x[..., *around])
            return features[..., *relative_to(place, around)]

        return at

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `enc1.conv.weight` (width, C, 3, 3) and `dec1_1.weight` (C, finest, 3, 3)."""
        first, last = weights.get("enc1.conv.weight"), weights.get("dec1_1.weight")
        if first is None or last is None or "enc1.log_maximum" in weights or "enc1.top" in weights:  # a quantized student
            return None
        return {"channels": first.shape[1], "width": first.shape[0], "finest": last.shape[1]}


def region_reader(x: Tensor) -> Callable[[Region], Tensor]:
    """A function that gives any region of x."""
    return lambda place: x[..., *place]
