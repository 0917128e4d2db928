"""Sample pictures for visitors without one at hand. They are simulated, so that the package carries none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from unnoise import images
from unnoise.errors import UsageError
from unnoise.images.picture import Picture
from unnoise.simulation.camera import Camera
from unnoise.simulation.dead_leaves import dead_leaves
from unnoise.simulation.sensor import expose
from unnoise.simulation.star_fields import stars

SIDE = 768
"""Of a sample, in pixels."""
ISO = 12800
SATURATION = 0.3
"""Of the photo's colors."""
SKY_SHOT, SKY_READ = 2e-3, 1e-4
"""Noise of the sky: variance of the light at a signal of 1, and without light."""


def _photo(path: Path) -> None:
    generator = np.random.default_rng(3)
    greys = generator.uniform(0.05, 0.9, (40, 1))
    palette = greys + SATURATION * (generator.uniform(0, 1, (40, 3)) - 0.5)
    scene = dead_leaves(2 * SIDE, palette.clip(0, 1).astype(np.float32), generator)
    clean = scene.reshape(SIDE, 2, SIDE, 2, 3).mean((1, 3))
    noisy = Camera(iso=ISO, jpeg=95).shoot(np.rint(255 * clean).astype(np.uint8), seed=0)
    images.write(path, Picture(noisy))


def _sky(path: Path) -> None:
    generator = np.random.default_rng(5)
    light = stars(SIDE, generator).mean(-1).clip(0, 1)
    counts = expose(light, SKY_SHOT, SKY_READ, generator)
    images.write(path, Picture(np.rint(500 + 20000 * counts).clip(0, 65535).astype(np.uint16)))


SAMPLES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "photo": ("sample-photo.png", _photo),
    "sky": ("sample-sky.tif", _sky),
}
"""Name → file name, and the function that writes it."""


def write_sample(name: str, folder: Path) -> Path:
    """Make a sample picture in a folder.

    Raises:
        UsageError: there is no sample of that name.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images.read(write_sample("sky", Path(folder))).pixels.dtype
    dtype('uint16')
    """
    if name not in SAMPLES:
        raise UsageError(f"There is no sample '{name}'; choose one of {', '.join(SAMPLES)}.")
    file, write = SAMPLES[name]
    write(folder / file)
    return folder / file
