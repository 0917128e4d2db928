"""Noise told from the picture alone, against noise that was put there and against photographs with known truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import unnoise
from reference import data_dir
from unnoise.errors import UsageError
from unnoise.noise import Camera, NoiseReport, autocorrelation

Array = np.ndarray[Any, Any]


def ramp(side: int = 160, low: float = 0.2, high: float = 0.8) -> Array:
    """A slow slope of brightness."""
    return np.broadcast_to(np.linspace(low, high, side), (side, side)).copy()


def coloured(shape: tuple[int, ...], kernel: Array, seed: int = 0) -> Array:
    """Noise of variance 1 whose autocorrelation is the kernel's own."""
    white = np.random.default_rng(seed).normal(size=shape)
    spectrum = np.fft.fft2(kernel, shape[:2])[(...,) + (None,) * (len(shape) - 2)]
    return np.fft.ifft2(np.fft.fft2(white, axes=(0, 1)) * spectrum, axes=(0, 1)).real / np.sqrt((kernel**2).sum())


def true_correlation(kernel: Array, radius: int) -> Array:
    """The autocorrelation of the kernel itself at shifts of 0 … radius rows and columns."""
    padded = np.pad(kernel, ((0, radius), (0, radius)))
    height, width = kernel.shape
    sums = [[(kernel * padded[y : y + height, x : x + width]).sum() for x in range(radius + 1)] for y in range(radius + 1)]
    return np.array(sums) / (kernel**2).sum()


@settings(max_examples=10)
@given(st.integers(1, 4), st.integers(1, 4), st.floats(0.005, 0.1), st.integers(0, 99))
def test_finds_the_level_and_correlation_of_correlated_noise(rows: int, columns: int, level: float, seed: int) -> None:
    kernel = np.ones((rows, columns))
    report = unnoise.inspect(ramp(192) + level * coloured((192, 192), kernel, seed))
    assert report.level == pytest.approx(level, rel=0.12)
    found = np.array(report.autocorrelation)
    np.testing.assert_allclose(found[8:13, 8:13], true_correlation(kernel, 4), atol=0.12)
    np.testing.assert_array_equal(found, found[::-1, ::-1])
    assert found[8, 8] == 1


def test_finds_shot_and_read_noise_where_variance_is_a_line() -> None:
    a, b = 4e-3, 5e-4
    clean = np.repeat(ramp(256, 0.1, 0.9)[..., None], 3, axis=2)
    noisy = clean + np.sqrt(a * clean + b) * np.random.default_rng(1).normal(size=clean.shape)
    for channel in unnoise.inspect(noisy).channels:
        assert channel.fit is not None
        assert channel.fit.holds
        assert channel.fit.a == pytest.approx(a, rel=0.15)
        for x in (0.2, 0.5, 0.8):
            assert np.interp(x, channel.brightness, channel.sigma) == pytest.approx(np.sqrt(a * x + b), rel=0.1)


def test_says_where_variance_is_no_line() -> None:
    clean = ramp(256, 0.1, 0.9)
    noisy = clean + 0.1 * np.sin(np.pi * clean) ** 4 * np.random.default_rng(1).normal(size=clean.shape)
    fit = unnoise.inspect(noisy).channels[0].fit
    assert fit is not None
    assert not fit.holds


@pytest.mark.parametrize("demosaic", ["bilinear", "malvar"])
@pytest.mark.parametrize("iso", [1600, 6400, 25600])
def test_finds_the_noise_of_a_simulated_camera(demosaic: Any, iso: float) -> None:
    """Plain shapes with edges between: the patches without edges must be found."""
    y, x = np.mgrid[:256, :256] / 256
    clean = np.stack([0.3 + 0.4 * x, 0.5 + 0.2 * y, 0.6 - 0.3 * x * y], axis=2)
    clean[(np.sin(14 * x) * np.sin(9 * y)) > 0.3] *= 0.6
    camera = Camera(iso=iso, demosaic=demosaic)
    noisy = camera.shoot(clean, 1)
    residual = noisy - camera.develop(clean)
    report = unnoise.inspect(noisy)
    assert report.level == pytest.approx(residual.std(), rel=0.15)
    true = autocorrelation(residual, 2)
    for lag in (1, 2):
        assert report.lag(lag) == pytest.approx((true[2, 2 + lag] + true[2 + lag, 2]) / 2, abs=0.12)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_picture_without_noise_has_none(dtype: Any) -> None:
    full = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    for clean in (np.full((64, 64, 3), 0.4), ramp(64)):
        report = unnoise.inspect((clean * full).astype(dtype))
        assert report.level is not None
        assert report.level < 0.4 / 255
        assert report.advice is None or dtype == np.uint8


