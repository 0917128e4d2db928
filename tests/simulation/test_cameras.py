"""Cameras drawn at random: within their ranges, in pairs whose truth is the truth, of scenes made smaller in linear light."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import astronaut

from unnoise.errors import UsageError
from unnoise.noise import Cameras
from unnoise.simulation.cameras import downscale
from unnoise.simulation.color import srgb_decode

SCENE = (astronaut()[:128, 100:228] / 255).astype(np.float32)


@given(st.integers(0, 2**32))
def test_every_camera_lies_within_the_ranges(seed: int) -> None:
    cameras = Cameras(iso=(400, 800), sharpen=(0.25, 0.5), jpeg=(90, 95))
    camera = cameras.draw(np.random.default_rng(seed))
    assert 400 <= camera.iso <= 800
    assert camera.white_balance[1] == 1
    assert camera.sharpen == 0 or 0.25 <= camera.sharpen <= 0.5
    assert (camera.jpeg is None) == (camera.sharpen == 0)
    assert camera.jpeg is None or 90 <= camera.jpeg <= 95


def test_iso_is_drawn_evenly_in_its_logarithm() -> None:
    draw = np.random.default_rng(0)
    isos = [Cameras(iso=(100, 10_000)).draw(draw).iso for _ in range(400)]
    assert abs(np.mean(np.array(isos) < 1000) - 0.5) < 0.1


def test_shares_of_cameras_are_kept() -> None:
    draw = np.random.default_rng(0)
    cameras = Cameras(bilinear=0.2, unfiltered=0.4, linear=0.3, processed=0.7)
    drawn = [cameras.draw(draw) for _ in range(400)]
    assert abs(np.mean([camera.demosaic == "bilinear" for camera in drawn]) - 0.2 * 0.6) < 0.08
    assert abs(np.mean([camera.demosaic is None for camera in drawn]) - 0.4) < 0.08
    assert abs(np.mean([not camera.gamma for camera in drawn]) - 0.3) < 0.08
    assert abs(np.mean([camera.jpeg is not None for camera in drawn]) - 0.7) < 0.08


def test_cameras_without_a_colour_filter_may_be_sharp() -> None:
    draw = np.random.default_rng(0)
    drawn = [Cameras(unfiltered=0.5, sharp=0.5).draw(draw) for _ in range(400)]
    assert all(camera.lens_blur > 0 for camera in drawn if camera.demosaic)
    assert abs(np.mean([camera.lens_blur == 0 for camera in drawn if camera.demosaic is None]) - 0.5) < 0.12


@settings(deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_pairs_are_pictures_of_one_exposure(seed: int, grey: bool) -> None:
    scene = SCENE[..., 1] if grey else SCENE
    noisy, clean = Cameras(linear=0).pair(scene, np.random.default_rng(seed))
    for picture in (noisy, clean):
        assert picture.shape == scene.shape
        assert picture.dtype == np.float32
        assert picture.min() >= 0
        assert picture.max() <= 1
    steps = noisy * 255
    assert np.abs(steps - np.rint(steps)).max() < 1e-3
    # Noise is nothing on average in linear light, but for what black and white cut off. Sharpening makes them cut off more.
    noisy, clean = Cameras(linear=0, processed=0).pair(scene, np.random.default_rng(seed))
    assert abs(srgb_decode(noisy).mean() / srgb_decode(clean).mean() - 1) < 0.2


def test_pictures_in_black_and_white_are_grey_in_three_channels() -> None:
    noisy, clean = Cameras(grey=1).pair(SCENE, np.random.default_rng(0))
    for picture in (noisy, clean):
        assert np.ptp(picture, axis=2).max() == 0
        assert picture.std() > 0.05
    assert np.ptp(Cameras(grey=0).pair(SCENE, np.random.default_rng(0))[0], axis=2).max() > 0.1


def test_linear_pictures_have_the_scenes_light() -> None:
    cameras = Cameras(
        linear=1, unfiltered=1, grey=1, processed=0, stops=(0, 0), matrix=(0, 0), iso=(100, 101), lens_blur=(0, 0)
    )
    scene = SCENE * np.float32(0.9)  # white would count as blown
    _, clean = cameras.pair(scene, np.random.default_rng(0))
    grey = scene @ np.array([0.299, 0.587, 0.114], np.float32)
    np.testing.assert_allclose(clean[..., 0], srgb_decode(grey), atol=1e-5)


def test_more_light_leaves_less_noise() -> None:
    quiet, loud = Cameras(iso=(200, 400), stops=(0, 0)), Cameras(iso=(12_800, 25_600), stops=(-2, -2))

    def error(cameras: Cameras) -> float:
        noisy, clean = cameras.pair(SCENE, np.random.default_rng(1))
        return float(np.sqrt(np.mean((noisy - clean) ** 2)))

    assert error(loud) > 5 * error(quiet)


def test_the_generator_decides() -> None:
    one, again = (Cameras().pair(SCENE, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one[0], Cameras().pair(SCENE, np.random.default_rng(6))[0])


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6))
def test_made_smaller_keeps_the_light(factor: int, height: int, width: int) -> None:
    picture = np.random.default_rng(0).random((height * factor, width * factor, 3))
    small = downscale(picture, factor)
    assert small.shape == (height, width, 3)
    assert abs(srgb_decode(small).mean() - srgb_decode(picture).mean()) < 1e-9
    assert np.allclose(downscale(picture, 1), picture)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Cameras(iso=(800, 400)), "iso"),
        (lambda: downscale(np.zeros((5, 4, 3)), 2), "5x4"),
    ],
)
def test_errors_name_what_was_wrong(make: Any, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        make()


@given(st.integers(0, 2**32))
def test_counts_of_photons_are_on_average_their_means(seed: int) -> None:
    """Seen by the inverse of the network's curve, which keeps the order of values and is straight only in light."""
    generator = np.random.default_rng(seed)
    noisy, clean = Cameras(counts=1, photons=(200, 1000), read_noise=(0, 1)).pair(SCENE[..., 1], generator)
    assert noisy.shape == clean.shape == SCENE.shape[:2]
    assert noisy.dtype == clean.dtype == np.float32
    assert -0.3 < noisy.min() < 0.2
    assert 0.8 < noisy.max() < 1.4
    light_of_noisy, light_of_clean = (np.sign(x - 0.05) * np.abs(x - 0.05) ** (1 / 0.7) for x in (noisy, clean))
    assert abs(light_of_noisy.mean() / light_of_clean.mean() - 1) < 0.02


