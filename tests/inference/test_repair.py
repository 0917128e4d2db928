"""Outliers, gaps and constant regions: found, hidden from the network, and put back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

import unnoise
from unnoise import images
from unnoise.errors import UnnoiseWarning, UsageError
from unnoise.inference.repair import repair
from unnoise.inference.row_blocks import BLOCK_ROWS
from unnoise.inference.sources import STRIP_PIXELS, PixelSource, source_of_tensor

Picture = NDArray[Any]


def scene(seed: int, height: int = 96, width: int = 128) -> tuple[Picture, Picture]:
    """A smooth scene of 400 to 3000 counts, clean and with noise."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.random((height, width)), 6)
    clean = 400 + 2000 * (smooth - smooth.min()) / np.ptp(smooth)
    return clean, (clean + rng.normal(0, 50, clean.shape)).clip(0).round().astype(np.uint16)


def source_of(pixels: Picture, missing: Picture | None = None) -> PixelSource:
    noisy, form = images.to_tensor(pixels)
    gaps = None if missing is None else torch.from_numpy(missing)[None, None]
    return source_of_tensor(noisy, form, missing=gaps)


def rms(x: Picture) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=float))))


@pytest.mark.parametrize("share", [0.0005, 0.0011, 0.0054, 0.05, 0.2])
def test_hot_pixels_change_nothing_around_them(share: float) -> None:
    rng = np.random.default_rng(0)
    x = (500 + rng.normal(0, 10, (128, 128))).round().astype(np.uint16)
    hot = np.zeros(x.shape, bool)
    hot.flat[rng.choice(x.size, int(share * x.size), replace=False)] = True
    x[hot] = 60000
    y = unnoise.denoise(x, "fast")
    assert rms(y[~hot] - 500.0) <= (1.2 if share < 0.01 else 2)  # 1 where the picture is larger
    assert np.array_equal(y[hot], x[hot])


@given(seed=st.integers(0, 2**31), share=st.sampled_from([0.001, 0.01, 0.05]), height=st.integers(40, 90))
@settings(max_examples=10, deadline=None)
def test_hot_and_dead_pixels_are_found_and_no_others(seed: int, share: float, height: int) -> None:
    rng = np.random.default_rng(seed)
    _, x = scene(seed, height, 120)
    chosen = rng.choice(x.size, int(share * x.size), replace=False)
    x.flat[chosen] = rng.integers(8000, 60000, len(chosen)) * rng.integers(0, 2, len(chosen))
    found = repair(source_of(x), measured=True)
    kept = found.kept(slice(0, height), slice(0, 120))[0, 0].numpy()
    right = np.zeros(x.shape, bool)
    right.flat[chosen] = True
    dead = right & (x == 0)
    assert (kept & right & ~dead).sum() >= 0.99 * (right & ~dead).sum()
    assert not (kept & ~right).any()
    assert found.hot_count == kept.sum()


@pytest.mark.parametrize("mean", [0.01, 0.3, 2, 40])
def test_counts_of_photons_are_no_hot_pixels(mean: float) -> None:
    x = np.random.default_rng(1).poisson(mean, (512, 512)).astype(np.uint16)
    assert repair(source_of(x), measured=True).hot_count <= 2


def test_stars_and_thin_lines_of_optics_are_no_hot_pixels() -> None:
    rng = np.random.default_rng(0)
    sky = np.zeros((128, 128))
    sky[rng.integers(8, 120, 40), rng.integers(8, 120, 40)] = 10 ** rng.uniform(3, 5, 40)
    x = rng.poisson(200 + gaussian_filter(sky, 0.8)).astype(np.uint16)
    assert repair(source_of(x), measured=True).hot_count == 0


def test_hot_pixels_are_removed_where_that_is_asked_for() -> None:
    clean, x = scene(3)
    hot = np.zeros(x.shape, bool)
    hot.flat[np.random.default_rng(0).choice(x.size, 100, replace=False)] = True
    x[hot] = 60000
    with pytest.warns(UnnoiseWarning, match="100 hot or dead pixels"):
        y = unnoise.denoise(x, "fast", hot_pixels="auto")
    assert rms(y[hot] - clean[hot]) < 60
    with pytest.raises(UsageError, match="keep, remove, auto"):
        unnoise.denoise(x, "fast", hot_pixels="all")


def test_what_was_drawn_in_one_value_is_not_removed() -> None:
    _, x = scene(2)
    x[80:82, 20:60] = 65535  # a thin scale bar, and a hot pixel of the same value
    x[30, 30] = 65535
    with pytest.warns(UnnoiseWarning, match="had 1 hot or dead pixel replaced"):
        y = unnoise.denoise(x, "fast", hot_pixels="auto")
    assert (y[80:82, 20:60] == 65535).all()
    assert y[30, 30] < 4000


