"""Drawn scenes: pictures in range, of every kind, that fill the colour cube and hold what their names say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.simulation.drawn_scenes import KINDS, drawn_scene
from unnoise.simulation.gratings import grating
from unnoise.simulation.palettes import palette


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(sorted(KINDS)), st.integers(16, 100), st.integers(0, 2**32))
def test_a_scene_is_a_picture_and_the_seed_decides(kind: str, side: int, seed: int) -> None:
    scene = drawn_scene(side, np.random.default_rng(seed), kind)
    assert scene.shape == (side, side, 3)
    assert scene.dtype == np.float32
    assert scene.min() >= 0
    assert scene.max() <= 1
    np.testing.assert_array_equal(scene, drawn_scene(side, np.random.default_rng(seed), kind))


def test_shares_of_kinds() -> None:
    """The stars' ground is one color; no page is as dark everywhere."""
    stars = [drawn_scene(48, np.random.default_rng(seed), shares={"stars": 1}) for seed in range(8)]
    drawn = [drawn_scene(48, np.random.default_rng(seed), "stars") for seed in range(8)]
    assert all(np.median(abs(one - np.median(one, axis=(0, 1)))) < 0.1 for one in (*stars, *drawn))
    kinds = [drawn_scene(24, np.random.default_rng(seed), shares={"chart": 1, "shades": 1e-9}) for seed in range(20)]
    assert sum(len(np.unique(scene.reshape(-1, 3), axis=0)) <= 25 for scene in kinds) > 10


def test_the_colors_of_many_scenes_fill_the_cube() -> None:
    """Each of 4×4×4 boxes of the RGB cube is met, cyan, pure blue and black included."""
    generator = np.random.default_rng(0)
    pixels = np.concatenate([drawn_scene(64, generator)[::4, ::4].reshape(-1, 3) for _ in range(300)])
    boxes = np.unique(np.minimum((pixels * 4).astype(int), 3) @ np.array([16, 4, 1]))
    assert len(boxes) == 64
    colors = np.concatenate([palette(50, generator) for _ in range(40)])
    assert np.unique(np.minimum((colors * 4).astype(int), 3) @ np.array([16, 4, 1])).size == 64


def test_shades_are_smooth_and_pages_are_not() -> None:
    def roughness(kind: str) -> float:
        scenes = [drawn_scene(96, np.random.default_rng(seed), kind) for seed in range(12)]
        return float(np.median([np.abs(np.diff(scene, axis=1)).max() for scene in scenes]))

    assert roughness("shades") < 0.05
    assert roughness("page") > 0.15


def test_stars_are_few_bright_pixels_on_dark_ground() -> None:
    scenes = [drawn_scene(96, np.random.default_rng(seed), "stars") for seed in range(20)]
    dark = [scene for scene in scenes if np.median(scene) < 0.5]
    assert len(dark) >= 12  # some are negatives
    assert np.median([scene.max() - np.median(scene) for scene in dark]) > 0.3


def test_gratings_repeat_in_every_direction_down_to_two_pixels() -> None:
    """The strongest frequency of each: all directions occur, and periods from 2 pixels on."""
    generator = np.random.default_rng(0)
    window = np.hanning(64)[:, None] * np.hanning(64)
    directions, periods = [], []
    for _ in range(150):
        texture = grating(64, 64, generator).mean(axis=2)
        power = np.abs(np.fft.rfft2((texture - texture.mean()) * window))
        if power.max() < 1e-3:
            continue
        row, column = np.unravel_index(power.argmax(), power.shape)
        fy, fx = np.fft.fftfreq(64)[row], column / 64
        directions.append(np.arctan2(fy, fx) % np.pi)
        periods.append(1 / np.hypot(fy, fx))
    assert np.histogram(directions, 6, (0, np.pi))[0].min() >= 10
    assert min(periods) < 2.5
    assert max(periods) > 12


def test_every_kind_is_drawn() -> None:
    assert sum(share for share, _ in KINDS.values()) == pytest.approx(1)