@settings(max_examples=30)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([(), (1,), (2,), (3,), (4,)]),
    st.sampled_from([np.uint8, np.uint16, np.float16, np.float32, np.float64]),
    st.sampled_from(["noise", "constant", "black", "half white"]),
)
def test_takes_any_picture(size: Any, channels: Any, dtype: Any, kind: str) -> None:
    full = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    values = np.random.default_rng(0).uniform(0.3, 0.6, (*size, *channels))
    if kind != "noise":
        values[:] = {"constant": 0.4, "black": 0.0, "half white": 1.0}[kind]
    if kind == "half white":
        values[: size[0] // 2] = 0.5
    report = unnoise.inspect((values * full).astype(dtype))
    assert (report.height, report.width) == size
    assert len(report.black) == {(): 1, (1,): 1, (2,): 1}.get(channels, 3)
    assert NoiseReport.model_validate_json(report.to_json()) == report
    if min(size) < 16:
        assert report.level is None
        assert "too small" in report.notes[0]
    elif kind == "black":
        assert report.level is None
        assert "black or white" in report.notes[0]
    elif kind == "constant":
        assert report.level == 0
    elif kind == "noise":
        assert report.level is not None
        assert report.level > 0.02


def test_clipping_is_counted() -> None:
    picture = np.full((32, 48, 3), 100, np.uint8)
    picture[:8, :, 0] = 0
    picture[:, :12, 2] = 255
    report = unnoise.inspect(picture)
    assert report.black == [0.25, 0, 0]
    assert report.white == [0, 0, 0.25]


def test_values_cut_at_black_take_no_part_in_the_line() -> None:
    clean = ramp(256, 0.0, 0.6)
    noisy = np.clip(clean + 0.04 * np.random.default_rng(2).normal(size=clean.shape), 0, 1)
    fit = unnoise.inspect(noisy).channels[0].fit
    assert fit is not None
    assert fit.a * 0.05 + fit.b == pytest.approx(0.04**2, rel=0.15)


def test_depth_type_and_container_do_not_matter() -> None:
    eight = np.clip(128 + 9 * coloured((96, 96, 3), np.ones((2, 2))), 0, 255).astype(np.uint8)
    report = unnoise.inspect(eight)
    assert report.level is not None
    for other in (eight.astype(np.uint16) * 257, eight / 255, eight.astype(">u2") * 257):
        assert unnoise.inspect(other).level == pytest.approx(report.level, rel=1e-3)
    tensor = torch.from_numpy(eight).permute(2, 0, 1)
    assert unnoise.inspect(tensor[None]).level == pytest.approx(report.level, rel=1e-3)
    alpha = np.dstack([eight, np.random.default_rng(0).integers(0, 255, (96, 96), np.uint8)])
    assert unnoise.inspect(alpha) == report
    with pytest.raises(UsageError, match="batch of 2"):
        unnoise.inspect(torch.stack([tensor, tensor]))
    with pytest.raises(UsageError, match="NaN"):
        unnoise.inspect(np.full((20, 20), np.nan))


def test_turning_the_picture_turns_the_report() -> None:
    noisy = ramp(152) + 0.05 * coloured((152, 152), np.ones((3, 1)))
    one, other = unnoise.inspect(noisy), unnoise.inspect(noisy.T)
    np.testing.assert_allclose(np.array(one.autocorrelation).T, other.autocorrelation, atol=1e-3)
    assert one.autocorrelation is not None
    assert one.autocorrelation[9][8] > 0.5 > one.autocorrelation[8][9]


def test_large_pictures_are_measured_in_windows() -> None:
    noisy = np.random.default_rng(0).normal(0.5, 0.03, (1400, 1200))
    report = unnoise.inspect(noisy)
    assert report.level == pytest.approx(0.03, rel=0.05)
    assert unnoise.inspect(np.broadcast_to(np.float32(0.5), (20, 90_000))).level == 0


@pytest.mark.parametrize("crop", [(0, 0), (3, 6)])
def test_finds_the_grid_of_jpeg_and_where_it_begins(crop: tuple[int, int]) -> None:
    pytest.importorskip("pyvips")
    from unnoise.simulation.jpeg import jpeg_round_trip

    picture = np.clip(ramp(192) + 0.05 * coloured((192, 192), np.ones((3, 3))), 0, 1)
    row, column = crop
    plain = unnoise.inspect(picture[row:, column:])
    assert not plain.blocks_found
    report = unnoise.inspect(np.asarray(jpeg_round_trip(picture, 60))[row:, column:])
    assert report.blocks_found
    assert report.block_offset == (-row % 8, -column % 8)
    assert report.blocking > 3 * plain.blocking


@pytest.mark.data
def test_photographs_with_known_truth() -> None:
    from unnoise import images

    folder = data_dir("sidd_val")
    names = [f"{scene}_{block}.webp" for scene in range(25, 31) for block in ("07", "20")]
    errors = []
    for name in names:
        noisy, clean = (images.read(folder / kind / name).pixels for kind in ("noisy", "clean"))
        residual = noisy.astype(float) - clean
        residual -= residual.mean(axis=(0, 1))
        true = autocorrelation(residual, 2)
        report = unnoise.inspect(noisy)
        assert report.level is not None
        lags = [report.lag(lag) - (true[2, 2 + lag] + true[2 + lag, 2]) / 2 for lag in (1, 2)]
        errors.append([report.level * 255 / residual.std() - 1, *lags])
    level, lag1, lag2 = np.median(np.abs(errors), axis=0)
    assert level < 0.08
    assert max(lag1, lag2) < 0.05


def test_twelve_bits_in_sixteen_have_noise_too() -> None:
    noisy = ramp(256) + 0.05 * np.random.default_rng(0).normal(size=(256, 256))
    full, dim = (unnoise.inspect(np.clip(noisy * top, 0, top).astype(np.uint16)) for top in (65535, 3000))
    assert full.level is not None
    assert full.own_level is not None
    assert dim.own_level == pytest.approx(full.own_level * 3000 / 65535, rel=0.03)
    assert dim.unit == full.unit == "counts"
    assert dim.advice == full.advice is not None
    assert dim.notes == full.notes


def test_counts_of_photons_are_told_in_counts() -> None:
    """A hot pixel does not hide the others; the variance of counts is their mean."""
    random = np.random.default_rng(0)
    counts = random.poisson(300 + 5000 * ramp(192)).astype(np.float32)
    counts[5, 7] = 1e6
    report = unnoise.inspect(counts)
    assert report.scale is not None
    assert report.scale[1] < 6000
    fit = report.channels[0].fit
    assert fit is not None
    assert fit.holds
    told = fit.rescaled(*report.scale)
    assert told.a == pytest.approx(1, rel=0.1)
    assert told.b == pytest.approx(0, abs=300)
    assert report.level is not None
    own = report.level * (report.scale[1] - report.scale[0])
    assert own == pytest.approx(counts[counts < 1e5].mean() ** 0.5, rel=0.05)
    assert f"{own:.4g} in the picture's own values" in report.level_text()
    assert unnoise.inspect(torch.from_numpy(counts)) == report
    assert unnoise.inspect(np.full((40, 40), 300.0)).level == 0


def test_an_eight_bit_tensor_is_no_measurement() -> None:
    grey = np.clip(ramp(192) * 60 + 100 + np.random.default_rng(0).normal(0, 3, (192, 192)), 0, 255).astype(np.uint8)
    assert unnoise.inspect(torch.from_numpy(grey)).detail == pytest.approx(unnoise.inspect(grey).detail)
    assert unnoise.inspect(torch.from_numpy(grey)).advice == unnoise.inspect(grey).advice


def test_colours_on_another_scale_are_refused() -> None:
    with pytest.raises(UsageError, match=r"values from 300 to 300.*divide by the white level first\.$"):
        unnoise.inspect(np.full((40, 40, 3), 300.0))


def test_old_names_of_a_report_still_work_and_warn() -> None:
    report = unnoise.inspect(np.zeros((32, 32), np.uint8))
    with pytest.warns(DeprecationWarning, match="display_range"):
        assert report.shown == (0.0, 255.0)  # type: ignore[comparison-overlap]
    with pytest.warns(DeprecationWarning, match="level_text"):
        assert report.level_told() == report.level_text()
