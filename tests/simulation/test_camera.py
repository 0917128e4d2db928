"""The simulated camera: unbiased, its noise as strong, signal-dependent and correlated as a camera's."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio

from reference import data_dir
from unnoise.errors import UnnoiseError, UsageError
from unnoise.noise import Camera, autocorrelation

PICTURE = astronaut()[:256, 100:356]
LINEAR = {"gamma": False, "color_matrix": None, "white_balance": (2.0, 1.0, 1.6), "lens_blur": 0.0}


def grey(level: float, side: int = 256) -> np.ndarray[Any, Any]:
    return np.full((side, side, 3), level)


@settings(deadline=None)
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.sampled_from([(), (3,)]),
    st.sampled_from([np.uint8, np.uint16, np.float16, np.float32, np.float64]),
    st.sampled_from(["RGGB", "BGGR", "GRBG", "GBRG"]),
    st.sampled_from(["bilinear", "malvar", None]),
    st.sampled_from([{}, {"sharpen": 1.0, "smooth_color": 1.5}, {"jpeg": 80, "bits": 10}]),
)
def test_what_goes_in_comes_out(size: Any, channels: Any, dtype: Any, bayer: Any, demosaic: Any, more: dict[str, Any]) -> None:
    camera = Camera(bayer=bayer, demosaic=demosaic, **more)
    full = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    clean = (np.random.default_rng(0).uniform(size=(*size, *channels)) * full).astype(dtype)
    before = clean.copy()
    for picture in (camera.shoot(clean, 1), camera.develop(clean)):
        assert picture.shape == clean.shape
        assert picture.dtype == clean.dtype
        assert picture.min() >= 0
        assert picture.max() <= full
    np.testing.assert_array_equal(clean, before)


def test_the_seed_decides() -> None:
    camera = Camera(jpeg=90, bits=12)
    first = camera.shoot(PICTURE, 7)
    np.testing.assert_array_equal(camera.shoot(PICTURE, 7), first)
    np.testing.assert_array_equal(camera.shoot(PICTURE, np.random.default_rng(7)), first)
    assert (camera.shoot(PICTURE, 8) != first).mean() > 0.5


@pytest.mark.parametrize("channels", [(), (3,)])
def test_a_pair_is_a_shot_and_its_development_before_jpeg(channels: tuple[int, ...]) -> None:
    clean = (PICTURE if channels else PICTURE[..., 1]) / np.float32(255)
    camera = Camera(jpeg=85, bits=12, sharpen=0.5)
    noisy, truth = camera.pair(clean, np.random.default_rng(3))
    np.testing.assert_array_equal(noisy, camera.shoot(clean, 3))
    np.testing.assert_array_equal(truth, camera.model_copy(update={"jpeg": None}).develop(clean))


@pytest.mark.parametrize("demosaic", ["bilinear", "malvar"])
def test_mean_of_many_shots_is_the_developed_picture(demosaic: Any) -> None:
    """In linear light and away from black and white, where nothing is cut and every step is linear."""
    camera = Camera(iso=6400, demosaic=demosaic, **{**LINEAR, "color_matrix": Camera().color_matrix, "lens_blur": 0.5})
    clean = 0.3 + 0.3 * PICTURE[:48, :48] / 255.0
    shots = np.stack([camera.shoot(clean, seed) for seed in range(200)])
    off = (shots.mean(0) - camera.develop(clean)) / (shots.std(0, ddof=1) / np.sqrt(len(shots)))  # in standard errors
    assert np.abs(off).max() < 5.5
    assert np.abs(off.mean()) < 0.1
    assert 0.9 < off.std() < 1.1


@pytest.mark.parametrize(("iso", "read_noise"), [(400, None), (3200, None), (12800, 8.0)])
@pytest.mark.parametrize("level", [0.3, 0.5])
def test_measured_pixels_have_the_variance_of_the_model(iso: float, read_noise: float | None, level: float) -> None:
    camera = Camera(iso=iso, read_noise=read_noise, **LINEAR)
    shot, read = camera.noise_levels
    noisy = camera.shoot(grey(level), 1)
    for values, gain in ((noisy[::2, ::2, 0], 2.0), (noisy[::2, 1::2, 1], 1.0), (noisy[1::2, 1::2, 2], 1.6)):  # RGGB
        variance = gain**2 * (shot * level / gain + read)
        assert abs(values.var() / variance - 1) < 5 * np.sqrt(2 / values.size)


def test_read_noise_is_in_electrons_and_iso_in_gains() -> None:
    shot, read = Camera(iso=200, gain=1e-4, read_noise=3).noise_levels
    assert shot == pytest.approx(2e-4)
    assert read == pytest.approx((3 * 2e-4) ** 2)


@pytest.mark.parametrize("demosaic", ["bilinear", "malvar"])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_noise_is_correlated_near_and_not_far(demosaic: Any, channels: tuple[int, ...]) -> None:
    camera = Camera(iso=3200, demosaic=demosaic)
    clean = np.full((256, 256, *channels), 0.5)
    rho = autocorrelation(camera.shoot(clean, 1) - camera.develop(clean), 8)
    for lag in (1, -1):
        assert rho[8, 8 + lag] > 0.2
        assert rho[8 + lag, 8] > 0.2
    rows, columns = np.ogrid[-8:9, -8:9]
    assert np.abs(rho[np.maximum(abs(rows), abs(columns)) >= 5]).max() < 0.05


@pytest.mark.parametrize("channels", [(), (3,)])
def test_without_a_colour_filter_noise_is_white(channels: tuple[int, ...]) -> None:
    camera = Camera(iso=3200, demosaic=None)
    clean = np.full((256, 256, *channels), 0.5)
    rho = autocorrelation(camera.shoot(clean, 1) - camera.develop(clean), 4)
    rho[4, 4] = 0
    assert np.abs(rho).max() < 0.03


def test_without_a_colour_filter_each_colour_has_the_variance_of_the_model() -> None:
    camera = Camera(iso=3200, demosaic=None, **LINEAR)
    shot, read = camera.noise_levels
    noisy = camera.shoot(grey(0.4), 1)
    for channel, gain in enumerate(camera.white_balance):
        assert noisy[..., channel].var() == pytest.approx(gain**2 * (shot * 0.4 / gain + read), rel=0.03)


def test_noise_grows_with_iso_and_in_linear_light_with_the_signal() -> None:
    by_iso = [(Camera(iso=iso).shoot(grey(0.5), 1) - 0.5).var() for iso in (100, 400, 1600, 6400, 25600)]
    assert all(2 < more / less < 8 for less, more in pairwise(by_iso))
    by_level = [Camera(**LINEAR).shoot(grey(level), 1).var() for level in (0.1, 0.2, 0.4, 0.8)]
    assert all(1.7 < more / less < 2.1 for less, more in pairwise(by_level))


@pytest.mark.parametrize(("iso", "least", "most"), [(100, 44, 50), (1600, 33, 38), (12800, 25, 30)])
def test_iso_means_what_its_description_says(iso: float, least: float, most: float) -> None:
    camera = Camera(iso=iso)
    assert least < peak_signal_noise_ratio(camera.develop(PICTURE), camera.shoot(PICTURE, 1)) < most


def test_settings_do_what_they_say() -> None:
    def spread(**fields: Any) -> float:
        camera = Camera(**fields)
        residual = camera.shoot(grey(0.5), 1) - camera.develop(grey(0.5))
        return float((residual[..., 0] - residual[..., 1]).std())

    plain = spread()
    assert spread(demosaic="bilinear") != plain
    assert spread(smooth_color=2.0) < 0.4 * plain
    assert spread(sharpen=1.0) > 1.3 * plain
    assert spread(color_matrix=None) < 0.8 * plain
    assert spread(white_balance=(1.0, 1.0, 1.0)) < 0.95 * plain
    assert spread(jpeg=40) < 0.9 * plain
    assert spread(bits=5) > 1.05 * plain


def test_lens_blur_spares_false_colours() -> None:
    checks = np.repeat(((np.indices((64, 64)) // 3).sum(0) % 2)[..., None] * 0.6 + 0.2, 3, axis=-1)
    colours = [np.ptp(Camera(lens_blur=blur).develop(checks), axis=-1).mean() for blur in (0.0, 0.5, 1.0)]
    assert colours[0] > 1.3 * colours[1] > 1.3 * colours[2]


def test_development_keeps_greys_and_softens_little() -> None:
    for level in (0.0, 0.2, 0.5, 0.9, 1.0):
        np.testing.assert_allclose(Camera(sharpen=1.0, smooth_color=1.0).develop(grey(level, 8)), level, atol=1e-6)
    assert peak_signal_noise_ratio(PICTURE, Camera().develop(PICTURE)) > 29


def test_the_sensor_is_larger_than_the_picture() -> None:
    """The edges of a crop are developed as its inside is; only what lies outside is unknown."""
    camera = Camera(sharpen=1.0, smooth_color=1.0)
    whole, crop = camera.develop(PICTURE), camera.develop(PICTURE[20:220, 30:230])
    np.testing.assert_array_equal(crop[12:-12, 12:-12], whole[32:208, 42:218])
    shots = np.stack([Camera(smooth_color=2.0).shoot(grey(0.5, 64), seed) for seed in range(40)])  # (40, 64, 64, 3)
    noise = (shots[..., 0] - shots[..., 1]).std(axis=0)  # (64, 64)
    edge = np.concatenate([noise[0], noise[-1], noise[:, 0], noise[:, -1]]).mean()
    assert edge == pytest.approx(noise[16:-16, 16:-16].mean(), rel=0.03)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("iso", 0),
        ("iso", float("nan")),
        ("gain", -1e-4),
        ("read_noise", -1),
        ("bits", 2),
        ("lens_blur", -0.5),
        ("bayer", "RGBG"),
        ("demosaic", "nearest"),
        ("white_balance", (0.5, 1, 1)),
        ("color_matrix", ((2, 0, 0), (0, 1, 0), (0, 0, 1))),
        ("color_matrix", ((1, 0, 0), (1, 0, 0), (0, 0, 1))),
        ("color_matrix", ((float("nan"), 0, 0), (0, 1, 0), (0, 0, 1))),
        ("smooth_color", 100),
        ("sharpen", -1),
        ("jpeg", 101),
        ("shutter", 3),
    ],
)
def test_wrong_fields_are_named(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=rf"'{field}(\.\d)*'") as raised:
        Camera(**{field: value})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("picture", "word"),
    [
        (np.zeros((4, 4, 4)), "shape"),
        (np.zeros((0, 4, 3)), "shape"),
        ([[0.5]], "list"),
        (np.full((4, 4, 3), 200.0), "0..1"),
        (np.full((4, 4), np.nan), "0..1"),
        (np.zeros((4, 4, 3), np.int64), "int64"),
    ],
)
def test_wrong_pictures_are_explained(picture: Any, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        Camera().shoot(picture, 1)


@pytest.mark.parametrize("seed", [-1, 0.5, None])
def test_wrong_seeds_are_explained(seed: Any) -> None:
    with pytest.raises(UsageError, match="seed"):
        Camera().shoot(PICTURE, seed)


def test_without_pyvips_only_jpeg_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvips", None)
    Camera().shoot(PICTURE, 1)
    with pytest.raises(UnnoiseError, match="pyvips"):
        Camera(jpeg=80).shoot(PICTURE, 1)


def test_importing_loads_nothing_heavy() -> None:
    code = "import sys, unnoise.noise; print([m for m in ('torch', 'pyvips', 'scipy', 'skimage') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.data
def test_noise_is_correlated_as_in_real_photographs() -> None:
    """Against photographs of phones: the same correlation up to five pixels away, in each colour."""
    pyvips = pytest.importorskip("pyvips")
    folder = data_dir("sidd_val")
    names = [f"{scene}_{block:02d}.webp" for scene in (26, 27) for block in (3, 11, 19, 27)]
    noisy, clean = (
        np.stack([pyvips.Image.new_from_file(str(folder / kind / name)).numpy()[..., :3] for name in names])
        for kind in ("noisy", "clean")
    )
    camera = Camera(iso=9000)
    simulated = np.stack(
        [camera.shoot(picture, seed) - camera.develop(picture / 255.0) * 255 for seed, picture in enumerate(clean)]
    )
    real = noisy - clean.astype(float)
    assert simulated.std() == pytest.approx(real.std(), rel=0.3)
    for channel in range(3):
        of_camera, of_phone = (
            np.mean([autocorrelation(r[..., channel], 5)[5, 5:] for r in residual], axis=0) for residual in (simulated, real)
        )
        np.testing.assert_allclose(of_camera, of_phone, atol=0.12)
