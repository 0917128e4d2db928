"""TM-BSN: a residual net that sees one side of a diagonal, in four turns, and a diamond as blind spot; and its student.

"TM-BSN: Triangular-Masked Blind-Spot Network for Self-Supervised Real-World Image Denoising", CVPR 2026. Demosaicing spreads
the noise of a pixel over a diamond, so a diamond is what has to be hidden.

Why it is blind: every 3×3 kernel keeps its upper triangle with the diagonal, so an output depends on the inputs at rows r and
columns c away with c − r ≥ 0 alone. Moved down by s rows or left by s columns, c − r ≥ s is left. With the four turns, what no
direction sees is |r| + |c| < s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.tunable import Piece, TunableDenoiser
from unnoise.errors import UsageError
from unnoise.layers.fused_convolution import convolve
from unnoise.layers.leaky_convolution import Convolution, start_kaiming
from unnoise.layers.output_layer import last_layer
from unnoise.layers.partial.halo_crop import LEVELS, decoded, everywhere, halved, strips
from unnoise.layers.partial.row_chunks import joined
from unnoise.layers.receptive_field import doubling, reach_through, window
from unnoise.layers.reflection_padding import pad_to_multiple_reflect
from unnoise.layers.rotations import in_four_turns, parts_in_four_turns
from unnoise.regions import Region, dilate, relative_to


class TriangularConv2d(nn.Conv2d):
    """A 3×3 convolution, (B, C, H, W) → (B, C', H, W), of which only the upper triangle with the diagonal takes part."""

    mask: Tensor

    def __init__(self, entering: int, leaving: int) -> None:
        super().__init__(entering, leaving, 3, padding=1)
        self.register_buffer("mask", torch.ones(3, 3).triu(), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        return F.conv2d(input, self.weight * self.mask, self.bias, padding=1)


class ResidualBlock(nn.Module):
    """x + convolution(ReLU(convolution(x))), (B, F, H, W) → (B, F, H, W)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = TriangularConv2d(features, features)
        self.conv2 = TriangularConv2d(features, features)

    def forward(self, x: Tensor, *, own: bool = False) -> Tensor:
        """In the memory of x, where that is the caller's `own`."""
        return convolve(self.conv2, convolve(self.conv1, x, "relu"), plus=x, own=own)


class Group(nn.Module):
    """x + convolution(blocks(x)), (B, F, H, W) → (B, F, H, W)."""

    def __init__(self, features: int, blocks: int) -> None:
        super().__init__()
        self.res_blocks = nn.Sequential(*(ResidualBlock(features) for _ in range(blocks)))
        self.conv_out = TriangularConv2d(features, features)
        self.convolutions = 2 * blocks + 1
        """One after the other."""

    def forward(self, x: Tensor, *, own: bool = False) -> Tensor:
        """In the memory of x, where that is the caller's `own`."""
        y = x
        for block in self.res_blocks:
            y = block(y, own=y is not x)
        return convolve(self.conv_out, y, plus=x, own=own)


class TriangularTrunk(nn.Module):
    """(B, channels, H, W) → (B, F, H, W), each output seeing one side of the diagonal through itself."""

    def __init__(self, channels: int, features: int, groups: int, blocks: int) -> None:
        super().__init__()
        self.conv1 = TriangularConv2d(channels, features)
        self.RIR_blocks = nn.Sequential(*(Group(features, blocks) for _ in range(groups)))
        self.conv2 = TriangularConv2d(features, features)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_region(x, everywhere(x))

    def forward_region(self, x: Tensor, region: Region) -> Tensor:
        """`Denoiser.forward_region`: no group works further around what is region than the convolutions after it see."""
        size = x.shape[-2], x.shape[-1]
        to_come = 1 + sum(group.convolutions for group in self.groups)
        seen, start = dilate(region, to_come + 1, size), dilate(region, to_come, size)
        first = y = convolve(self.conv1, x[..., *seen])[..., *relative_to(start, seen)]
        around = start
        for group in self.groups:
            to_come -= group.convolutions
            inner = dilate(region, to_come, size)
            y = group(y, own=y is not first)[..., *relative_to(inner, around)]
            around = inner
        return convolve(self.conv2, y, plus=first[..., *relative_to(around, start)])[..., *relative_to(region, around)]

    @property
    def groups(self) -> list[Group]:
        return [group for group in self.RIR_blocks if isinstance(group, Group)]


class TMBSN(TunableDenoiser):
    """TM-BSN, (B, channels, H, W) → the same shape, values in [0, 1]. 1.35 million parameters at full size.

    Strictly blind to the diamond of the pixels fewer than s steps along rows and columns away, s = `blind_spot` ≥ 1 (the pixel
    alone at s = 1); ``blind_spot=0`` at a call is not blind. Any sides, without padding: nothing is pooled.

    Args:
        channels: of the image.
        features: width of the trunk (48 in the paper).
        groups: of residual blocks (5 in the paper).
        blocks: in each group (5 in the paper).
        blind_spot: s where a call gives none. The paper trains at 5 and restores at 4.
    """

    value_range = (0.0, 1.0)
    activation = "relu"
    halo_relative_cost = 0.5  # the first layers see all of it, the last ones nothing

    def __init__(self, channels: int = 3, features: int = 48, groups: int = 5, blocks: int = 5, blind_spot: int = 4) -> None:
        super().__init__(channels, pieces=8, features=features, middle=2 * features, blind_spot=blind_spot)
        self.sizes = {"channels": channels, "features": features, "groups": groups, "blocks": blocks, "blind_spot": blind_spot}
        self.unet = TriangularTrunk(channels, features, groups, blocks)

    @staticmethod
    def blind_spot_shift(size: int, /) -> int:
        """s pixels."""
        if size < 0:
            raise UsageError(f"The blind spot of TM-BSN is 0 or the steps to its edge, at least 1; got {size}.")
        return size

    @property
    def receptive_field_radius(self) -> int:
        """One pixel for each 3×3 convolution, and the network's own blind spot."""
        convolutions: int = 2 + self.sizes["groups"] * (2 * self.sizes["blocks"] + 1)
        return convolutions + self.blind_spot_shift(self.blind_spot)

    def pieces(self, x: Tensor, places: Sequence[Region] | None = None) -> list[Piece]:
        # Each turn's features are moved down and moved left; "left" of a turn points where "down" of the turn before does.
        if places is None:
            return [
                Piece(direction, features)
                for turn, features in enumerate(in_four_turns(self.unet, x))
                for direction in (turn, (turn - 1) % 4)
            ]
        place = _around(places)
        results = parts_in_four_turns(self.unet.forward_region, x, [place] * 4)
        return [
            Piece(direction, features, place[0].start, place[1].start)
            for turn, features in enumerate(results)
            for direction in (turn, (turn - 1) % 4)
        ]

    def initialize_he(self) -> None:
        """He-normal weights, with zeros for the last layer of each block and group: without a norm their sum would grow with each."""
        super().initialize_he()
        for module in self.modules():
            if isinstance(module, ResidualBlock):
                nn.init.zeros_(module.conv2.weight)
            elif isinstance(module, Group):
                nn.init.zeros_(module.conv_out.weight)

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `unet.conv1.weight` (F, C, 3, 3) and the numbers of groups and blocks. The blind spot is no weight."""
        first = weights.get("unet.conv1.weight")
        pattern = re.compile(r"unet\.RIR_blocks\.(\d+)\.res_blocks\.(\d+)\.conv1\.weight")
        found = [match for key in weights if (match := pattern.fullmatch(key))]
        if first is None or not found:
            return None
        groups, blocks = (1 + max(int(match[place]) for match in found) for place in (1, 2))
        return {"channels": first.shape[1], "features": first.shape[0], "groups": groups, "blocks": blocks}


def _around(places: Sequence[Region]) -> Region:
    """The least part that holds all: they lie a blind spot from one another, and a direction's pieces must all begin at one pixel."""
    rows, columns = (
        slice(min(stretch.start for stretch in axis), max(stretch.stop for stretch in axis))
        for axis in zip(*places, strict=True)
    )
    return rows, columns


class TMBSNStudent(Denoiser):
    """The student of TM-BSN (D), (B, channels, H, W) → the same shape, values in [0, 1]. Not blind. 1.02 million parameters.

    A U-Net with one 3×3 convolution at each of six scales going down and two at each of five going up, where the features are
    joined with those of that scale *before* pooling. Sides that do not divide by 32 are padded by reflection and the result is
    cropped.

    Args:
        channels: of the image.
        width: of the encoder; the decoder is twice as wide (48 in the paper).
        finest: of the decoder at full size, where most of the time goes; None: as wide as the rest of it, as in the paper.
    """

    value_range = (0.0, 1.0)
    size_multiple: ClassVar[int] = 2**LEVELS
    """Sides that divide by it need no padding, and tiles cut at its multiples pool the same pixels together."""

    halo_relative_cost = 0.09  # the encoder, of whose layers one alone is at full size

    def __init__(self, channels: int = 3, width: int = 48, finest: int | None = None) -> None:
        super().__init__()
        wide = 2 * width
        finest = finest or wide
        self.sizes = {"channels": channels, "width": width, "finest": finest}
        for level in range(1, LEVELS + 2):
            self.add_module(f"enc{level}", self.convolution(channels if level == 1 else width, width, first=level == 1))
        for level in range(LEVELS, 0, -1):
            leaving = wide if level > 1 else finest
            entering = (width if level == LEVELS else wide) + width
            self.add_module(f"dec{level}_2", self.convolution(entering, leaving, last=level == 1))
            if level > 1:
                self.add_module(f"dec{level}_1", self.convolution(wide, wide))
        self.dec1_1 = nn.Conv2d(finest, channels, 3, padding=1)
        start_kaiming(self)

    def convolution(self, entering: int, leaving: int, *, first: bool = False, last: bool = False) -> Convolution:
        """A hidden layer.

        Args:
            entering, leaving: numbers of features.
            first: it sees the image itself.
            last: the network's last layer sees it.
        """
        layer = Convolution(entering, leaving)
        layer.is_first = first
        return layer

    @property
    def receptive_field_radius(self) -> int:
        """Down to the sixth encoder at a thirty-second of the resolution and up again."""
        convolution, pool = window(1, 1), window(0, 1, 2)
        path = [convolution, convolution, doubling()] * LEVELS + [convolution] + [pool, convolution] * LEVELS
        return reach_through(path, self.size_multiple)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_region(x, everywhere(x))

    def forward_region(self, x: Tensor, region: Region) -> Tensor:
        """`Denoiser.forward_region`: on the way up each scale has only the halo that the next one needs.

        On a CPU the full size, whose features are most of all memory, is worked out in strips of rows.
        """
        x = pad_to_multiple_reflect(x, self.size_multiple)
        rows, columns = everywhere(x)
        pieces = self.strips(rows, x)
        first = self.first(x, pieces)
        y = joined([halved(first((piece, columns))) for piece in pieces])  # (B, width, H/2, W/2)
        skips = []
        for level in range(2, LEVELS + 2):
            y = halved(y) if level > 2 else y
            y = self.get_submodule(f"enc{level}")(y)  # (B, width, H/2^(level − 1), W/2^(level − 1))
            skips.append(y)
        skips.pop()

        def stage(level: int, y: Tensor, around: Region) -> Tensor:
            skip = first(around) if level == 1 else skips.pop()[..., *around]
            y = self.get_submodule(f"dec{level}_2").doubled(y, skip)  # type: ignore[operator]
            return last_layer(self.dec1_1, y, x[..., *around]) if level == 1 else self.get_submodule(f"dec{level}_1")(y)

        return decoded(stage, y, region, self.strips(region[0], x), (rows.stop, columns.stop))

    def strips(self, rows: slice, x: Tensor) -> list[slice]:
        """`rows` of the full size in the pieces that are worked out one after the other."""
        return strips(rows, x)

    def first(self, x: Tensor, pieces: Sequence[slice]) -> Callable[[Region], Tensor]:
        """The first convolution's features of any place, (B, width, rows, columns).

        Where the rows are worked out in `pieces` they are made when asked for: twice, but never all at once, and that is cheap.
        """
        if len(pieces) == 1:
            return cut(self.get_submodule("enc1")(x))

        def at(place: Region) -> Tensor:
            around = dilate(place, 1, (x.shape[-2], x.shape[-1]))
            features: Tensor = self.get_submodule("enc1")(x[..., *around])
            return features[..., *relative_to(place, around)]

        return at

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `enc1.conv.weight` (width, C, 3, 3), and `dec1_1.weight` (C, finest, 3, 3)."""
        first, last = weights.get("enc1.conv.weight"), weights.get("dec1_1.weight")
        if first is None or last is None or "enc1.top" in weights:  # of which a layer of bytes has one
            return None
        return {"channels": first.shape[1], "width": first.shape[0], "finest": last.shape[1]}


def cut(x: Tensor) -> Callable[[Region], Tensor]:
    """Gives any place of x."""
    return lambda place: x[..., *place]
