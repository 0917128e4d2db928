"""Crops of two kinds: real ones with the targets that teachers gave, and simulated ones that bring their own truth."""

from __future__ import annotations

import numpy as np

from unnoise.noise.cameras import reduced
from unnoise.schemes.simulation import Simulation
from unnoise.training.pool import Pixels
from unnoise.training.teacher_cache import TaughtPool


class MixedPool(TaughtPool):
    """A taught pool, of whose crops a share is what a random camera would make of the teachers' results.

    A teacher's result, made smaller, has next to no noise left and is sharp; so it is a scene to photograph anew, with noise of any
    strength and kind, and what was photographed is known. All K targets of such a crop are that truth.
    """

    def __init__(self, taught: TaughtPool, simulation: Simulation) -> None:
        super().__init__(taught, taught.files)
        self.simulation = simulation

    def crop(self, draw: np.random.Generator, side: int) -> Pixels:
        simulation = self.simulation
        if draw.random() >= simulation.share:
            return super().crop(draw, side)
        taught = super().crop(draw, side * simulation.reduce)  # (f·side, f·side, (1 + K)·C)
        channels = self.pictures[0].shape[2]
        count = taught.shape[2] // channels - 1
        chosen = int(draw.integers(1, count + 1)) * channels
        scene = reduced(np.clip(taught[..., chosen : chosen + channels], 0, 1), simulation.reduce)  # (side, side, C)
        pair = simulation.cameras.pair(scene if channels == 3 else scene[..., 0], draw)
        noisy, clean = (picture.reshape(scene.shape) for picture in pair)
        return np.concatenate([noisy, *[clean] * count], axis=2)
