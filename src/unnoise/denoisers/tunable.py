"""Denoisers whose blind spot is chosen at each call, as AT-BSN and TM-BSN are.

Their trunk gives features of four half-planes. These are shifted away from the pixel and combined by 1×1 convolutions.
The trunk does not depend on the blind spot. Nor does the first 1×1 convolution, since it commutes with a shift. So both
are computed once for any number of blind spots.
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
    compute_dtype,
    convolve,
    convolve_with_weights,
)
from unnoise.layers.output_layer import output_convolution
from unnoise.layers.partial.halo_crop import full_region
from unnoise.layers.partial.row_chunks import concatenate_rows, is_chunking_forced
from unnoise.layers.polyphase import pad_to_multiple
from unnoise.layers.rotations import add_shifted_window, shift_offset, shifted_window, write_shifted_window
from unnoise.layers.weight_cache import prepare_weights
from unnoise.regions import Region

STRIP_VALUES = {"cpu": 2**21, "other": 2**26}
"""Values of one map in the head's strips, by kind of device.

The head, which is the widest part of the network, runs in strips of rows. As a whole it would take some kilobytes for
each pixel, and would not fit the processor's caches."""


class DirectionalFeatures(NamedTuple):
    """Features of a region of the picture, and the direction in which they are shifted."""

    direction: int
    features: Tensor
    """Upright, (B, F, h, w)."""
    top: int = 0
    """The picture's row of their first row. Beyond the features are zeros, or pixels that nobody needs."""
    left: int = 0
    """The picture's column of their first column."""


