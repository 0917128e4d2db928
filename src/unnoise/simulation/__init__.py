"""Pictures to train on beyond those at hand: scenes of every colour, noise of every spectrum, real crops in new colours.

A network knows only the colours and the noise that it was shown. These modules widen both at random, without a clean photograph: *domain
randomization* (Tobin et al., "Domain Randomization for Transferring Deep Neural Networks from Simulation to the Real World", IROS 2017).

- `color_change`: real crops with channels exchanged, mixed, tinted or inverted;
- `drawn_scenes`: charts, shades, gratings, text, line art and stars, in colours of the whole RGB cube (`palettes`);
- `tone_curves`: brightness changed by a random monotone curve;
- `correlated_noise`: noise of a random spectrum, dependence on the signal, and strength.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unnoise.simulation.color_change import ColorChange
    from unnoise.simulation.correlated_noise import NoiseSpectra
    from unnoise.simulation.drawn_scenes import drawn_scene

__all__ = ["ColorChange", "NoiseSpectra", "drawn_scene"]

_MODULES = {"ColorChange": "color_change", "NoiseSpectra": "correlated_noise", "drawn_scene": "drawn_scenes"}


def __getattr__(name: str) -> Any:
    """Each name is imported when it is first used: the settings of a recipe need no scenes."""
    if name not in _MODULES:
        raise AttributeError(f"module 'unnoise.simulation' has no attribute '{name}'")
    return getattr(import_module(f"unnoise.simulation.{_MODULES[name]}"), name)
