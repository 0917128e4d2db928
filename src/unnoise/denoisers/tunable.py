"""Denoisers whose blind spot is chosen at each call: four half-planes, moved off the pixel and joined by 1×1 convolutions.

What AT-BSN and TM-BSN have in common. Neither the trunk nor, since a 1×1 convolution commutes with a move, the first of the 1×1
convolutions depends on the blind spot: both are computed once for any number of them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise import kernels
from unnoise.denoisers.base import Blindness, Denoiser
from unnoise.denoisers.fused import Activation, activate, can_fuse, convolve, convolve_with, prepared, working_type
from unnoise.denoisers.layers import last_layer
from unnoise.denoisers.turns import add_window, offset, put_window, window
from unnoise.errors import UsageError
from unnoise.polyphase import pad_to_multiple

STRIP = {"cpu": 2**21, "other": 2**26}
"""Values in one map of the head at a time, by kind of device. The head works in strips of rows, as it is the widest part of
the network: in one piece it would take some kilobytes for each pixel, and the processor's caches would be no help."""

Piece = tuple[int, Tensor]
"""The direction in which features are moved, and the features, upright, (B, F, H, W)."""


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
    activation: ClassVar[Activation]
    """What follows nin_A and nin_B."""
    slope: ClassVar[float] = 0.0
    """Of the activation, where it has one."""

    def __init__(self, channels: int, pieces: int, features: int, middle: int, blind_spot: int) -> None:
        super().__init__()
        if self.distance(blind_spot) < 1:
            raise ValueError(f"The network's own blind_spot must be at least 1, got {blind_spot}; 0 can be given at a call.")
        self.blind_spot = blind_spot
        self.nin_A = nn.Conv2d(pieces * features, pieces * features, 1)
        self.nin_B = nn.Conv2d(pieces * features, middle, 1)
        self.nin_C = nn.Conv2d(middle, channels, 1)

    @staticmethod
    @abstractmethod
    def distance(blind_spot: int) -> int:
        """By how many pixels the features are moved for a blind spot of this size. Raises UsageError where there is none."""

    @abstractmethod
    def pieces(self, x: Tensor) -> list[Piece]:
        """The trunk's results for (B, channels, H, W), sides dividing by `multiple`, in the order of nin_A's input."""

    def forward(self, x: Tensor, blind_spot: int | None = None) -> Tensor:
        """Restore `x` without looking at the blind spot of each pixel; `blind_spot` = 0 is not blind.

        Args:
            x: (B, channels, H, W) in `value_range`.
            blind_spot: None: the network's own.

        Raises:
            UsageError: for a size that the network cannot take.
        """
        return self.holes(x, [self.blind_spot if blind_spot is None else blind_spot])[0]

    def holes(self, x: Tensor, blind_spots: Sequence[int]) -> Tensor:
        """The results for K blind spots at once, (K, B, channels, H, W), for little more than the work of one.

        Raises:
            UsageError: for a size that the network cannot take.
        """
        if not blind_spots:
            raise UsageError("Give at least one blind spot.")
        distances = [self.distance(size) for size in blind_spots]
        height, width = x.shape[-2:]
        pieces = self.pieces(pad_to_multiple(x, self.multiple))
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            # For the gradient everything is kept anyway; and an exported graph has no loops.
            return self._strip(x, pieces, distances, 0, height)
        budget = STRIP.get(x.device.type, STRIP["other"])
        rows = max(1, budget // (x.shape[0] * width * self.nin_A.out_channels))
        strips = [self._strip(x, pieces, distances, top, min(rows, height - top)) for top in range(0, height, rows)]
        return torch.cat(strips, dim=-2)

    def _strip(self, image: Tensor, pieces: list[Piece], distances: list[int], top: int, rows: int) -> Tensor:
        """The rows `top` to `top + rows` of all results, (K, B, channels, rows, width)."""
        results, near = [], image[..., top : top + rows, :]
        for x in self._mixed(pieces, distances, top, rows, image.shape[-1]):
            x = convolve(self.nin_B, x, self.activation, slope=self.slope)
            results.append(last_layer(self.nin_C, x, near))
        return torch.stack(results)

    def _mixed(self, pieces: list[Piece], distances: list[int], top: int, rows: int, width: int) -> Iterator[Tensor]:
        """What nin_A and the activation make of the moved pieces, for one distance after the other, (B, F·pieces, rows, width)."""
        if len(distances) == 1:
            moves = [(x, offset(direction, distances[0])) for direction, x in pieces]
            placed = [(x, top - down, -right) for x, (down, right) in moves]
            yield convolve(self.nin_A, _side_by_side(placed, rows, width), self.activation, slope=self.slope)
            return
        # One product for each direction; then only sums are left to do.
        bias = self.nin_A.bias
        assert bias is not None
        products = self._products(pieces, distances, top, rows)
        if can_fuse(products[0][1]) and kernels.can_run(products[0][1]):
            from unnoise.kernels.moved_sums import sum_moved

            for distance in distances:
                offsets = [offset(direction, distance) for direction in range(4)]
                maps = [(x, top - down - first, -right) for (first, x), (down, right) in zip(products, offsets, strict=True)]
                yield sum_moved(maps, bias, rows, width, self.activation, self.slope)
            return
        start = bias[:, None, None].expand(len(pieces[0][1]), -1, rows, width)
        for distance in distances:
            total = start.clone(memory_format=torch.channels_last)  # and not the bias itself, which a single pixel would be
            for direction, (first, product) in enumerate(products):
                down, right = offset(direction, distance)
                add_window(total, product, top - down - first, -right)
            yield activate(total, self.activation, self.slope)

    def _products(self, pieces: list[Piece], distances: list[int], top: int, rows: int) -> list[tuple[int, Tensor]]:
        """For each direction, the first of the h rows that some distance brings here, and nin_A's part, (B, F·pieces, h, W)."""
        products = []
        for direction in range(4):
            mine = [place for place, piece in enumerate(pieces) if piece[0] == direction]
            height = pieces[mine[0]][1].shape[-2]
            downs = [offset(direction, distance)[0] for distance in distances]
            first = min(max(0, top - max(downs)), height - 1)
            last = max(min(height, top + rows - min(downs)), first + 1)
            features = torch.cat([pieces[place][1][..., first:last, :] for place in mine], dim=1)
            product = self._product(features, mine, len(pieces))
            if not (can_fuse(features) and kernels.can_run(features)):
                # Many sums follow, in float32 at least: faster than those of bfloat16, and nothing is rounded on the way.
                product = product.to(self.nin_A.weight.dtype)
            products.append((first, product))
        return products

    def _product(self, features: Tensor, mine: list[int], count: int) -> Tensor:
        """nin_A of some of its `count` pieces, without the bias, (B, F·len(mine), h, W) → (B, F·count, h, W)."""

        def kernel() -> Tensor:
            return torch.cat([self.nin_A.weight.chunk(count, dim=1)[place] for place in mine], dim=1)

        if not can_fuse(features):
            return F.conv2d(features, kernel())
        return convolve_with(
            features, *prepared(self.nin_A, f"pieces {mine}", working_type(features), lambda: (kernel(), None))
        )


def _side_by_side(pieces: list[tuple[Tensor, int, int]], rows: int, width: int) -> Tensor:
    """The windows of rows × width of all pieces (B, F, H, W), each from its own top and left: (B, F·pieces, rows, width)."""
    first = pieces[0][0]
    if not can_fuse(first):
        return torch.cat([window(x, top, left, rows, width) for x, top, left in pieces], dim=1)
    joined = first.new_zeros(len(first), rows, width, first.shape[1] * len(pieces)).permute(0, 3, 1, 2)  # channels last
    for part, (x, top, left) in zip(joined.chunk(len(pieces), dim=1), pieces, strict=True):
        put_window(part, x, top, left)
    return joined
