"""The length of a run, and its learning rate at each step."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from unnoise.recipes.schema import Training


@dataclass(frozen=True)
class Length:
    """The end of a run: after some steps or some minutes, whichever comes first.

    >>> Length(steps=100, minutes=1).share(step=20, seconds=30)
    0.5
    """

    steps: Annotated[int, Field(ge=1)] | None = None
    minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    def share(self, step: int, seconds: float) -> float:
        """The share of the run that is done, 0..1, after `step` steps and `seconds` of training."""
        by_steps = step / self.steps if self.steps else 0.0
        by_time = seconds / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(by_steps, by_time))


def learning_rate(training: Training, step: int, share: float) -> float:
    """The learning rate of step number `step`, which counts from 0, when `share` of the run is done.

    >>> round(learning_rate(Training(learning_rate=1e-3, schedule="cosine"), step=50, share=0.5), 6)
    0.0005
    """
    rate = training.learning_rate
    if step < training.warmup_steps:
        rate *= (step + 1) / training.warmup_steps
    if training.schedule == "cosine":
        return rate * 0.5 * (1 + math.cos(math.pi * share))
    if training.schedule == "step":
        return rate * training.step_factor ** sum(share >= at for at in training.step_at)
    return rate
