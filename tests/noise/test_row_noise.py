"""Row and column noise: found where it was put, nowhere else, and removed without changing means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import unnoise
from unnoise.errors import UsageError
from unnoise.inference.options import DenoiseOptions
from unnoise.noise.row_noise import measure_row_noise
from unnoise.regions import RegionSource

Array = np.ndarray[Any, Any]


def blobs(height: int, width: int) -> Array:
    """A smooth scene of 600 to 1400 counts whose rows have nothing in common."""
    y, x = np.mgrid[:height, :width]
    return 1000 + 200 * np.sin(x / 11 + np.sin(y / 19)) + 200 * np.cos(y / 13 + x / 7)


def found_in(picture: Array) -> Any:
    return measure_row_noise(RegionSource.of(picture[None, None]))[0]  # type: ignore[type-var]


def left_of(offsets: Array, found: Array | None) -> float:
    """The standard deviation of what is left, as a share."""
    return float(np.std(offsets - (0 if found is None else found)) / np.std(offsets))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(128, 300), st.integers(128, 300), st.floats(0.8, 3))
def test_offsets_are_found_in_rows_and_in_columns(seed: int, height: int, width: int, ratio: float) -> None:
    rng = np.random.default_rng(seed)
    white, rows = rng.normal(0, 20, (height, width)), rng.normal(0, 20 * ratio, height)
    found = found_in(blobs(height, width) + white + rows[:, None])
    assert 0.6 < found.row_sigma / np.std(rows) < 1.5
    assert left_of(rows, found.rows) < 0.55
    assert abs(found.rows.mean()) < 1e-4 * found.row_sigma
    turned = found_in((blobs(height, width) + white + rows[:, None]).T)
    assert turned.rows is found.columns is None
    np.testing.assert_allclose(turned.columns, found.rows, rtol=1e-3, atol=0.5)


def test_next_to_nothing_is_left_where_the_scene_is_plain() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(0, 10, 512)
    plain = found_in(500 + rng.normal(0, 10, (512, 512)) + rows[:, None])
    assert left_of(rows - rows.mean(), plain.rows) < 0.1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(64, 200), st.integers(64, 200))
def test_chance_is_no_row_noise(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    assert found_in(blobs(height, width) + rng.normal(0, 20, (height, width))).is_none
    assert found_in(rng.poisson(3, (height, width)).astype(float)).is_none


def test_scenes_whose_edges_deviate_are_no_row_noise() -> None:
    """Replaced outliers must not give segments something in common: this found row noise in one of twenty pictures."""
    for seed in range(100):
        rng = np.random.default_rng(seed)
        height, width = rng.integers(64, 200, 2)
        assert found_in(blobs(height, width) + rng.normal(0, 20, (height, width))).is_none, seed


def test_structure_is_no_row_noise() -> None:
    rng = np.random.default_rng(2)
    scene = blobs(256, 256)
    scene[100:108, 40:130] = 5000  # a scale bar
    scene[150:] += 300  # a horizon
    scene[60:63, :120] -= 200  # an edge over less than half of the width
    assert found_in(scene + rng.normal(0, 20, scene.shape)).is_none


def test_a_scale_bar_and_hot_pixels_do_not_disturb() -> None:
    rng = np.random.default_rng(3)
    scene, rows = blobs(256, 256), rng.normal(0, 20, 256)
    noisy = scene + rng.normal(0, 20, scene.shape) + rows[:, None]
    noisy[100:108, 40:130] = 65535
    noisy.flat[rng.choice(noisy.size, 400, replace=False)] = 60000
    assert left_of(rows, found_in(noisy).rows) < 0.4


def test_strips_agree_with_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    noisy = blobs(200, 150) + rng.normal(0, 20, (200, 150)) + rng.normal(0, 20, (200, 1))
    whole = found_in(noisy)
    monkeypatch.setattr("unnoise.noise.row_noise.STRIP_PIXELS", 1500)
    np.testing.assert_allclose(found_in(noisy).rows, whole.rows, rtol=1e-5)


@pytest.fixture(scope="module")
def pictures() -> tuple[Array, Array]:
    """A measurement with row noise as strong as its white noise, and the same without."""
    rng = np.random.default_rng(5)
    plain = blobs(160, 160) + rng.normal(0, 40, (160, 160))
    return tuple((plain + rows).round().astype(np.uint16) for rows in (rng.normal(0, 40, (160, 1)), 0))  # type: ignore[return-value]


def row_error(result: Array) -> float:
    """Standard deviation over rows of the error of their means, in counts."""
    return float(np.std((result - blobs(160, 160)).mean(1)))


def test_denoise_removes_row_noise_of_measurements(pictures: tuple[Array, Array]) -> None:
    striped, plain = pictures
    kept, removed = (unnoise.denoise(striped, row_noise=choice).astype(float) for choice in ("keep", "auto"))
    assert row_error(removed) < 0.65 * row_error(kept)
    assert abs(removed.mean() - striped.mean()) < 1
    assert np.array_equal(unnoise.denoise(plain), unnoise.denoise(plain, row_noise="keep"))


def test_denoise_leaves_photographs_alone_unless_asked(pictures: tuple[Array, Array]) -> None:
    striped = (pictures[0] / 8).clip(0, 255).astype(np.uint8)
    photograph = np.stack([striped, striped.T, 255 - striped], -1)
    auto, kept, removed = (unnoise.denoise(photograph, row_noise=choice) for choice in ("auto", "keep", "remove"))
    assert np.array_equal(auto, kept)
    assert not np.array_equal(removed, kept)


def test_strength_mixes_with_the_picture_as_it_came(pictures: tuple[Array, Array]) -> None:
    striped = pictures[0].astype(np.float32)
    whole, half = unnoise.denoise(striped), unnoise.denoise(striped, strength=0.5)
    np.testing.assert_allclose(half, (striped + whole) / 2, rtol=1e-3)


def test_each_picture_of_a_batch_has_its_own_offsets(pictures: tuple[Array, Array]) -> None:
    striped, plain = (torch.from_numpy(x.astype(np.float32))[None] for x in pictures)
    batch = unnoise.denoise(torch.stack([striped, plain]))
    assert torch.equal(batch[1], unnoise.denoise(plain))
    torch.testing.assert_close(batch[0], unnoise.denoise(striped))


def test_inspect_tells_the_share_of_row_noise(pictures: tuple[Array, Array]) -> None:
    striped, plain = (unnoise.inspect(picture) for picture in pictures)
    assert 0.3 < striped.row_share < 0.65
    assert striped.column_share == plain.row_share == plain.column_share == 0
    assert "row / column noise" in striped._repr_html_()
    assert "row / column noise" not in plain._repr_html_()


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(UsageError, match="auto, remove or keep, not 'yes'"):
        DenoiseOptions(row_noise="yes")


@pytest.mark.parametrize(("pitch", "width"), [(4, 1), (16, 4), (9, 3)])
@pytest.mark.parametrize("sigma", [1.0, 30.0])
def test_the_lines_of_a_grid_are_no_row_noise(pitch: int, width: int, sigma: float) -> None:
    y, x = np.mgrid[:256, :256]
    grid = 1000.0 * ((x % pitch < width) | (y % pitch < width))
    noisy = grid + np.random.default_rng(0).normal(0, sigma, grid.shape)
    (found,) = measure_row_noise(RegionSource.of(noisy[None, None]))
    assert found.is_none
