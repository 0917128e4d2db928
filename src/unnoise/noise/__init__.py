"""Measuring the noise of pictures. Importing the package loads neither torch nor pyvips."""

from __future__ import annotations

from unnoise.noise.report import NoiseReport
from unnoise.noise.residual_autocorrelation import autocorrelation
from unnoise.simulation.camera import Camera
from unnoise.simulation.cameras import Cameras

__all__ = ["Camera", "Cameras", "NoiseReport", "autocorrelation"]
