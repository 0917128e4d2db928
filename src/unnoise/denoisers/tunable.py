"""Denoisers whose blind spot is chosen at each call: four half-planes, moved off the pixel and joined by 1×1 convolutions.

What AT-BSN and TM-BSN have in common. Neither the trunk nor, since a 1×1 convolution commutes with a move, the first of the 1×1
convolutions depends on the blind spot: both are computed once for any number of them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.base import Blindness, Denoiser
from unnoise.errors import UsageError
from unnoise.layers import triton as kernels
from unnoise.layers.fused_convolution import (
    Activation,
    activate,
    can_fuse,
    can_fuse_on_cpu,
    convolve,
    convolve_with,
    working_type,
)
from unnoise.layers.output_layer import last_layer
from unnoise.layers.partial.halo_crop import everywhere
from unnoise.layers.partial.row_chunks import is_as_if_large, joined
from unnoise.layers.polyphase import pad_to_multiple
from unnoise.layers.rotations import add_window, offset, put_window, window
from unnoise.layers.weight_cache import prepare_weights
from unnoise.regions import Region

STRIP = {"cpu": 2**21, "other": 2**26}
"""Values in one map of the head at a time, by kind of device. The head works in strips of rows, as it is the widest part of
the network: in one piece it would take some kilobytes for each pixel, and the processor's caches would be no help."""


class Piece(NamedTuple):
    """Features of a part of the picture, and the direction in which they are moved."""

    direction: int
    features: Tensor
    """Upright, (B, F, h, w)."""
    top: int = 0
    """The picture's row that their first one belongs to; beyond them lies nothing but what is not needed, or zeros."""
    left: int = 0


