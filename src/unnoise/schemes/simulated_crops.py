"""Settings of simulated crops, on which a student trains beside real ones. Their clean image is known."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from unnoise.simulation.cameras import Cameras
from unnoise.simulation.settings import SimulationSettings


class SimulatedCrops(SimulationSettings):
    """The share of simulated crops, their scenes and their cameras.

    Example:
        >>> SimulatedCrops(share=0.25).reduce
        2
    """

    noun: ClassVar[str] = "simulation"

    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the crops."""
    reduce: Annotated[int, Field(ge=1, le=8)] = 2
    """Factor by which scenes are made smaller. Noise and blur that a teacher's result still has shrink with it."""
    leaves: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the scenes that are dead leaves; the others are teachers' results."""
    cameras: Cameras = Cameras()
