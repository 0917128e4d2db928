"""Frames that are restored with their neighbours: what they gain, and that nothing of a neighbour shows where it differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

import unnoise
from unnoise.batch.one_file import denoise_file
from unnoise.errors import UsageError
from unnoise.inference import sources

Array = NDArray[Any]
FRAMES, SIDE = 5, 64
CELL = slice(24, 40), slice(24, 40)
few = settings(max_examples=2, deadline=None, derandomize=True)


def still(seed: int = 0) -> Array:
    """A scene in photons, (H, W)."""
    smooth = gaussian_filter(np.random.default_rng(seed).random((SIDE, SIDE)), 4)
    scene: Array = 40 + 60 * (smooth - smooth.min()) / np.ptp(smooth)
    return scene


def expose(clean: Array, seed: int = 0) -> Array:
    """Photons with read noise, float32."""
    draw = np.random.default_rng([seed, 1])
    return (draw.poisson(clean) + draw.normal(0, 2, clean.shape)).astype(np.float32)


def denoise(x: Array, neighbours: int = 2, **options: Any) -> Array:
    given: dict[str, Any] = {"axes": "TYX", "precision": "float32", **options}
    made: Array = unnoise.denoise(x, "fast", neighbours=neighbours, **given)
    return made


def mean_square(x: Array, clean: Array) -> float:
    return float(np.mean((x.astype(np.float64) - clean) ** 2))


@few
@given(seed=st.integers(0, 2**31))
def test_a_still_scene_gains_from_all_its_frames(seed: int) -> None:
    clean = np.broadcast_to(still(seed), (FRAMES, SIDE, SIDE))
    noisy = expose(clean, seed)
    assert mean_square(denoise(noisy)[2], clean[2]) < 0.6 * mean_square(denoise(noisy, 0)[2], clean[2])


def test_a_bleaching_scene_gains_and_keeps_its_brightness() -> None:
    clean = still() * np.exp(-np.arange(FRAMES) / 12)[:, None, None]
    noisy = expose(clean)
    result = denoise(noisy)
    assert mean_square(result, clean) < 0.75 * mean_square(denoise(noisy, 0), clean)
    assert result[2].mean() == pytest.approx(clean[2].mean(), rel=0.005)


@pytest.mark.parametrize("contrast", [8.0, 20.0, 80.0])
def test_a_cell_that_appears_leaves_no_ghost(contrast: float) -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    cell = contrast * np.exp(-((((rows - 32) ** 2 + (columns - 32) ** 2) / 50) ** 2))
    clean = np.stack([still() + (cell if frame >= 3 else 0) for frame in range(6)])
    before, alone = 0.0, 0.0
    for seed in range(2):
        noisy = expose(clean, seed)
        result, single = denoise(noisy), denoise(noisy, 0)
        for frame in (2, 3):
            before += mean_square(result[frame][CELL], clean[frame][CELL])
            alone += mean_square(single[frame][CELL], clean[frame][CELL])
    assert before < 1.02 * alone


def test_what_a_frame_becomes_depends_on_its_neighbours_alone() -> None:
    noisy = expose(np.broadcast_to(still(), (FRAMES, SIDE, SIDE)))
    result = denoise(noisy, 1)
    noisy[4] = 7 * noisy[4, ::-1] + 3
    again = denoise(noisy, 1)
    np.testing.assert_array_equal(again[:3], result[:3])
    assert not np.array_equal(again[3], result[3])


def test_no_neighbours_is_frame_by_frame() -> None:
    noisy = expose(np.broadcast_to(still(), (2, SIDE, SIDE)))
    plain = unnoise.denoise(noisy, "fast", axes="TYX", precision="float32")
    np.testing.assert_array_equal(denoise(noisy, 0), plain)
    np.testing.assert_array_equal(denoise(noisy[:1], 2), plain[:1])  # a stack of one
    np.testing.assert_array_equal(denoise(noisy, 2, strength=0), noisy)


def test_strength_mixes_with_the_noisy_frame() -> None:
    noisy = expose(np.broadcast_to(still(), (3, SIDE, SIDE)))
    np.testing.assert_allclose(denoise(noisy, 1, strength=0.25), 0.75 * noisy + 0.25 * denoise(noisy, 1), rtol=1e-5)


def test_channels_do_not_see_each_other() -> None:
    noisy = expose(np.stack([np.stack([still(1), still(2)])] * 3))  # TCYX
    result = denoise(noisy, 1, axes="TCYX")
    np.testing.assert_allclose(denoise(noisy[:, ::-1].copy(), 1, axes="TCYX")[:, ::-1], result, rtol=1e-5)
    np.testing.assert_allclose(denoise(noisy[:, 0].copy(), 1), result[:, 0], rtol=1e-5)


@few
@given(scale=st.floats(1e-4, 1e4), offset=st.floats(0, 300))
def test_scale_and_offset_make_no_difference(scale: float, offset: float) -> None:
    noisy = expose(np.broadcast_to(still(), (3, SIDE, SIDE))).astype(np.float64) + 10
    expected = denoise(noisy, 1)
    result = denoise(scale * (noisy + offset), 1) / scale - offset
    np.testing.assert_allclose(result, expected, atol=0.02 * np.ptp(expected))


def test_flipping_time_and_space_changes_nothing() -> None:
    noisy = expose(np.broadcast_to(still(), (3, SIDE, SIDE)))
    result = denoise(noisy, 1)
    np.testing.assert_allclose(denoise(noisy[::-1].copy(), 1)[::-1], result, rtol=1e-4)


def test_gaps_stay_and_do_not_spread_to_neighbours() -> None:
    noisy = expose(np.broadcast_to(still(), (3, SIDE, SIDE)))
    noisy[1, 20:30, 20:30] = np.nan
    result = denoise(noisy, 1)
    assert np.isnan(result[1, 20:30, 20:30]).all()
    assert np.isfinite(result[[0, 2]]).all()
    assert mean_square(result[0, 20:30, 20:30], still()[20:30, 20:30]) < 20


@pytest.mark.parametrize("small_strips", [False, True])
def test_files_become_what_arrays_become(tmp_path: Path, small_strips: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if small_strips:
        monkeypatch.setattr(sources, "STRIP_PIXELS", 40 * SIDE)
    stack = np.rint(expose(np.broadcast_to(still(), (3, 2, SIDE, SIDE)))).clip(0).astype(np.uint16)
    stack[:, 1] //= 2
    expected = denoise(stack, 1, axes="TZYX")
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, ome=True, metadata={"axes": "TZYX"})
    tifffile.imwrite(tmp_path / "pages.tif", stack[:, 0], photometric="minisblack", metadata=None)
    np.save(tmp_path / "a.npy", stack)
    model = unnoise.load("fast")
    for name, axes in (("a.ome.tif", None), ("a.npy", "TZYX")):
        denoise_file(model, tmp_path / name, tmp_path / f"b.{name}", axes=axes, neighbours=1, precision="float32")
    denoise_file(model, tmp_path / "pages.tif", tmp_path / "b.tif", neighbours=1, precision="float32")
    for found, wanted in (
        (tifffile.imread(tmp_path / "b.a.ome.tif"), expected),
        (np.load(tmp_path / "b.a.npy"), expected),
        (tifffile.imread(tmp_path / "b.tif"), expected[:, 0]),
    ):
        assert found.dtype == np.uint16
        assert np.abs(found.astype(int) - wanted).max() <= 1
        assert (found == wanted).mean() > 0.99


def test_colors_gain_too() -> None:
    draw = np.random.default_rng(0)
    clean = np.stack([still(seed) for seed in range(3)], axis=-1) / 128
    clean = clean.mean(-1, keepdims=True) * 0.8 + 0.2 * clean  # a photograph's channels have much in common
    noisy = (255 * (clean + draw.normal(0, 0.06, (3, *clean.shape)))).round().clip(0, 255).astype(np.uint8)
    result, single = (denoise(noisy, count, axes="TYXS")[1] / 255 for count in (1, 0))
    assert mean_square(result, clean) < 0.8 * mean_square(single, clean)


def test_a_report_with_neighbours_is_refused() -> None:
    with pytest.raises(UsageError, match="report"):
        unnoise.denoise(np.zeros((3, 8, 8), np.uint16), "fast", axes="TYX", neighbours=1, report=True)


def test_a_single_picture_has_no_neighbours() -> None:
    with pytest.raises(UsageError, match="single picture"):
        unnoise.denoise(np.zeros((8, 8), np.uint16), "fast", neighbours=1)


def test_containers_know_neighbours(tmp_path: Path) -> None:
    import dask.array

    noisy = expose(np.stack([still()[:32, :32]] * 10))  # dask has two chunks of them
    expected = denoise(noisy, 1)
    lazy = unnoise.denoise(dask.array.from_array(noisy), "fast", axes="TYX", precision="float32", neighbours=1)
    np.testing.assert_allclose(lazy.compute(scheduler="synchronous"), expected, rtol=1e-4)
    tifffile.imwrite(tmp_path / "a.tif", noisy, metadata={"axes": "TYX"})
    found = unnoise.denoise(tmp_path / "a.tif", "fast", precision="float32", neighbours=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
