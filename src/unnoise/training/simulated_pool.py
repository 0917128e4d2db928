"""Crops of two kinds: real ones with targets from teachers, and simulated ones with their true clean picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from unnoise.files.atomic import atomic_write
from unnoise.schemes.simulated_crops import SimulatedCrops
from unnoise.simulation.cameras import downscale
from unnoise.simulation.dead_leaves import dead_leaves
from unnoise.simulation.drawn_scenes import drawn_scene
from unnoise.simulation.palettes import palette
from unnoise.training.image_pool import Pixels
from unnoise.training.teacher_cache import TaughtPool

SCENE_COUNT = 400
"""Number of dead-leaves pictures. Each is made when it is first used, and kept next to the teachers' results."""
DRAWN_COUNT = 800
"""Number of drawn scenes, kept in the same way."""
GAMUT_COLORS = 64
"""Colors of a dead-leaves picture whose colors fill the gamut."""
_PALETTE_FILES = 64
_BLOCK_PIXELS = 8


class SimulatedPool(TaughtPool):
    """A pool with teachers' targets, in which a share of the crops is simulated.

    A simulated crop is a scene without noise, as a random camera would photograph it. There are two kinds of scenes. A
    teacher's result, made smaller, is sharp and has almost no noise. Dead leaves are finer than any restored picture.
    All K targets of a simulated crop are the clean picture itself.
    """

    def __init__(self, taught: TaughtPool, simulation: SimulatedCrops) -> None:
        super().__init__(taught, taught.files)
        self.simulation = simulation
        self.channels = self.pictures[0].shape[2]
        self._targets = int(np.load(self.files[0], mmap_mode="r").shape[2]) // self.channels
        self.palette = self._palette()

    def crop(self, draw: np.random.Generator, side: int) -> Pixels:
        simulation = self.simulation
        colors = simulation.colors if self.channels == 3 else None
        # A kind that has no share draws nothing, so that older recipes draw as they did.
        if draw.random() >= simulation.share:
            real = super().crop(draw, side)
            return colors.apply(real, draw) if colors else real
        scene = self._scene(draw, side)  # (side, side, C)
        if simulation.spectra and draw.random() < simulation.spectra:
            scene = colors.apply(scene, draw) if colors else scene
            pair = simulation.noises.pair(scene if self.channels == 3 else np.repeat(scene, 3, axis=2), draw)
            noisy, clean = (picture[..., : self.channels] for picture in pair)
            return np.concatenate([noisy, *[clean] * self._targets], axis=2)
        pair = simulation.cameras.pair(scene if self.channels == 3 else scene[..., 0], draw)
        noisy, clean = (picture.reshape(scene.shape) for picture in pair)
        crop = np.concatenate([noisy, *[clean] * self._targets], axis=2)
        return colors.apply(crop, draw) if colors else crop

    def _scene(self, draw: np.random.Generator, side: int) -> Pixels:
        """A picture without noise, (side, side, C) float32 in 0..1."""
        simulation = self.simulation
        if simulation.drawn and draw.random() < simulation.drawn:
            return self._drawn(draw, side)
        fallen = draw.random() < simulation.leaves
        large = self._fallen(draw, side * simulation.reduce) if fallen else self._restored(draw, side * simulation.reduce)
        return downscale(large, simulation.reduce)

    def _restored(self, draw: np.random.Generator, side: int) -> Pixels:
        """A crop (side, side, C) of one of the teachers' results."""
        taught = super().crop(draw, side)  # (side, side, (1 + K)·C)
        start = int(draw.integers(1, taught.shape[2] // self.channels)) * self.channels
        return np.clip(taught[..., start : start + self.channels], 0, 1)

    def _fallen(self, draw: np.random.Generator, side: int) -> Pixels:
        """One of the dead-leaves pictures, (side, side, C)."""
        key = int(draw.integers(SCENE_COUNT)), side
        gamut = bool(self.simulation.gamut) and draw.random() < self.simulation.gamut

        def make() -> Pixels:
            generator = np.random.default_rng(key)
            return dead_leaves(side, palette(GAMUT_COLORS, generator) if gamut else self.palette, generator)

        return self._kept(f"{'gamut-' if gamut else ''}leaves-{side}-{key[0]:03d}", make)

    def _drawn(self, draw: np.random.Generator, side: int) -> Pixels:
        """A part (side, side, C) of one of the drawn scenes, which are twice as large."""
        key, kinds = (int(draw.integers(DRAWN_COUNT)), 2 * side), self.simulation.kinds
        shares = "".join(f"-{kind}-{share:g}" for kind, share in kinds.items()) if kinds else ""
        name = f"drawn{shares}-{2 * side}-{key[0]:04d}"
        picture = self._kept(name, lambda: drawn_scene(2 * side, np.random.default_rng(key), shares=kinds))
        top, left = draw.integers(side + 1, size=2)
        return picture[top : top + side, left : left + side]

    def _kept(self, name: str, make: Callable[[], Pixels]) -> Pixels:
        """The scene of this name, made when it is first asked for, (side, side, C) float32 in 0..1."""
        file = self.files[0].with_name(f"{name}.npy")
        if not file.is_file():  # kept on disk, so that only one of the processes that draw crops makes it
            with atomic_write(file) as temporary:
                np.save(temporary, np.rint(make()[..., : self.channels] * 255).astype(np.uint8))
        return np.load(file).astype(np.float32) / np.float32(255)

    def _palette(self) -> Pixels:
        """Colors (N, 3) of the pictures: means of blocks of the first teacher's results."""
        colors = []
        for file in self.files[:: max(1, len(self.files) // _PALETTE_FILES)]:
            target = np.load(file, mmap_mode="r")[::2, ::2, : self.channels].astype(np.float32)
            height, width = (max(length // _BLOCK_PIXELS, 1) for length in target.shape[:2])
            part = target[: height * _BLOCK_PIXELS, : width * _BLOCK_PIXELS]
            rows, columns = part.shape[0] // height, part.shape[1] // width  # smaller than a block if the picture is
            blocks = part.reshape(height, rows, width, columns, -1).mean(axis=(1, 3))  # (height, width, C)
            colors.append(blocks.reshape(-1, self.channels))
        palette = np.clip(np.concatenate(colors), 0, 1)
        return palette if self.channels == 3 else np.repeat(palette[:, :1], 3, axis=1)