def test_fewer_photons_are_noisier_and_none_at_all_are_borne() -> None:
    errors = []
    for photons in (1000, 30, 1):
        noisy, clean = Cameras(counts=1, photons=(photons, photons)).pair(SCENE, np.random.default_rng(1))
        assert noisy.shape == SCENE.shape
        assert np.ptp(noisy, axis=2).max() == 0
        errors.append(float(np.abs(noisy - clean).mean()))
    assert errors == sorted(errors)
    dark = np.zeros((32, 32, 3), np.float32)
    for picture in Cameras(counts=1).pair(dark, np.random.default_rng(3)):
        assert np.isfinite(picture).all()


def test_without_counts_the_draws_are_what_they_were() -> None:
    """A run that was begun by an older recipe goes on with the crops that it would have had."""
    some, none = (Cameras(counts=counts).pair(SCENE, np.random.default_rng(5))[0] for counts in (1e-12, 0))
    assert np.abs(some - none).max() > 0  # asking takes a draw
    first = Cameras().draw(np.random.default_rng(5))
    assert Cameras(counts=0).draw(np.random.default_rng(5)) == first


def test_dark_pictures_have_few_bright_places() -> None:
    scene = np.broadcast_to(np.linspace(0, 1, 256, dtype=np.float32), (64, 256))
    shares = []
    for dark in ((1, 1), (4, 4)):
        ranges = Cameras(counts=1, photons=(1000, 1000), read_noise=(0, 0), dark=dark)
        cleans = [ranges.pair(scene, np.random.default_rng(seed))[1] for seed in range(20)]
        shares.append(np.mean([(clean > (clean.min() + clean.max()) / 2).mean() for clean in cleans]))
    # light > 1/2: half of it, or by sRGB's curve a quarter; to the fourth power a sixth and a twelfth, for half of the pictures
    assert shares[1] < 0.75 * shares[0]
