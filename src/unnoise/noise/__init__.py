"""Measuring the noise of pictures. Importing the package loads neither torch nor pyvips, and each name when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unnoise.noise.report import NoiseReport
    from unnoise.noise.residual_autocorrelation import autocorrelation
    from unnoise.simulation.camera import Camera
    from unnoise.simulation.cameras import Cameras

__all__ = ["Camera", "Cameras", "NoiseReport", "autocorrelation"]

_HOMES = {
    "Camera": "unnoise.simulation.camera",
    "Cameras": "unnoise.simulation.cameras",
    "NoiseReport": "unnoise.noise.report",
    "autocorrelation": "unnoise.noise.residual_autocorrelation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