class TunableDenoiser(Denoiser):
    """A network called as ``network(x, blind_spot=k)``, (B, channels, H, W) → the same shape, for any H, W ≥ 1.

    Args:
        channels: of the image.
        pieces: in how many pieces of F features the trunk's results enter the first 1×1 convolution.
        features: F.
        middle: width of the second 1×1 convolution.
        blind_spot: the size that a call without one takes; at least 1.
    """

    blindness: ClassVar[Blindness] = "strict"
    has_tunable_blind_spot: ClassVar[bool] = True
    activation: ClassVar[Activation]
    """What follows nin_A and nin_B."""
    slope: ClassVar[float] = 0.0
    """Of the activation, where it has one."""

    def __init__(self, channels: int, pieces: int, features: int, middle: int, blind_spot: int) -> None:
        super().__init__()
        if self.blind_spot_shift(blind_spot) < 1:
            raise ValueError(f"The network's own blind_spot must be at least 1, got {blind_spot}; 0 can be given at a call.")
        self.blind_spot = blind_spot
        self.nin_A = nn.Conv2d(pieces * features, pieces * features, 1)
        self.nin_B = nn.Conv2d(pieces * features, middle, 1)
        self.nin_C = nn.Conv2d(middle, channels, 1)

    @staticmethod
    @abstractmethod
    def blind_spot_shift(size: int, /) -> int:
        """By how many pixels the features are moved for a blind spot of this size. Raises UsageError where there is none."""

    @abstractmethod
    def pieces(self, x: Tensor, places: Sequence[Region] | None = None) -> list[Piece]:
        """The trunk's results for (B, channels, H, W), sides dividing by `multiple`, in the order of nin_A's input.

        Args:
            x: the picture.
            places: for each of the four directions, where its results are needed at least; None: everywhere.
        """

    def forward(self, x: Tensor, blind_spot: int | None = None, *, region: Region | None = None) -> Tensor:
        """Restore `x` without looking at the blind spot of each pixel; `blind_spot` = 0 is not blind.

        Args:
            x: (B, channels, H, W) in `value_range`.
            blind_spot: None: the network's own.
            region: the rows and columns of the result that are returned; None: all.

        Raises:
            UsageError: for a size that the network cannot take.
        """
        return self.forward_blind_spots(x, [self.blind_spot if blind_spot is None else blind_spot], region=region)[0]

    def forward_region(self, x: Tensor, region: Region) -> Tensor:
        result: Tensor = self(x, region=region)
        return result

    def holes(self, x: Tensor, blind_spots: Sequence[int], *, region: Region | None = None) -> Tensor:
        """The same as `forward_blind_spots`, by its promised older name."""
        return self.forward_blind_spots(x, blind_spots, region=region)

    def forward_blind_spots(self, x: Tensor, sizes: Sequence[int], *, region: Region | None = None) -> Tensor:
        """The results for K blind spots at once, (K, B, channels, H, W), for little more than the work of one.

        Args:
            x: (B, channels, H, W) in `value_range`.
            sizes: of the blind spots, K ≥ 1.
            region: the rows and columns of the results that are returned; None: all.

        Raises:
            UsageError: for a size that the network cannot take.
        """
        if not sizes:
            raise UsageError("Give at least one blind spot.")
        distances = [self.blind_spot_shift(size) for size in sizes]
        padded = pad_to_multiple(x, self.size_multiple)
        # On a CPU even all of it is better worked out as a part, which takes less memory.
        wanted_apart = region is not None and (region != everywhere(x) or can_fuse_on_cpu(x))
        places = [_origin(region, d, distances, everywhere(padded)) for d in range(4)] if region and wanted_apart else None
        pieces = self.pieces(padded, places)
        rows, columns = region or everywhere(x)
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            # For the gradient everything is kept anyway; and an exported graph has no loops.
            return self._strip(x, pieces, distances, (rows, columns))
        budget = STRIP.get(x.device.type, STRIP["other"]) // (16 if is_as_if_large() else 1)
        step = max(1, budget // (x.shape[0] * (columns.stop - columns.start) * self.nin_A.out_channels))
        strips = [slice(top, min(top + step, rows.stop)) for top in range(rows.start, rows.stop, step)]
        return joined([self._strip(x, pieces, distances, (strip, columns)) for strip in strips])

    def _strip(self, image: Tensor, pieces: list[Piece], distances: list[int], place: Region) -> Tensor:
        """All results at a place, (K, B, channels, rows, columns)."""
        results, near = [], image[..., *place]
        for x in self._mixed(pieces, distances, place):
            x = convolve(self.nin_B, x, self.activation, slope=self.slope)
            results.append(last_layer(self.nin_C, x, near))
        return torch.stack(results)

    def _mixed(self, pieces: list[Piece], distances: list[int], place: Region) -> Iterator[Tensor]:
        """What nin_A and the activation make of the moved pieces at a place, for one distance after the other.

        (B, F·pieces, rows, columns) each.
        """
        top, left = place[0].start, place[1].start
        rows, columns = place[0].stop - top, place[1].stop - left

        def at(piece: Piece, distance: int) -> tuple[int, int]:
            """The row and column of the piece, counted from its own first ones, that a move brings to the first of the place."""
            down, right = offset(piece.direction, distance)
            return top - down - piece.top, left - right - piece.left

        if len(distances) == 1:
            placed = [(piece.features, *at(piece, distances[0])) for piece in pieces]
            yield convolve(self.nin_A, _side_by_side(placed, rows, columns), self.activation, slope=self.slope)
            return
        # One product for each direction; then only sums are left to do.
        bias = self.nin_A.bias
        assert bias is not None
        products = self._products(pieces, distances, place[0])
        if can_fuse(products[0].features) and kernels.can_run(products[0].features):
            from unnoise.layers.triton.moved_sums import sum_moved

            for distance in distances:
                maps = [(product.features, *at(product, distance)) for product in products]
                yield sum_moved(maps, bias, rows, columns, self.activation, self.slope)
            return
        start = bias[:, None, None].expand(len(pieces[0].features), -1, rows, columns)
        for distance in distances:
            total = start.clone(memory_format=torch.channels_last)  # and not the bias itself, which a single pixel would be
            for product in products:
                add_window(total, product.features, *at(product, distance))
            yield activate(total, self.activation, self.slope)

    def _products(self, pieces: list[Piece], distances: list[int], rows: slice) -> list[Piece]:
        """For each direction, nin_A's part of the rows that some distance brings to `rows`, (B, F·pieces, h, w) each."""
        products = []
        for direction in range(4):
            mine = [place for place, piece in enumerate(pieces) if piece.direction == direction]
            _, first, top, left = pieces[mine[0]]
            downs = [offset(direction, distance)[0] for distance in distances]
            needed = _before(rows, downs, slice(top, top + first.shape[-2]))
            features = torch.cat(
                [pieces[place].features[..., needed.start - top : needed.stop - top, :] for place in mine], dim=1
            )
            product = self._product(features, mine, len(pieces))
            if not (can_fuse(features) and kernels.can_run(features)):
                # Many sums follow, in float32 at least: faster than those of bfloat16, and nothing is rounded on the way.
                product = product.to(self.nin_A.weight.dtype)
            products.append(Piece(direction, product, needed.start, left))
        return products

    def _product(self, features: Tensor, mine: list[int], count: int) -> Tensor:
        """nin_A of some of its `count` pieces, without the bias, (B, F·len(mine), h, W) → (B, F·count, h, W)."""

        def kernel() -> Tensor:
            return torch.cat([self.nin_A.weight.chunk(count, dim=1)[place] for place in mine], dim=1)

        if not can_fuse(features):
            return F.conv2d(features, kernel())
        return convolve_with(
            features, *prepare_weights(self.nin_A, f"pieces {mine}", working_type(features), lambda: (kernel(), None))
        )


def _origin(place: Region, direction: int, distances: list[int], bounds: Region) -> Region:
    """Where within `bounds` lies what moves by these distances bring to a place; of one that gets zeros alone, a pixel of no matter."""
    downs, rights = zip(*(offset(direction, distance) for distance in distances), strict=True)
    return _before(place[0], downs, bounds[0]), _before(place[1], rights, bounds[1])


def _before(stretch: slice, moves: Sequence[int], bounds: slice) -> slice:
    """Which rows, or columns, within `bounds` the moves bring to a stretch of them; one at least."""
    first = min(max(bounds.start, stretch.start - max(moves)), bounds.stop - 1)
    return slice(first, max(min(bounds.stop, stretch.stop - min(moves)), first + 1))


def _side_by_side(pieces: list[tuple[Tensor, int, int]], rows: int, width: int) -> Tensor:
    """The windows of rows × width of all pieces (B, F, H, W), each from its own top and left: (B, F·pieces, rows, width)."""
    first = pieces[0][0]
    if not can_fuse(first):
        return torch.cat([window(x, top, left, rows, width) for x, top, left in pieces], dim=1)
    joined = first.new_zeros(len(first), rows, width, first.shape[1] * len(pieces)).permute(0, 3, 1, 2)  # channels last
    for part, (x, top, left) in zip(joined.chunk(len(pieces), dim=1), pieces, strict=True):
        put_window(part, x, top, left)
    return joined
