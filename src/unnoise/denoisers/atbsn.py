"""AT-BSN: a U-Net that sees only upwards, in four turns, and a square blind spot whose size is chosen at each call.

Chen et al., "Exploring Efficient Asymmetric Blind-Spots for Self-Supervised Denoising in Real-World Scenarios", CVPR 2024.

Why it is blind: the trunk's output row i depends on the input rows up to i alone. Moved down by (k + 1) / 2 rows, it knows
neither its own row nor the (k − 1) / 2 above it. With the four turns, what no direction sees is a k×k square.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from unnoise.denoisers.atbsn_unet import AsymmetricUNet
from unnoise.denoisers.tunable import Piece, TunableDenoiser
from unnoise.errors import UsageError
from unnoise.layers.leaky_convolution import SLOPE, start_kaiming
from unnoise.layers.partial.halo_crop import LEVELS
from unnoise.layers.receptive_field import reach_through, window
from unnoise.layers.rotations import in_four_turns, parts_in_four_turns
from unnoise.regions import Region


class ATBSN(TunableDenoiser):
    """AT-BSN, (B, channels, H, W) → the same shape, values in [0, 255]. 1,268,547 parameters at width 48.

    Strictly blind to the k×k square around each pixel, k = `blind_spot` = 1, 3, 5 …; ``blind_spot=0`` at a call is not blind.
    Any sides: those that do not divide by 32 are padded with zeros at the bottom and right, so the result is that of the
    picture on a black ground, cropped. (A reflection would show a pixel near the edge to itself.)

    Args:
        channels: of the image.
        width: of the encoder; the decoder is twice, the first 1×1 convolution eight times as wide (48 in the paper).
        blind_spot: k where a call gives none. The paper trains at 9 and restores at 3.
    """

    value_range = (0.0, 255.0)
    activation = "leaky_relu"
    slope = SLOPE
    size_multiple = 2**LEVELS
    halo_relative_cost = 0.05  # the trunk's encoder, above and at the sides

    def __init__(self, channels: int = 3, width: int = 48, blind_spot: int = 3) -> None:
        super().__init__(channels, pieces=4, features=2 * width, middle=2 * width, blind_spot=blind_spot)
        self.sizes = {"channels": channels, "width": width, "blind_spot": blind_spot}
        self.unet = AsymmetricUNet(channels, width, 2 * width, upward=True)
        start_kaiming(self)
        nn.init.kaiming_normal_(self.nin_C.weight, nonlinearity="linear")

    @staticmethod
    def blind_spot_shift(size: int, /) -> int:
        """(k + 1) / 2 rows for k = 1, 3, 5 …; none for 0."""
        if size < 0 or (size and size % 2 == 0):
            raise UsageError(f"The blind spot of AT-BSN is 0 or an odd number of pixels across, got {size}.")
        return (size + 1) // 2

    @property
    def receptive_field_radius(self) -> int:
        """Down to the sixth encoder at a thirty-second of the resolution and up again, beyond the network's own blind spot."""
        moved = self.blind_spot_shift(self.blind_spot)
        return reach_through([window(moved, -moved), *self.unet.paths[0]], self.size_multiple)

    def pieces(self, x: Tensor, places: Sequence[Region] | None = None) -> list[Piece]:
        if places is None:
            return [Piece(direction, features) for direction, features in enumerate(in_four_turns(self.unet, x))]
        results = parts_in_four_turns(self.unet.forward_region, x, places)
        return [
            Piece(direction, features, rows.start, columns.start)
            for direction, (features, (rows, columns)) in enumerate(zip(results, places, strict=True))
        ]

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `unet.intro.conv.weight` (width, C, 3, 3); `nin_A` tells it from student c. The hole is no weight."""
        intro = weights.get("unet.intro.conv.weight")
        if intro is None or "nin_A.weight" not in weights:
            return None
        return {"channels": intro.shape[1], "width": intro.shape[0]}
