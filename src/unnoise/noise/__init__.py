"""Measuring the noise of pictures. Importing the package loads neither torch nor pyvips, and each name when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unnoise.registry import lazy_imports

if TYPE_CHECKING:
    from unnoise.noise.report import NoiseReport
    from unnoise.noise.residual_autocorrelation import autocorrelation
    from unnoise.simulation.camera import Camera
    from unnoise.simulation.cameras import Cameras

__all__ = ["Camera", "Cameras", "NoiseReport", "autocorrelation"]

__getattr__, __dir__ = lazy_imports(
    __name__,
    {
        "Camera": "unnoise.simulation.camera",
        "Cameras": "unnoise.simulation.cameras",
        "NoiseReport": "unnoise.noise.report",
        "autocorrelation": "unnoise.noise.residual_autocorrelation",
    },
)
