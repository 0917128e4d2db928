"""AT-BSN's and TM-BSN's schemes: train with a large blind spot at full resolution, restore with a small one.

Chen et al., "Exploring Efficient Asymmetric Blind-Spots for Self-Supervised Denoising in Real-World Scenarios", CVPR
2024; "TM-BSN: Triangular-Masked Blind-Spot Network for Self-Supervised Real-World Image Denoising", CVPR 2026, whose
blind spot is a diamond. In training the blind spot must be large. Otherwise a pixel outside it is correlated with the
noise of the central pixel. At inference nothing is learned any more, so a small blind spot is safe and keeps more
detail.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Annotated, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unnoise import denoisers
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.tunable_network import TunableNetwork, has_tunable_blind_spot
from unnoise.deprecated.module_names import renamed
from unnoise.errors import UsageError
from unnoise.regions import Region
from unnoise.rng import RandomSource
from unnoise.schemes.base import Network, Scheme
from unnoise.schemes.borders import region_with_reflected_border, with_reflected_border

BlindSpotSize = Annotated[int, Field(ge=0, le=63)]
PositiveBlindSpotSize = Annotated[int, Field(ge=1, le=63)]


class TunableScheme(Scheme):
    """Trains with a large blind spot at full resolution. Subclasses say how the network is applied.

    The network defines what a size means. For AT-BSN it is k = 1, 3, 5 … pixels across. For TM-BSN it is s = 1, 2, 3 …
    steps from the centre to the edge of the diamond.

    >>> TunableBlindSpot(train_hole=9, infer_hole=3).applied_blind_spots
    (3,)
    """

    train_hole: PositiveBlindSpotSize = 9
    """Size of the blind spot in training; 9 for AT-BSN, 5 for TM-BSN."""
    refine_hole: PositiveBlindSpotSize = 1
    """Size of the blind spot in the passes of R³.

    R³ replaces single, independent pixels, so one pixel is all that must be hidden. AP-BSN's network has no PD in this
    pass either. The AT-BSN and TM-BSN papers use no R³."""
    pad: Annotated[int, Field(ge=0, le=256)] = 0
    """Reflected pixels around the picture at inference; crops in training have none."""

    def check(self, denoiser: type[Denoiser]) -> None:
        if not has_tunable_blind_spot(denoiser):
            known = [name for name in denoisers.names() if has_tunable_blind_spot(denoisers.lookup(name))]
            raise UsageError(
                f"The scheme chooses the blind spot at each call, which {denoiser.__name__} does not let it; "
                f"take one of the denoisers {', '.join(known)}."
            )
        for size in (self.train_hole, self.refine_hole, *self.applied_blind_spots):
            denoiser.blind_spot_shift(size)

    @property
    @abstractmethod
    def applied_blind_spots(self) -> tuple[int, ...]:
        """The sizes that `restore` uses."""

    def restore_radius(self, network_radius: int) -> int:
        """The network states its radius for its own blind spot; another size adds no more than itself."""
        return network_radius + max(self.applied_blind_spots)

    def refine_radius(self, network_radius: int) -> int:
        return network_radius + self.refine_hole

    def network_pixels(self, height: int, width: int) -> int:
        return math.prod(length + 2 * min(self.pad, length - 1) for length in (height, width))

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Mean |network(x; train_hole) − x|, at full resolution."""
        return F.l1_loss(cast(TunableNetwork, network)(noisy, blind_spot=self.train_hole), noisy)

    def refine(self, network: Network, mixed: Tensor, generator: RandomSource | None = None) -> Tensor:
        return self._run(network, mixed, self.refine_hole)

    def refine_cropped(self, network: Network, mixed: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        return self._run_cropped(network, mixed, self.refine_hole, region)

    def _run(self, network: Network, noisy: Tensor, size: int) -> Tensor:
        """One call of the network with a blind spot of this size."""
        tunable = cast(TunableNetwork, network)
        return with_reflected_border(lambda x: tunable(x, blind_spot=size), noisy, self.pad)

    def _run_cropped(self, network: Network, noisy: Tensor, size: int, region: Region) -> Tensor:
        """`_run` in one region; a network of ours does it with less work, a wrapped one takes the blind spot alone."""

        def run(x: Tensor, place: Region) -> Tensor:
            if has_tunable_blind_spot(network):
                return network(x, blind_spot=size, region=place)
            return cast(TunableNetwork, network)(x, blind_spot=size)[..., *place]

        return region_with_reflected_border(run, noisy, self.pad, region)


class TunableBlindSpot(TunableScheme):
    """Restores with one smaller blind spot, as the papers do.

    Example:
        >>> from unnoise import denoisers
        >>> network = denoisers.create("tmbsn", features=2, groups=1, blocks=1)
        >>> TunableBlindSpot(train_hole=5, infer_hole=4).restore(network, torch.rand(1, 3, 8, 8)).shape
        torch.Size([1, 3, 8, 8])
    """

    name: Literal["tunable-blind-spot"] = "tunable-blind-spot"
    infer_hole: BlindSpotSize = 3
    """Size of the blind spot at inference; 3 for AT-BSN, 4 for TM-BSN. With 0 the network is not blind."""

    @property
    def applied_blind_spots(self) -> tuple[int, ...]:
        return (self.infer_hole,)

    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        return self._run(network, noisy, self.infer_hole)

    def restore_cropped(self, network: Network, noisy: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        return self._run_cropped(network, noisy, self.infer_hole, region)


__getattr__ = renamed(__name__, {"LargeHole": "TunableScheme", "Hole": "BlindSpotSize", "BlindHole": "PositiveBlindSpotSize"})
