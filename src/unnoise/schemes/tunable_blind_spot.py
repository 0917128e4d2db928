"""The asymmetric blind spots of AT-BSN: train with a large hole at full resolution, restore with a small one.

Chen et al., "Exploring Efficient Asymmetric Blind-Spots for Self-Supervised Denoising in Real-World Scenarios", CVPR 2024; and
"TM-BSN: Triangular-Masked Blind-Spot Network for Self-Supervised Real-World Image Denoising", CVPR 2026, whose hole is a diamond.
In training the hole must be so large that no pixel outside it tells the noise of the pixel in its middle. At inference there is
nothing left to learn, and the nearer the pixels that the network may look at, the more detail it finds.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Annotated, Literal, Protocol, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unnoise import denoisers
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.tunable import TunableDenoiser
from unnoise.errors import UsageError
from unnoise.regions import Region
from unnoise.rng import RandomSource
from unnoise.schemes.base import Network, Scheme
from unnoise.schemes.borders import part_within_reflection, within_reflection

Hole = Annotated[int, Field(ge=0, le=63)]
BlindHole = Annotated[int, Field(ge=1, le=63)]


class TunableNetwork(Protocol):
    """A network whose blind spot is chosen at each call; `DistributedDataParallel` and its like pass the keyword on."""

    def __call__(self, x: Tensor, /, *, blind_spot: int) -> Tensor: ...


class LargeHole(Scheme):
    """Trained with a large hole at full resolution; how it is applied, its kinds differ in.

    What a hole's size means is the network's own matter: with AT-BSN k = 1, 3, 5 … pixels across, with TM-BSN s = 1, 2, 3 … steps
    from the middle to the diamond's edge.
    """

    train_hole: BlindHole = 9
    """In training; 9 for AT-BSN, 5 for TM-BSN."""
    refine_hole: BlindHole = 1
    """In the passes of R³. The papers use no R³. It puts single pixels back, each by itself, so that one pixel is all that has to
    be hidden from the network, as it is in AP-BSN, whose network runs without PD here."""
    pad: Annotated[int, Field(ge=0, le=256)] = 0
    """Reflected pixels around the picture at inference; the training's crops have none."""

    def check(self, denoiser: type[Denoiser]) -> None:
        if not issubclass(denoiser, TunableDenoiser):
            known = [name for name in denoisers.names() if issubclass(denoisers.lookup(name), TunableDenoiser)]
            raise UsageError(
                f"The scheme chooses the blind spot at each call, which {denoiser.__name__} does not let it; "
                f"take one of the denoisers {', '.join(known)}."
            )
        for hole in (self.train_hole, self.refine_hole, *self.applied_holes):
            denoiser.distance(hole)

    @property
    @abstractmethod
    def applied_holes(self) -> tuple[int, ...]:
        """Those of the first estimate."""

    def reach(self, network_reach: int) -> int:
        """The network states its reach with a hole of its own; another brings it further by no more than its size."""
        return network_reach + max(self.applied_holes)

    def refine_reach(self, network_reach: int) -> int:
        return network_reach + self.refine_hole

    def shown(self, height: int, width: int) -> int:
        return math.prod(length + 2 * min(self.pad, length - 1) for length in (height, width))

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Mean |network(x; train_hole) − x|, at full resolution."""
        return F.l1_loss(cast(TunableNetwork, network)(noisy, blind_spot=self.train_hole), noisy)

    def refine(self, network: Network, mixed: Tensor, generator: RandomSource | None = None) -> Tensor:
        return self._pass(network, mixed, self.refine_hole)

    def refine_within(self, network: Network, mixed: Tensor, wanted: Region, generator: RandomSource | None = None) -> Tensor:
        return self._part(network, mixed, self.refine_hole, wanted)

    def _pass(self, network: Network, noisy: Tensor, hole: int) -> Tensor:
        tunable = cast(TunableNetwork, network)
        return within_reflection(lambda x: tunable(x, blind_spot=hole), noisy, self.pad)

    def _part(self, network: Network, noisy: Tensor, hole: int, wanted: Region) -> Tensor:
        """`_pass` at the rows and columns `wanted`, which networks of our own work out with less."""

        def run(x: Tensor, place: Region) -> Tensor:
            if isinstance(network, TunableDenoiser):
                result: Tensor = network(x, blind_spot=hole, wanted=place)
                return result
            return cast(TunableNetwork, network)(x, blind_spot=hole)[..., *place]

        return part_within_reflection(run, noisy, self.pad, wanted)


class TunableBlindSpot(LargeHole):
    """Applied with one smaller hole, as the papers do."""

    name: Literal["tunable-blind-spot"] = "tunable-blind-spot"
    infer_hole: Hole = 3
    """At inference; 3 for AT-BSN, 4 for TM-BSN. 0 is no hole at all."""

    @property
    def applied_holes(self) -> tuple[int, ...]:
        return (self.infer_hole,)

    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        return self._pass(network, noisy, self.infer_hole)

    def restore_within(self, network: Network, noisy: Tensor, wanted: Region, generator: RandomSource | None = None) -> Tensor:
        return self._part(network, noisy, self.infer_hole, wanted)
