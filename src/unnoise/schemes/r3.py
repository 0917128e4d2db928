"""What may follow a first estimate at inference: random replacing refinement (R³) and the self-ensemble."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from unnoise.rng import RandomSource, uniform

Pass = Callable[[Tensor], Tensor]


class R3(BaseModel):
    """Random replacing refinement: Lee et al., "AP-BSN", CVPR 2022, section 3.4 and Algorithm 1.

    Some positions of the estimate are put back to the noisy input, the blind network runs once more at full resolution, and the
    results of several draws are averaged. That removes what is left of the noise and the pattern that PD leaves.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Literal["r3"] = "r3"
    draws: Annotated[int, Field(ge=1, le=256)] = 8
    """Number of draws that are averaged; the paper's T."""
    probability: Annotated[float, Field(gt=0, lt=1)] = 0.16
    """Probability that a position is put back; the paper's p."""

    def __call__(
        self,
        refine: Pass,
        noisy: Tensor,
        estimate: Tensor,
        replacement: Literal["value", "pixel"],
        generator: RandomSource,
        at_once: int = 1,
    ) -> Tensor:
        """Refine `estimate` of `noisy`, both (B, C, H, W) in any one range; the same shape comes back.

        Args:
            refine: one pass of the scheme at full resolution (`Scheme.refine`), or a part of its result, which then comes back.
            noisy: the input of the first estimate.
            estimate: the first estimate.
            replacement: draw for each *value* (AP-BSN, SS-BSN) or for all channels of a *pixel* together (AMSNet).
            generator: of the draws; one on the CPU, or one of places, lets every device draw the same.
            at_once: how many draws run as one batch; a question of memory alone.
        """
        batch, channels, height, width = noisy.shape
        shape = (batch, channels if replacement == "value" else 1, height, width)
        total: Tensor | None = None
        for start in range(0, self.draws, at_once):
            count = min(at_once, self.draws - start)
            # Each draw has its own random numbers in a fixed order, so that `at_once` does not change the result.
            put_back = torch.cat([uniform(shape, generator, noisy.device) for _ in range(count)]) < self.probability
            mixed = torch.where(put_back, noisy.repeat(count, 1, 1, 1), estimate.repeat(count, 1, 1, 1))
            refined = refine(mixed)
            sums = refined.reshape(count, batch, *refined.shape[1:]).sum(0)  # (B, C, H, W), or of a part
            total = sums if total is None else total + sums
        assert total is not None
        return total / self.draws


def self_ensemble(restore: Pass, noisy: Tensor) -> Tensor:
    """Average `restore` over the eight flips and quarter turns of `noisy`, (B, C, H, W) → the same shape, each undone after."""
    total = torch.zeros_like(noisy)
    for turns in range(4):
        for flip in (False, True):
            turned = torch.rot90(noisy.flip(-1) if flip else noisy, turns, (-2, -1))
            result = torch.rot90(restore(turned), -turns, (-2, -1))
            total += result.flip(-1) if flip else result
    return total / 8
