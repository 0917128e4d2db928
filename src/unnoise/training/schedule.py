"""How long a run lasts and how fast it learns at each moment of it."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from unnoise.recipes.schema import Training


@dataclass(frozen=True)
class Length:
    """The end of a run: after so many steps, so many minutes, or whichever comes first."""

    steps: Annotated[int, Field(ge=1)] | None = None
    minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    def share(self, step: int, seconds: float) -> float:
        """How much of the run is over, 0..1, after `step` steps and `seconds` of training."""
        by_steps = step / self.steps if self.steps else 0.0
        by_time = seconds / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(by_steps, by_time))


def learning_rate(training: Training, step: int, share: float) -> float:
    """The rate of step number `step` (from 0), when `share` of the run is over."""
    rate = training.learning_rate
    if step < training.warmup_steps:
        rate *= (step + 1) / training.warmup_steps
    if training.schedule == "cosine":
        return rate * 0.5 * (1 + math.cos(math.pi * share))
    if training.schedule == "step":
        return rate * training.step_factor ** sum(share >= at for at in training.step_at)
    return rate