def test_photographs_keep_their_hot_pixels_unless_told_otherwise() -> None:
    rng = np.random.default_rng(0)
    x = (100 + rng.normal(0, 5, (64, 64, 3))).round().astype(np.uint8)
    plain = unnoise.denoise(x, "fast")
    x[20, 30] = 255
    assert repair(source_of(x), measured=False).hot_count == 0
    assert repair(source_of(x), measured=False, hot="auto").hot_count == 0
    with pytest.warns(UnnoiseWarning, match="hot"):
        y = unnoise.denoise(x, "fast", hot_pixels="remove")
    assert abs(y[20, 30].astype(int) - plain[20, 30].astype(int)).max() < 12


@pytest.mark.parametrize("kind", ["nan", "value", "mask", "fill", "masked array"])
def test_gaps_stay_and_the_picture_beside_is_as_if_it_ended_there(kind: str) -> None:
    clean, x = scene(5)
    gap = np.zeros(x.shape, bool)
    gap[:, :30] = gap[40:60, 70:90] = True
    options: dict[str, Any] = {}
    given: Any = x.copy()
    if kind == "nan":
        given = x.astype(np.float32)
        given[gap] = np.nan
    elif kind == "value":
        given = x.astype(np.float64)
        given[gap], options["missing"] = -9999, -9999
    elif kind == "mask":
        given[gap], options["mask"] = 7, gap
    elif kind == "masked array":
        given = np.ma.MaskedArray(given, gap)
    else:
        given[gap] = 0
    y = unnoise.denoise(given, "fast", **options)
    assert y.dtype == given.dtype
    assert np.array_equal(np.asarray(y)[gap], np.asarray(given)[gap], equal_nan=kind == "nan")
    assert isinstance(y, np.ma.MaskedArray) == (kind == "masked array")
    whole = unnoise.denoise(x, "fast")
    assert 20 * np.log10(rms(np.asarray(y)[~gap] - clean[~gap]) / rms(whole[~gap] - clean[~gap])) < 0.3


def test_a_gap_costs_no_more_than_the_edge_of_the_picture() -> None:
    """Values of single noisy pixels, spread into the gap, cost 1.0 dB in the 16 columns beside it; the edge costs 0.5."""
    lost = []
    for seed in range(3):
        clean, x = scene(seed)
        gap = x.astype(np.float32)
        gap[:, :40] = np.nan
        beside = slice(0, 96), slice(40, 56)
        results = unnoise.denoise(gap, "fast"), unnoise.denoise(x, "fast")
        lost.append([rms(y[beside] - clean[beside]) for y in results])
    with_gap, without = np.mean(lost, axis=0)
    assert 20 * np.log10(with_gap / without) < 0.5


def test_a_scale_bar_changes_nothing_beside_it() -> None:
    clean, x = scene(7)
    x[70:78, 30:100] = 65535
    bar = x == 65535
    y = unnoise.denoise(x, "fast")
    whole = unnoise.denoise(np.where(bar, clean.round().astype(np.uint16), x), "fast")
    assert (y[bar] == 65535).all()
    assert 20 * np.log10(rms(y[~bar] - clean[~bar]) / rms(whole[~bar] - clean[~bar])) < 0.3


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3, 0.6, 0.95])
def test_frames_of_single_photons_have_no_constant_regions(share: float) -> None:
    x = (np.random.default_rng(0).random((128, 128)) < share).astype(np.uint16)
    assert repair(source_of(x), measured=True).missing_count == 0


@pytest.mark.parametrize("mean", [0.02, 0.2, 1, 4])
def test_zeros_of_counts_are_no_fill(mean: float) -> None:
    x = np.random.default_rng(0).poisson(mean, (128, 128)).astype(np.uint16)
    assert repair(source_of(x), measured=True).missing_count == 0


def test_pixels_that_alpha_hides_stay() -> None:
    rng = np.random.default_rng(0)
    x = (120 + rng.normal(0, 15, (48, 48, 4))).clip(0, 255).astype(np.uint8)
    x[..., 3] = 255
    x[:, :20] = 0
    y = unnoise.denoise(x, "fast")
    assert np.array_equal(y[:, :20], x[:, :20])
    assert y[:, 20:, :3].std() < 0.7 * x[:, 20:, :3].std()


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(UsageError, match="mask of its rows and columns"):
        unnoise.denoise(np.zeros((8, 9), np.uint16), "fast", mask=np.zeros((9, 8)))


def test_blocks_of_rows_agree_with_any_other_reading() -> None:
    _, x = scene(1, 2 * BLOCK_ROWS + 60, 40)
    x[250:262, 5:12] = 0
    x[300, 20] = 60000
    missing = np.zeros(x.shape, bool)
    missing[200:280, 30:] = True
    source = source_of(x, missing)
    whole = repair(source, measured=True)
    file = PixelSource(
        source.size, source.read, layout=source.layout, dtype=source.dtype, white=source.white, missing=source.missing,
        strip_pixels=STRIP_PIXELS,
    )  # fmt: skip
    part = slice(190, 320), slice(3, 35)
    assert torch.equal(repair(file, measured=True).source.read(*part), whole.source.read(*part))
    every = tuple(slice(0, length) for length in source.size)
    untouched = ~whole.kept(*every)
    assert torch.equal(whole.source.read(*every)[untouched], source.read(*every)[untouched])
    assert whole.source.read(*every)[..., 300, 20] < 0.1
