"""Random replacing refinement (R³), which improves a first estimate at inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from unnoise.array_api import array_namespace
from unnoise.deprecated.module_names import renamed
from unnoise.rng import RandomSource, uniform


class R3(BaseModel):
    """Random replacing refinement: Lee et al., "AP-BSN", CVPR 2022, section 3.4 and Algorithm 1.

    Each draw replaces random positions of the estimate by the noisy input. The blind network runs once more at full
    resolution. The mean over the draws has less residual noise, and less of the pattern that PD leaves.

    Example:
        >>> import torch
        >>> noisy, estimate = torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
        >>> R3(draws=2)(lambda x: x, noisy, estimate, "value", torch.Generator()).shape
        torch.Size([1, 3, 4, 4])
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Literal["r3"] = "r3"
    draws: Annotated[int, Field(ge=1, le=256)] = 8
    """Number of draws that are averaged; the paper's T."""
    probability: Annotated[float, Field(gt=0, lt=1)] = 0.16
    """Probability that a position gets the noisy value; the paper's p."""

    def __call__(
        self,
        refine: Callable[[Any], Any],
        noisy: Any,
        estimate: Any,
        replacement: Literal["value", "pixel"],
        generator: RandomSource,
        at_once: int = 1,
    ) -> Any:
        """Refine an estimate.

        Args:
            refine: one pass of the scheme at full resolution (`Scheme.refine`), or a region of its result.
            noisy: the input of the first estimate, (B, C, H, W) in any range.
            estimate: the first estimate, of the same shape and range.
            replacement: draw for each *value* (AP-BSN, SS-BSN), or for all channels of a *pixel* together (AMSNet).
            generator: of the draws. A generator on the CPU and a positional one give the same draws on every device.
            at_once: draws in one batch. This changes memory and speed, not the result.

        Returns:
            What `refine` gives, averaged: (B, C, H, W), or the region.
        """
        xp = array_namespace(noisy)
        batch, channels, height, width = noisy.shape
        shape = (batch, channels if replacement == "value" else 1, height, width)
        total: Any | None = None
        for start in range(0, self.draws, at_once):
            count = min(at_once, self.draws - start)
            # Each draw takes its random numbers in a fixed order, so `at_once` does not change the result.
            replaced = xp.concat([uniform(shape, generator, noisy.device) for _ in range(count)]) < self.probability
            mixed = xp.where(replaced, xp.concat([noisy] * count), xp.concat([estimate] * count))
            refined = refine(mixed)
            sums = xp.reshape(refined, (count, batch, *refined.shape[1:])).sum(0)  # (B, C, H, W), or of a region
            total = sums if total is None else total + sums
        assert total is not None
        return total / self.draws


__getattr__ = renamed(__name__, {"self_ensemble": "unnoise.schemes.self_ensemble:self_ensemble"})
