"""AT-BSN: a U-Net that sees only upwards, in four rotations, and a square blind spot whose size is chosen at each call.

Chen et al., "Exploring Efficient Asymmetric Blind-Spots for Self-Supervised Denoising in Real-World Scenarios", CVPR
2024.

Why it is blind: row i of the trunk's output depends only on the input rows up to i. Shifted down by (k + 1) / 2 rows,
it depends neither on its own row nor on the (k − 1) / 2 rows above it. In four rotations, a k×k square is seen by none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from unnoise.denoisers.atbsn_unet import AsymmetricUNet
from unnoise.denoisers.tunable import DirectionalFeatures, TunableDenoiser
from unnoise.errors import UsageError
from unnoise.layers.leaky_convolution import NEGATIVE_SLOPE, initialize_kaiming
from unnoise.layers.partial.halo_crop import POOLING_LEVELS
from unnoise.layers.receptive_field import kernel_span, receptive_field_radius
from unnoise.layers.rotations import run_in_four_rotations, run_regions_in_four_rotations
from unnoise.regions import Region


class ATBSN(TunableDenoiser):
    """AT-BSN, (B, channels, H, W) → the same shape, values in [0, 255]. 1,268,547 parameters at width 48.

    Strictly blind to the k×k square around each pixel, k = `blind_spot` = 1, 3, 5 …. With ``blind_spot=0`` at a call it
    is not blind. Sides that do not divide by 32 are padded with zeros at the bottom and right, and the result is
    cropped. Reflection would show a pixel near the edge to itself.

    Args:
        channels: of the image.
        width: of the encoder; the decoder is twice, the first 1×1 convolution eight times as wide (48 in the paper).
        blind_spot: k where a call gives none. The paper trains with 9 and restores with 3.

    Example:
        >>> import torch
        >>> network = ATBSN(width=4)
        >>> network(torch.rand(1, 3, 33, 20) * 255, blind_spot=5).shape
        torch.Size([1, 3, 33, 20])
    """

    value_range = (0.0, 255.0)
    activation = "leaky_relu"
    slope = NEGATIVE_SLOPE
    padding_mode = "zeros"
    size_multiple = 2**POOLING_LEVELS
    halo_relative_cost = 0.05  # the encoder of the trunk, above and at the sides

    def __init__(self, channels: int = 3, width: int = 48, blind_spot: int = 3) -> None:
        super().__init__(channels, pieces=4, features=2 * width, middle=2 * width, blind_spot=blind_spot)
        self.sizes = {"channels": channels, "width": width, "blind_spot": blind_spot}
        self.unet = AsymmetricUNet(channels, width, 2 * width, upward=True)
        self.initialize_he()

    def initialize_he(self) -> None:
        """He-normal weights for the leaky ReLU, zero biases; a linear gain for the last layer. The constructor draws
        the same."""
        initialize_kaiming(self)
        nn.init.kaiming_normal_(self.nin_C.weight, nonlinearity="linear")

    @staticmethod
    def blind_spot_shift(size: int, /) -> int:
        """(k + 1) / 2 rows for k = 1, 3, 5 …, and none for 0.

        Raises:
            UsageError: for other sizes.
        """
        if size < 0 or (size and size % 2 == 0):
            raise UsageError(f"The blind spot of AT-BSN is 0 or an odd number of pixels across, got {size}.")
        return (size + 1) // 2

    @property
    def receptive_field_radius(self) -> int:
        """Down to the sixth encoder scale, at 1/32 of the resolution, and up again, beyond the network's own blind
        spot."""
        moved = self.blind_spot_shift(self.blind_spot)
        return receptive_field_radius([kernel_span(moved, -moved), *self.unet.paths[0]], self.size_multiple)

    def pieces(self, x: Tensor, places: Sequence[Region] | None = None) -> list[DirectionalFeatures]:
        if places is None:
            return [
                DirectionalFeatures(direction, features)
                for direction, features in enumerate(run_in_four_rotations(self.unet, x))
            ]
        results = run_regions_in_four_rotations(self.unet.forward_region, x, places)
        return [
            DirectionalFeatures(direction, features, rows.start, columns.start)
            for direction, (features, (rows, columns)) in enumerate(zip(results, places, strict=True))
        ]

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `unet.intro.conv.weight` (width, C, 3, 3); student c has no `nin_A`. No weight tells the blind
        spot."""
        intro = weights.get("unet.intro.conv.weight")
        if intro is None or "nin_A.weight" not in weights:
            return None
        return {"channels": intro.shape[1], "width": intro.shape[0]}
