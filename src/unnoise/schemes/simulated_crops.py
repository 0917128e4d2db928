"""What a student may be shown beside real pictures: simulated ones, whose truth is known."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from unnoise.simulation.cameras import Cameras
from unnoise.simulation.settings import SimulationSettings


class Simulation(SimulationSettings):
    """How many of the crops are simulated, of what scenes and by what cameras."""

    noun: ClassVar[str] = "simulation"

    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Of the crops."""
    reduce: Annotated[int, Field(ge=1, le=8)] = 2
    """How many times smaller scenes are made: what noise and blur teachers' results have shrinks by as much."""
    leaves: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the scenes that are dead leaves (`noise.leaves`); the others are teachers' results."""
    cameras: Cameras = Cameras()
