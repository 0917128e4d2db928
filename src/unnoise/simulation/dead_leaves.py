"""Artificial scenes: dead leaves, each covering those below it, with as many edges and as much fine detail as
    photographs.

Leaves whose sizes follow a power law have the statistics of natural pictures (Lee, Mumford and Huang, "Occlusion Models
for Natural Images", International Journal of Computer Vision, 2001). Networks that were trained on nothing else can
restore photographs (Achddou, Gousseau and Ladjal, "Synthetic images as a regularity prior for image restoration neural
networks", SSVM 2021).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.simulation.periodic_textures import weave

Array = NDArray[Any]

SMALLEST_RADIUS_PIXELS = 1.5, 12.0
"""Range of the radius of a picture's smallest leaves. The number of leaves of radius r is proportional to r⁻³."""
CONTRAST = 0.15, 1.0
"""Range of the contrast between the colors of a picture, as a share of the palette's contrast."""
LAYER_COUNT = 3.0
"""The leaves together have this many times the area of the picture."""
TEXTURE = 0.25
"""Largest relative change of brightness by a leaf's texture."""
WOVEN_SHARE = 0.15
"""Share of the leaves with a periodic pattern."""


def dead_leaves(side: int, palette: Array, generator: np.random.Generator) -> Array:
    """A picture with hard edges, meant to be downscaled by two or more.

    It has ellipses and rectangles in any direction. Some are plain, some shaded; some have a 1/f texture, and some a
    woven pattern.

    Args:
        side: in pixels.
        palette: (N, 3) in 0..1, the colors of the leaves.
        generator: of all random numbers.

    Returns:
        (side, side, 3), float32 in 0..1.

    >>> dead_leaves(32, np.array([[0.2, 0.5, 0.8], [0.9, 0.1, 0.4]]), np.random.default_rng(0)).shape
    (32, 32, 3)
    """
    largest = side / 2
    smallest = min(np.exp(generator.uniform(*np.log(SMALLEST_RADIUS_PIXELS))), largest / 2)
    area = 2 * np.pi * smallest**2 * np.log(largest / smallest) * 0.7  # mean area of a leaf; 0.7 because leaves are not round
    count = int(LAYER_COUNT * side * side / area)
    radii = (smallest**-2 + generator.random(count) * (largest**-2 - smallest**-2)) ** -0.5
    middles = generator.uniform(-0.1 * side, 1.1 * side, (count, 2))
    angles, flatness = generator.uniform(0, np.pi, count), generator.uniform(0.4, 1, count)
    boxes = generator.random(count) < 0.4
    middle = palette[generator.integers(len(palette))]
    colors = middle + generator.uniform(*CONTRAST) * (palette[generator.integers(len(palette), size=count)] - middle)
    shading = generator.normal(0, 0.3, (count, 2)) * (generator.random((count, 1)) < 0.5)
    grain = generator.uniform(0, TEXTURE, count) * (generator.random(count) < 0.6)
    woven = generator.random(count) < WOVEN_SHARE
    textures = [_texture(side, generator) for _ in range(3)]
    picture = np.empty((side, side, 3), np.float32)
    picture[:] = middle
    for n in range(count):
        radius = radii[n]
        top, left = np.maximum(np.floor(middles[n] - radius), 0).astype(int)
        bottom, right = np.minimum(np.ceil(middles[n] + radius) + 1, side).astype(int)
        if top >= bottom or left >= right:
            continue
        y = (np.arange(top, bottom, dtype=np.float32) - middles[n, 0])[:, None] / radius
        x = (np.arange(left, right, dtype=np.float32) - middles[n, 1])[None] / radius
        cos, sin = np.cos(angles[n]), np.sin(angles[n])
        along, across = x * cos + y * sin, (y * cos - x * sin) / flatness[n]
        inside = np.maximum(abs(along), abs(across)) < 0.7 if boxes[n] else along**2 + across**2 < 1
        light = 1 + grain[n] * textures[n % 3][top:bottom, left:right]
        if shading[n].any():
            light = light + shading[n, 0] * y + shading[n, 1] * x
        if woven[n]:
            light = light * (1 + weave(along * radius, across * radius, generator))
        picture[top:bottom, left:right][inside] = light[inside][:, None] * colors[n]
    return np.clip(picture, 0, 1)


def _texture(side: int, generator: np.random.Generator) -> Array:
    """Noise (side, side) with a 1/f spectrum and standard deviation 1. Changes over more than a sixteenth of the side
    are left out."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    with np.errstate(divide="ignore"):
        spectrum = np.where(frequency < 16 / side, 0, 1 / frequency)
    values = np.fft.irfft2(np.fft.rfft2(generator.normal(size=(side, side))) * spectrum, (side, side))
    return (values / max(values.std(), 1e-12)).astype(np.float32)
