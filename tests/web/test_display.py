"""Pictures as the page shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise import images
from unnoise.images.picture import Picture
from unnoise.web.display import OVERVIEW_PIXELS, Display, enlarged, overview, place, residual

SHARES = st.floats(0, 1)


@given(st.integers(1, 3000), st.integers(1, 3000), SHARES, SHARES, st.integers(1, 700))
def test_a_place_lies_in_the_picture_and_around_its_point(
    height: int, width: int, across: float, down: float, side: int
) -> None:
    rows, columns = place(height, width, across, down, side)
    for part, length, share in ((rows, height, down), (columns, width, across)):
        assert 0 <= part.start < part.stop <= length
        assert part.stop - part.start == min(side, length)
        assert part.start - 1 <= share * length <= part.stop + 1


def test_eight_bits_are_shown_as_they_are() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(Display(0, 255).to_bytes(values)[..., 1], values)
    np.testing.assert_array_equal(Display(0, 65535).to_bytes(values.astype(np.uint16) * 257)[..., 2], values)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.full((8, 8, 3), 200, np.uint8), 200),
        (np.full((8, 8, 4), 200, np.uint8), 200),  # with alpha
        (np.full((8, 8, 3), 25700, np.uint16), 100),
        (np.full((8, 8, 3), 0.5, np.float32), 128),
    ],
)
def test_photographs_span_their_type(pixels: np.ndarray, expected: int, tmp_path: Path) -> None:
    images.write(tmp_path / "a.tif", Picture(pixels))
    shown = overview(tmp_path / "a.tif").pixels
    assert shown.shape == (8, 8, 3)
    assert set(np.unique(shown)) == {expected}


def test_measurements_span_what_is_in_them(tmp_path: Path) -> None:
    counts = np.linspace(1000, 1100, 100 * 100).reshape(100, 100).astype(np.uint16)
    images.write(tmp_path / "a.tif", Picture(counts))
    shown = overview(tmp_path / "a.tif").pixels
    assert shown.min() == 0
    assert shown.max() == 255
    assert abs(shown.mean() - 128) < 3


def test_an_overview_is_the_mean_of_squares(tmp_path: Path) -> None:
    side = 3 * OVERVIEW_PIXELS // 2  # so that squares of 2 × 2 are joined
    pixels = np.random.default_rng(0).integers(0, 255, (side, 40), np.uint8)
    images.write(tmp_path / "a.png", Picture(pixels))
    seen = overview(tmp_path / "a.png")
    assert (seen.height, seen.width, seen.frames) == (side, 40, 1)
    means = pixels.reshape(side // 2, 2, 20, 2).mean((1, 3))
    np.testing.assert_array_equal(seen.pixels[..., 0], np.floor(means + 0.5))


def test_enlarged_pixels_are_blocks_and_the_residual_is_around_grey() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    large = enlarged(pixels, 6)
    assert large.shape == (6, 6, 3)
    np.testing.assert_array_equal(large[::3, ::3], pixels)
    assert len(np.unique(large[:3, :3].reshape(9, 3), axis=0)) == 1
    noisy, restored = np.full((1, 3, 3), 100, np.uint8), np.array([100, 90, 255], np.uint8).repeat(3).reshape(1, 3, 3)
    assert residual(noisy, restored)[0, :, 0].tolist() == [128, 168, 0]


@pytest.mark.parametrize("shape", [(3100, 1501), (1500, 2900, 3), (9, 4300, 3)])
def test_rows_and_columns_that_fill_no_square_are_left_out(shape: tuple[int, ...], tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    np.save(tmp_path / "a.npy", pixels)
    seen = overview(tmp_path / "a.npy", Display(0, 255))
    factor = -(-max(shape[:2]) // OVERVIEW_PIXELS)
    tall, wide = shape[0] // factor, shape[1] // factor
    squares = pixels[: tall * factor, : wide * factor].reshape(tall, factor, wide, factor, *shape[2:])
    expected = np.floor(squares.mean((1, 3)) + 0.5)
    expected = expected if len(shape) == 3 else np.repeat(expected[..., None], 3, 2)
    assert np.abs(seen.pixels - expected).max() <= 1  # float32
    assert (seen.pixels == expected).mean() > 0.999
