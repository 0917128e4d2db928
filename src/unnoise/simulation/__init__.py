"""Pictures to train on beyond those at hand: scenes of every colour, noise of every spectrum, real crops in new colours.

A network knows only the colours and the noise that it was shown. These modules widen both at random, without a clean photograph: *domain
randomization* (Tobin et al., "Domain Randomization for Transferring Deep Neural Networks from Simulation to the Real World", IROS 2017).

- `color_change`: real crops with channels exchanged, mixed, tinted or inverted;
- `drawn_scenes`: charts, shades, gratings, text, line art and stars, in colours of the whole RGB cube (`palettes`);
- `tone_curves`: brightness changed by a random monotone curve;
- `correlated_noise`: noise of a random spectrum, dependence on the signal, and strength.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unnoise.registry import lazy_imports

if TYPE_CHECKING:
    from unnoise.simulation.color_change import ColorChange
    from unnoise.simulation.correlated_noise import NoiseSpectra
    from unnoise.simulation.drawn_scenes import drawn_scene

__all__ = ["ColorChange", "NoiseSpectra", "drawn_scene"]

__getattr__, __dir__ = lazy_imports(  # the settings of a recipe need no scenes
    __name__,
    {
        "ColorChange": "unnoise.simulation.color_change",
        "NoiseSpectra": "unnoise.simulation.correlated_noise",
        "drawn_scene": "unnoise.simulation.drawn_scenes",
    },
)
