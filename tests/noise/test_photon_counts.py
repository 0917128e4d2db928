"""Counts of few photons are told from masks, labels, line art and dither, which have as few values."""

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
from unnoise.noise.photon_counts import are_photon_counts, photon_value
from unnoise.regions import RegionSource

Picture = NDArray[Any]


def told(x: Picture) -> bool:
    return are_photon_counts(RegionSource.of(torch.from_numpy(x.astype(np.float32))[None, None]), np.unique(x))


def scene(rng: np.random.Generator, side: int, blur: float) -> Picture:
    """Smooth structure with a mean of 1."""
    smooth = gaussian_filter(rng.random((side, side)), blur)
    smooth = (smooth - smooth.min()) ** 2
    return smooth / smooth.mean()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    mean=st.floats(0.12, 3),
    blur=st.floats(2.5, 12),
    side=st.integers(96, 200),
    gain=st.sampled_from([1, 0.1, 7]),
)
def test_counts_of_structured_scenes_are_counts(seed: int, mean: float, blur: float, side: int, gain: float) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(mean * scene(rng, side, blur))
    assert told(gain * counts)
    assert told(gain * counts.clip(max=1)) or mean > 1  # a detector that counts one photon at most


@given(st.floats(3, 60), st.integers(2, 40))
def test_photons_of_some_steps_in_8_bits_are_known_by_their_multiples(steps: float, most: int) -> None:
    values = np.unique(np.rint(steps * np.arange(most + 1)).clip(max=255)) / 255
    found = photon_value(values)
    assert found is not None
    if steps * most < 254:  # else the last one may be all that tells
        assert 255 * found == pytest.approx(steps, abs=0.5 + 0.01 * steps)


def test_values_that_are_no_multiples_have_no_photon() -> None:
    assert photon_value(np.array([0, 3, 7, 100]) / 7) is None
    assert photon_value(np.array([0, 100, 171, 200]) / 255) is None


@pytest.mark.parametrize("white", [1.0, 1.25])
def test_photons_in_8_bits_are_restored(white: float) -> None:
    clean = 3 * scene(np.random.default_rng(0), 128, 6)
    counts = np.random.default_rng(1).poisson(clean)
    step = 255 / 7 / white  # no whole number
    noisy = np.rint(step * counts).clip(max=255).astype(np.uint8)
    restored = unnoise.denoise(noisy, "fast") / step
    assert np.mean((restored - clean) ** 2) < 0.15 * np.mean((noisy / step - clean) ** 2)


def ordered(shade: Picture) -> Picture:
    bayer = np.array([[0, 2], [3, 1]])
    for _ in range(2):
        bayer = np.block([[4 * bayer, 4 * bayer + 2], [4 * bayer + 3, 4 * bayer + 1]])
    return shade * 64 > np.tile(bayer, (len(shade) // 8 + 1,) * 2)[: len(shade), : len(shade)] + 0.5


def diffused(shade: Picture) -> Picture:
    """Floyd and Steinberg's error diffusion."""
    left = np.pad(shade, ((0, 1), (1, 1)))
    made = np.zeros(shade.shape)
    for row in range(len(shade)):
        for column in range(1, len(shade) + 1):
            made[row, column - 1] = left[row, column] > 0.5
            error = left[row, column] - made[row, column - 1]
            left[row, column + 1] += error * 7 / 16
            left[row + 1, column - 1 : column + 2] += error * np.array([3, 5, 1]) / 16
    return made


def walks(rng: np.random.Generator, side: int) -> Picture:
    """Thin lines that wander in all directions."""
    made = np.zeros((side, side))
    for _ in range(12):
        angles = np.cumsum(rng.normal(0, 0.2, 200))
        path = rng.random(2) * side + np.cumsum(np.stack([np.sin(angles), np.cos(angles)], 1), 0)
        rows, columns = (path.round().astype(int) % side).T
        made[rows, columns] = 1
    return made


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.05, 0.9), blur=st.floats(1.2, 9))
def test_masks_and_labels_are_none(seed: int, share: float, blur: float) -> None:
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.random((128, 128)), blur)
    assert not told(smooth > np.quantile(smooth, 1 - share))
    assert not told(np.digitize(smooth, np.quantile(smooth, [0.2, 0.5, 0.9])))
    assert not told(walks(rng, 128))


@pytest.mark.parametrize("mean", [0.1, 0.3, 0.7])
def test_dither_and_dots_are_none(mean: float) -> None:
    rng = np.random.default_rng(0)
    shade = mean * scene(rng, 96, 12).clip(max=1 / mean)
    assert not told(ordered(shade))
    assert not told(diffused(shade))
    dots = np.zeros((96, 96))
    dots[4::8, 4::8] = 1
    assert not told(dots)


def test_numbers_that_are_no_multiples_are_none() -> None:
    rng = np.random.default_rng(0)
    assert not told(rng.choice([0, 2, 3], (96, 96)))
    assert not told(1 + rng.poisson(0.3, (96, 96)))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_faint_counts_lose_noise_and_keep_their_light(dtype: str) -> None:
    rng = np.random.default_rng(1)
    clean = 0.2 * scene(rng, 128, 8)
    for counts in (rng.poisson(clean), rng.poisson(clean).clip(max=1)):
        made = unnoise.denoise(counts.astype(dtype), "fast", dtype="float32").astype(float)
        assert np.std(made - gaussian_filter(clean, 1)) < 0.35 * np.std(counts - clean)
        assert abs(made.mean() / counts.mean() - 1) < 0.02
