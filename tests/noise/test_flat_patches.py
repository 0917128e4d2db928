"""Level and line from patches whose powers are made up, so that the truth is exact; and what takes part in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unnoise
from unnoise.noise import flat_patches
from unnoise.noise.advice import advise, measure_detail
from unnoise.noise.autocovariance import PATCH_PIXELS
from unnoise.noise.flat_patches import NoiseCurve, PatchSpectra, extract_patches, measure_noise
from unnoise.noise.frequency_bands import sum_of_bands
from unnoise.noise.poisson_gaussian_fit import fit_line

Array = np.ndarray[Any, Any]
VARIANCE = 4e-4


def white(count: int, seed: int = 0) -> PatchSpectra:
    """Patches of white noise alone: each power is its variance times the square of a normal number."""
    random = np.random.default_rng(seed)
    powers = VARIANCE * random.normal(size=(count, 1, PATCH_PIXELS, PATCH_PIXELS)) ** 2
    return PatchSpectra(powers, random.uniform(0.3, 0.6, (count, 1)), np.zeros((count, 1)))


def test_patches_that_were_chosen_for_weak_noise_do_not_weaken_the_level() -> None:
    """What chooses must not be what is measured: of 100 patches the weakest 5 % have a quarter less than the mean."""
    measured = measure_noise(white(4000))
    assert measured is not None
    assert measured.variances[0] == pytest.approx(VARIANCE, rel=0.08)
    assert measured.covariance[0, 0] == pytest.approx(measured.variances[0], rel=0.05)
    assert abs(measured.covariance[0, 1]) < 0.05 * measured.covariance[0, 0]


def test_structure_in_one_half_of_the_frequencies_is_seen_by_the_other_alone() -> None:
    """Structure lies in both halves: patches that are quiet in either one are measured in the other, where it would show."""
    patches = white(4000)
    patches.powers[:3000] *= 9
    measured = measure_noise(patches)
    assert measured is not None
    assert measured.variances[0] == pytest.approx(VARIANCE, rel=0.08)


def test_patches_at_black_or_white_take_no_part() -> None:
    patches = white(4000)
    patches.powers[:2000] *= 0.01
    patches.cut[:2000] = 0.6
    measured = measure_noise(patches)
    assert measured is not None
    assert measured.variances[0] == pytest.approx(VARIANCE, rel=0.08)


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_pixels_at_both_ends_count_as_cut(end: float) -> None:
    window = np.full((PATCH_PIXELS, 2 * PATCH_PIXELS, 1), 0.5, np.float32)
    window[:4] = end
    assert extract_patches([window]).cut == pytest.approx(0.25)


def curve(cut: list[float], variance: Array, patches: list[int] | None = None) -> NoiseCurve:
    count = len(cut)
    return NoiseCurve(
        np.linspace(0.1, 0.8, count), np.asarray(variance), np.array(cut), np.array(patches or [50] * count, dtype=np.int64)
    )


def test_points_that_are_cut_take_no_part_in_the_line() -> None:
    line = 1e-3 * np.linspace(0.1, 0.8, 8) + 2e-4
    spoilt = line * [0.2, 0.5, 1, 1, 1, 1, 0.7, 0.3]
    fit = fit_line(curve([0.4, 0.02, 0, 0.005, 0, 0, 0.02, 0.3], spoilt))
    assert fit is not None
    assert (fit.a, fit.b) == pytest.approx((1e-3, 2e-4), rel=1e-6)
    assert fit.error < 1e-6
    assert fit_line(curve([0.02] * 6 + [0, 0], line)) is None


def test_points_weigh_as_they_are_known() -> None:
    """By their patches, and by one over the variance: an error in proportion at the bright end hardly moves the dark one."""
    line = 1e-2 * np.linspace(0.1, 0.8, 8) + 1e-5
    few = fit_line(curve([0.0] * 8, line * [1, 1, 1, 2, 1, 1, 1, 1], [1000, 1000, 1000, 1, 1000, 1000, 1000, 1000]))
    assert few is not None
    assert few.a == pytest.approx(1e-2, rel=0.01)
    off = fit_line(curve([0.0] * 8, line * [1, 1, 1, 1, 1, 1, 1, 1.2]))
    assert off is not None
    assert off.a * 0.1 + off.b == pytest.approx(1e-2 * 0.1 + 1e-5, rel=0.04)


def test_every_window_of_a_large_picture_takes_part() -> None:
    random = np.random.default_rng(0)
    picture = np.repeat([[0.3, 0.7]], 700, axis=1).repeat(1000, axis=0)  # (1000, 1400)
    noisy = picture + np.where(picture < 0.5, 0.02, 0.06) * random.normal(size=picture.shape)
    channel = unnoise.inspect(noisy).channels[0]
    for brightness, level in ((0.3, 0.02), (0.7, 0.06)):
        assert np.interp(brightness, channel.brightness, channel.sigma) == pytest.approx(level, rel=0.1)


def test_what_cannot_be_told_is_said() -> None:
    random = np.random.default_rng(0)
    few = unnoise.inspect(0.5 + 0.05 * random.normal(size=(24, 24)))
    assert any("these figures are rough" in note for note in few.notes)
    faint = unnoise.inspect(0.5 + 0.1 / 255 * random.normal(size=(96, 96, 3)))
    assert faint.advice is None
    assert faint.detail is None
    assert any("nothing to remove" in note for note in faint.notes)
    smooth = 0.05 * random.normal(size=(163, 163))
    smooth = sum(smooth[y : y + 160, x : x + 160] for y in range(4) for x in range(4)) / 4  # neighbours correlate by 0.75
    assert any("after smoothing" in note for note in unnoise.inspect(0.5 + smooth).notes)
    color = unnoise.inspect(0.5 + np.stack([smooth] * 3, -1))
    assert any("smoothed by a camera" in note for note in color.notes)
    plain = unnoise.inspect(0.5 + 0.05 * random.normal(size=(160, 160)))
    assert plain.notes == []
    assert plain.advice is not None


def test_detail_is_what_the_picture_has_beyond_its_noise() -> None:
    random = np.random.default_rng(0)
    rho = np.zeros((9, 9))
    rho[0, 0] = 1
    noise = 0.01 * random.normal(size=(160, 160, 3))
    assert measure_detail([noise], rho, 1e-4) < 0.15
    waves = 0.02 * np.sqrt(2) * np.sin(np.arange(160) * np.pi / 3)[:, None, None]  # opposite three pixels away: 4 variances
    fine = measure_detail([noise + waves], rho, 1e-4)
    assert fine > 2
    edge = np.where(np.arange(160) < 80, 0.2, 0.8)[:, None, None]
    assert measure_detail([noise + edge], rho, 1e-4) < 4 * 2 / 19 + 0.15  # two rows of blocks of nineteen, each at most 4


def test_inspect_measures_the_detail() -> None:
    random = np.random.default_rng(0)
    waves = 0.03 * np.sin(np.arange(160) * np.pi / 3)[:, None]
    plain, fine = (unnoise.inspect(0.5 + x + 0.01 * random.normal(size=(160, 160))).detail for x in (0 * waves, waves))
    assert plain is not None
    assert fine is not None
    assert plain < 0.2
    assert fine > 1


def test_a_point_that_structure_has_raised_is_lowered_to_its_neighbours() -> None:
    brightness, variance = np.array([0.3, 0.4, 0.5, 0.6, 0.7]), np.array([1.0, 1.0, 9.0, 1.0, 1.0])
    lowered = flat_patches._suppress_structure(brightness, variance, np.array([1.0, 1.0, 9.0, 1.0, 1.0]))
    assert lowered[2] < 1.5
    np.testing.assert_allclose(lowered[[0, 1, 3, 4]], 1)
    np.testing.assert_allclose(flat_patches._suppress_structure(brightness, variance, np.ones(5)), variance)


def test_no_distance_at_inference_is_wider_than_in_training_or_than_the_papers() -> None:
    def boxes(width: int) -> Array:
        along = np.maximum(0, 1 - np.arange(9) / width)
        return np.outer(along, along)

    assert advise(boxes(2), 0.0).infer_stride == 2
    wide = advise(boxes(3), 0.0)
    assert (wide.infer_stride, wide.infer_hole, wide.train_hole) == (3, 3, 5)
    assert wide.infer_diamond == wide.train_diamond - 1


def test_the_halves_are_disjoint_and_leave_out_slopes() -> None:
    one, other = flat_patches.halves()
    assert not (one & other).any()
    assert (one | other).sum() == PATCH_PIXELS**2 - 3
    assert abs(int(one.sum()) - int(other.sum())) <= 3


@pytest.mark.parametrize("bands", range(1, 8))
def test_sums_of_few_bands_round_as_those_of_numpy(bands: int) -> None:
    powers = np.random.default_rng(bands).lognormal(0, 3, (50, 3, 2, bands)).astype(np.float32)
    assert np.array_equal(sum_of_bands(powers), powers.sum(axis=-1))
