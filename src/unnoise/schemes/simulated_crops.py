"""Settings of the crops that a student trains on beside plain real ones: simulated ones, and real ones in new colours."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from unnoise.simulation.cameras import Cameras
from unnoise.simulation.color_change import ColorChange
from unnoise.simulation.correlated_noise import NoiseSpectra
from unnoise.simulation.settings import SimulationSettings

Share = Annotated[float, Field(ge=0, le=1)]
SceneKind = Literal["chart", "shades", "patchwork", "page", "drawing", "stars"]


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
    drawn: Share = 0.0
    """Share of the scenes that are drawn, in colors of the whole gamut (`simulation.drawn_scenes`)."""
    kinds: Annotated[dict[SceneKind, Annotated[float, Field(gt=0)]], Field(min_length=1)] | None = None
    """Kinds of drawn scenes and their shares, as {chart: 2, page: 1}. None: all kinds, by `drawn_scenes.KINDS`."""
    leaves: Share = 0.5
    """Share of the other scenes that are dead leaves; the rest are teachers' results."""
    gamut: Share = 0.0
    """Share of the dead leaves whose colors fill the gamut; the others have the colors of the pictures."""
    cameras: Cameras = Cameras()
    spectra: Share = 0.0
    """Share of the simulated crops whose noise has a random spectrum (`noises`) in place of a camera's."""
    noises: NoiseSpectra = NoiseSpectra()
    colors: ColorChange | None = None
    """New colours for real crops, with their targets alike, and for simulated ones. None: none. One channel has no colours."""
