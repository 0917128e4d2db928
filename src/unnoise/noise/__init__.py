"""Simulating a camera's noise and measuring noise. Importing it loads neither torch nor pyvips."""

from __future__ import annotations

from unnoise.noise.camera import Camera
from unnoise.noise.cameras import Cameras
from unnoise.noise.report import NoiseReport
from unnoise.noise.statistics import autocorrelation

__all__ = ["Camera", "Cameras", "NoiseReport", "autocorrelation"]
