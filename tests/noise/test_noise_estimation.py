"""The noise is found whatever the picture shows, and structure is not taken for noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.noise.noise_estimation import _cut, _patches, estimate_noise
from unnoise.noise.noise_model import NoiseModel
from unnoise.regions import RegionSource
from unnoise.simulation.dead_leaves import dead_leaves
from unnoise.simulation.drawn_scenes import drawn_scene

Array = np.ndarray[Any, Any]


def measured(picture: Array, sigma: float, seed: int = 0, taps: int = 1, **options: Any) -> NoiseModel | None:
    """Of a picture (H, W, C) in steps of 255 with noise of so many steps, rounded and cut off."""
    noise = np.random.default_rng(seed).normal(size=picture.shape)
    for axis in (0, 1):
        noise = sum(np.roll(noise, n, axis) for n in range(taps))
    noise *= sigma / noise.std()
    noisy = np.clip(np.round(picture + noise), 0, 255).astype(np.float32) / 255
    return estimate_noise(RegionSource.of(torch.from_numpy(noisy).permute(2, 0, 1)[None]), **options)


def steps(model: NoiseModel | None) -> float:
    assert model is not None
    return model.level * 255


@settings(max_examples=10, deadline=None)
@given(sigma=st.floats(1, 25), taps=st.integers(1, 2), colour=st.integers(80, 175), seed=st.integers(0, 999))
def test_noise_on_a_plain_picture(sigma: float, taps: int, colour: int, seed: int) -> None:
    found = measured(np.full((160, 160, 3), float(colour)), sigma, seed, taps)
    assert steps(found) == pytest.approx(np.hypot(sigma, 0.29), rel=0.08)
    assert found is not None
    assert found.doubt < 0.5


@pytest.mark.parametrize("period", [2, 3.3, 4, 8])
@pytest.mark.parametrize("angle", [0, 30, 45])
def test_a_weave_that_fills_the_picture_is_no_noise(period: float, angle: float) -> None:
    y, x = np.mgrid[:256, :256]
    wave = np.sin(2 * np.pi / period * (x * np.cos(np.deg2rad(angle)) + y * np.sin(np.deg2rad(angle))) + 0.3)
    assert steps(measured(120 + 20 * wave[..., None], 2)) == pytest.approx(2, rel=0.15)


def test_patches_with_hard_edges_are_no_noise() -> None:
    """Edges that run straight through the middle of a patch lie in one half of its frequencies alone."""
    colours = np.random.default_rng(3).uniform(30, 225, (8, 8, 3))
    assert steps(measured(np.kron(colours, np.ones((32, 32, 1))), 3)) == pytest.approx(3, rel=0.1)


def test_texture_everywhere_leaves_nothing_that_is_surely_noise() -> None:
    """As dense as grass: of its standard deviation of 30 nothing may pass for noise."""
    random = np.random.default_rng(4)
    coarse = random.normal(size=(256, 256, 1)) * np.ones(3)
    for axis in (0, 1):
        coarse = (np.roll(coarse, 1, axis) + coarse + np.roll(coarse, -1, axis)) / 2
    strength = np.exp(np.kron(random.normal(0, 0.8, (32, 32, 1)), np.ones((8, 8, 1))))
    picture = 120 + np.clip(coarse / coarse.std() * strength * 20, -100, 100)
    assert steps(measured(picture, 1)) < 4


def test_noise_between_leaves_is_found_and_not_more() -> None:
    random = np.random.default_rng(5)
    picture = 20 + 215 * np.kron(dead_leaves(96, random.random((50, 3)), random), np.ones((3, 3, 1)))
    assert steps(measured(picture, 5)) == pytest.approx(5, rel=0.1)


def test_noise_that_depends_on_brightness() -> None:
    ramp = np.repeat(np.linspace(30, 220, 256)[None, :, None], 256, 0)
    noise = np.random.default_rng(6).normal(size=ramp.shape) * (1 + ramp / 40)
    noisy = torch.from_numpy((ramp + noise) / 255).float().permute(2, 0, 1)[None]
    found = estimate_noise(RegionSource.of(noisy))
    assert found is not None
    for brightness in (50.0, 125.0, 200.0):
        there = found.at(found.variance, torch.full((1, 1, 1), brightness / 255)).item() * found.spectrum.mean().item()
        assert 255 * there**0.5 == pytest.approx(1 + brightness / 40, rel=0.15)


@pytest.mark.parametrize("picture", ["plain", "steps", "ramp"])
def test_a_picture_without_noise_has_none(picture: str) -> None:
    y, x = np.mgrid[:128, :128].astype(float)
    shown = {"plain": 0 * x + 90, "steps": 40.0 * (x // 32) + 20 * (y // 32), "ramp": x + y}[picture]
    found = measured(shown[..., None], 0.01)
    assert found is not None
    assert found.is_none
    assert found.level == 0


def test_too_little_of_a_picture_tells_nothing() -> None:
    assert measured(np.full((24, 24, 1), 100.0), 5) is None
    assert measured(np.full((10, 200, 1), 100.0), 5) is None
    assert measured(np.full((64, 64, 1), -300.0), 5) is None  # black everywhere


def test_the_scale_of_measurements_scales_the_noise() -> None:
    noise = torch.from_numpy(np.random.default_rng(7).normal(500, 10, (1, 1, 160, 160))).float()
    found = estimate_noise(RegionSource.of(noise), 400.0, 600.0, coded=False)
    again = estimate_noise(RegionSource.of(noise / 100 - 3), 1.0, 3.0, coded=False)
    assert found is not None
    assert again is not None
    assert found.level == pytest.approx(10, rel=0.08)
    assert found.level == pytest.approx(100 * again.level, rel=1e-3)
    assert not found.below.any()
    assert not found.above.any()


def test_a_saturated_color_may_be_noisier_than_gray() -> None:
    """As a color matrix makes it: blue is dark in orange places, and three times as noisy there as in gray ones."""
    random = np.random.default_rng(0)
    scene, sigma = np.full((192, 192, 3), 0.5), np.full((192, 192, 3), 0.03)
    scene[:, 128:] = (0.8, 0.5, 0.2)
    sigma[:, 128:, 2] = 0.09
    noisy = torch.from_numpy((scene + sigma * random.normal(size=scene.shape)).astype(np.float32)).permute(2, 0, 1)[None]
    model = estimate_noise(RegionSource.of(noisy))
    assert model is not None
    brightness = torch.tensor([0.5, 0.5, 0.2])[:, None, None]
    found = (model.at(model.variance, brightness)[:, 0, 0] * model.spectrum.mean((1, 2))).sqrt()
    assert found[:2].numpy() == pytest.approx(0.03, rel=0.15)
    assert found[2].item() == pytest.approx(0.09, rel=0.25)


def test_a_brightness_that_is_all_text_has_the_noise_of_its_neighbours() -> None:
    """Ink has no plain place, and the paper beside it has."""
    from skimage import data

    picture = data.page()[:, :384, None].repeat(3, 2)
    assert 1.9 < steps(measured(picture, 2.0)) < 2.5


@pytest.mark.parametrize(("kind", "seed", "most"), [("stars", 2, 1.1), ("stars", 5, 1.1), ("page", 0, 3.0), ("page", 5, 3.0)])
def test_letters_and_stars_are_no_noise(kind: str, seed: int, most: float) -> None:
    """Few places of a page are plain, and edges of one height look as even as noise."""
    generator = np.random.default_rng(seed)
    scene = 0.1 + 0.8 * drawn_scene(192, generator, kind)
    noisy = torch.from_numpy(scene + generator.normal(0, 0.02, scene.shape).astype(np.float32)).permute(2, 0, 1)[None]
    found = estimate_noise(RegionSource.of(noisy))
    assert found is not None
    assert found.level < most * 0.02


def test_a_page_of_black_and_white_tells_no_noise() -> None:
    draw = np.random.default_rng(0)
    page = np.kron((draw.random((48, 48)) < 0.6).astype(float), np.ones((4, 4)))
    noisy = (1.1 * page - 0.05 + draw.normal(0, 0.01, page.shape)).clip(0, 1).astype(np.float32)
    noisy[20:40, 20:40] = 0.5  # a gray stamp
    model = estimate_noise(RegionSource.of(noisy[None, None]))
    assert model is not None
    assert model.is_none


@settings(max_examples=20, deadline=None)
@given(st.integers(16, 60), st.integers(16, 60), st.integers(1, 3), st.sampled_from([4, 5, 17]), st.integers(0, 99))
def test_shares_of_cut_off_pixels_are_those_of_each_patch(rows: int, columns: int, channels: int, step: int, seed: int) -> None:
    window = np.random.default_rng(seed).uniform(-0.2, 1.2, (rows, columns, channels)).astype(np.float32)
    patches = _patches([window], step)
    np.testing.assert_array_equal(_cut(window, step), ((patches <= 0) | (patches >= 1)).mean(axis=(2, 3), dtype=np.float32))