class TunableDenoiser(Denoiser):
    """A network called as ``network(x, blind_spot=k)``, (B, channels, H, W) → the same shape, for any H, W ≥ 1.

    Args:
        channels: of the image.
        pieces: how many directional features, of F channels each, enter the first 1×1 convolution.
        features: F.
        middle: width of the second 1×1 convolution.
        blind_spot: the size that a call without one takes, at least 1.

    Raises:
        ValueError: for a blind spot of 0, which only a call may ask for.
    """

    blindness: ClassVar[Blindness] = "strict"
    has_tunable_blind_spot: ClassVar[bool] = True
    activation: ClassVar[Activation]
    """The activation after nin_A and nin_B."""
    slope: ClassVar[float] = 0.0
    """Negative slope of the activation, if it has one."""

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
        """By how many pixels the features are shifted for a blind spot of this size.

        Raises:
            UsageError: for a size that the network cannot take.
        """

    @abstractmethod
    def pieces(self, x: Tensor, places: Sequence[Region] | None = None) -> list[DirectionalFeatures]:
        """The trunk's results for (B, channels, H, W), in the order of nin_A's input.

        Args:
            x: the picture, with sides that divide by `size_multiple`.
            places: for each of the four directions, the region where its results are needed; None: everywhere.
        """

    def forward(self, x: Tensor, blind_spot: int | None = None, *, region: Region | None = None) -> Tensor:
        """Restore x without looking at the blind spot of each pixel. With `blind_spot` = 0 the network is not blind.

        Args:
            x: (B, channels, H, W) in `value_range`.
            blind_spot: its size; None: the network's own.
            region: rows and columns of the result; None: all.

        Returns:
            (B, channels, rows, columns).

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
        """The results for K blind spots at once, for little more than the work of one.

        Args:
            x: (B, channels, H, W) in `value_range`.
            sizes: of the blind spots, K ≥ 1.
            region: rows and columns of the results; None: all.

        Returns:
            (K, B, channels, rows, columns).

        Raises:
            UsageError: for no size, or one that the network cannot take.

        Example:
            >>> from unnoise import denoisers
            >>> network = denoisers.create("tmbsn", features=4, groups=1, blocks=1)
            >>> network.forward_blind_spots(torch.rand(1, 3, 8, 8), [1, 2, 3]).shape
            torch.Size([3, 1, 3, 8, 8])
        """
        if not sizes:
            raise UsageError("Give at least one blind spot.")
        distances = [self.blind_spot_shift(size) for size in sizes]
        padded = pad_to_multiple(x, self.size_multiple)
        # On a CPU the whole result takes less memory when computed as a region.
        by_region = region is not None and (region != full_region(x) or can_fuse_on_cpu(x))
        places = [_source_region(region, d, distances, full_region(padded)) for d in range(4)] if region and by_region else None
        pieces = self.pieces(padded, places)
        rows, columns = region or full_region(x)
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            # The gradient keeps everything anyway, and an exported graph has no loops.
            return self._strip(x, pieces, distances, (rows, columns))
        budget = STRIP_VALUES.get(x.device.type, STRIP_VALUES["other"]) // (16 if is_chunking_forced() else 1)
        step = max(1, budget // (x.shape[0] * (columns.stop - columns.start) * self.nin_A.out_channels))
        strips = [slice(top, min(top + step, rows.stop)) for top in range(rows.start, rows.stop, step)]
        return concatenate_rows([self._strip(x, pieces, distances, (strip, columns)) for strip in strips])

    def _strip(self, image: Tensor, pieces: list[DirectionalFeatures], distances: list[int], place: Region) -> Tensor:
        """All results in one region, (K, B, channels, rows, columns)."""
        results, residual_base = [], self.residual_base(image, place)
        for x in self._mixed(pieces, distances, place):
            x = convolve(self.nin_B, x, self.activation, slope=self.slope)
            results.append(output_convolution(self.nin_C, x, residual_base))
        return torch.stack(results)

    def residual_base(self, image: Tensor, place: Region) -> Tensor | None:
        """What the result in a region is close to, of its shape; see `output_convolution`."""
        return image[..., *place]

    def _mixed(self, pieces: list[DirectionalFeatures], distances: list[int], place: Region) -> Iterator[Tensor]:
        """The result of nin_A and the activation on the shifted features, for one distance after the other: (B,
        F·pieces, rows, columns) each."""
        top, left = place[0].start, place[1].start
        rows, columns = place[0].stop - top, place[1].stop - left

        def at(piece: DirectionalFeatures, distance: int) -> tuple[int, int]:
            """The piece's row and column that the shift brings to the first pixel of the place."""
            down, right = shift_offset(piece.direction, distance)
            return top - down - piece.top, left - right - piece.left

        if len(distances) == 1:
            placed = [(piece.features, *at(piece, distances[0])) for piece in pieces]
            yield convolve(self.nin_A, _concatenate_windows(placed, rows, columns), self.activation, slope=self.slope)
            return
        # One product for each direction; only sums remain for each distance.
        bias = self.nin_A.bias
        assert bias is not None
        products = self._products(pieces, distances, place[0])
        if can_fuse(products[0].features) and kernels.can_run(products[0].features):
            from unnoise.layers.triton.shifted_sum import shifted_sum

            for distance in distances:
                maps = [(product.features, *at(product, distance)) for product in products]
                yield shifted_sum(maps, bias, rows, columns, self.activation, self.slope)
            return
        start = bias[:, None, None].expand(len(pieces[0].features), -1, rows, columns)
        for distance in distances:
            total = start.clone(memory_format=torch.channels_last)  # without the copy a single pixel would be the bias itself
            for product in products:
                add_shifted_window(total, product.features, *at(product, distance))
            yield activate(total, self.activation, self.slope)

    def _products(self, pieces: list[DirectionalFeatures], distances: list[int], rows: slice) -> list[DirectionalFeatures]:
        """For each direction, nin_A's product of the rows that some distance shifts to `rows`, (B, F·pieces, h, w)
        each."""
        products = []
        for direction in range(4):
            mine = [place for place, piece in enumerate(pieces) if piece.direction == direction]
            _, first, top, left = pieces[mine[0]]
            downs = [shift_offset(direction, distance)[0] for distance in distances]
            needed = _source_interval(rows, downs, slice(top, top + first.shape[-2]))
            features = torch.cat(
                [pieces[place].features[..., needed.start - top : needed.stop - top, :] for place in mine], dim=1
            )
            product = self._product(features, mine, len(pieces))
            if not (can_fuse(features) and kernels.can_run(features)):
                # Many sums follow. In float32 they are faster than in bfloat16, and are not rounded.
                product = product.to(self.nin_A.weight.dtype)
            products.append(DirectionalFeatures(direction, product, needed.start, left))
        return products

    def _product(self, features: Tensor, mine: list[int], count: int) -> Tensor:
        """nin_A on some of its `count` inputs, without the bias, (B, F·len(mine), h, W) → (B, F·count, h, W)."""

        def kernel() -> Tensor:
            return torch.cat([self.nin_A.weight.chunk(count, dim=1)[place] for place in mine], dim=1)

        if not can_fuse(features):
            return F.conv2d(features, kernel())
        return convolve_with_weights(
            features, *prepare_weights(self.nin_A, f"pieces {mine}", compute_dtype(features), lambda: (kernel(), None))
        )


def _source_region(place: Region, direction: int, distances: list[int], bounds: Region) -> Region:
    """The region within `bounds` that shifts by these distances bring to `place`; one pixel if only zeros arrive."""
    downs, rights = zip(*(shift_offset(direction, distance) for distance in distances), strict=True)
    return _source_interval(place[0], downs, bounds[0]), _source_interval(place[1], rights, bounds[1])


def _source_interval(stretch: slice, moves: Sequence[int], bounds: slice) -> slice:
    """The rows, or columns, within `bounds` that the moves bring to `stretch`; at least one."""
    first = min(max(bounds.start, stretch.start - max(moves)), bounds.stop - 1)
    return slice(first, max(min(bounds.stop, stretch.stop - min(moves)), first + 1))


def _concatenate_windows(pieces: list[tuple[Tensor, int, int]], rows: int, width: int) -> Tensor:
    """The windows of rows × width of all pieces (B, F, H, W), each from its own top and left: (B, F·pieces, rows,
    width)."""
    first = pieces[0][0]
    if not can_fuse(first):
        return torch.cat([shifted_window(x, top, left, rows, width) for x, top, left in pieces], dim=1)
    concatenate_rows = first.new_zeros(len(first), rows, width, first.shape[1] * len(pieces)).permute(
        0, 3, 1, 2
    )  # channels last
    for part, (x, top, left) in zip(concatenate_rows.chunk(len(pieces), dim=1), pieces, strict=True):
        write_shifted_window(part, x, top, left)
    return concatenate_rows
