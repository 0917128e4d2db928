"""Masks, labels, palettes and dither are known; photographs, counts and noisy charts are not taken for them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unnoise.noise import synthetic_images
from unnoise.noise.synthetic_images import _equal_cells, all_channels_equal, noise_free, synthetic_kind
from unnoise.regions import RegionSource

STEP = 1 / 255


def tensor(pixels: np.ndarray) -> Tensor:
    """(H, W) or (H, W, C) in steps of 255 → (1, C, H, W)."""
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    return torch.from_numpy(np.clip(np.round(pixels), 0, 255) / 255).float().permute(2, 0, 1)[None]


def kind(pixels: np.ndarray) -> str | None:
    return synthetic_kind(RegionSource.of(tensor(pixels)), STEP)


@settings(max_examples=20, deadline=None)
@given(low=st.integers(0, 254), high=st.integers(1, 255), share=st.floats(0.01, 0.99), seed=st.integers(0, 99))
def test_any_two_values_are_known(low: int, high: int, share: float, seed: int) -> None:
    where = np.random.default_rng(seed).random((64, 64)) < share
    where[0, :2] = True, False
    pixels = np.where(where, low, high)
    found = kind(pixels)
    assert found is None if low == high else found is not None and found.startswith("only two values, ")
    assert kind(np.repeat(pixels[..., None], 3, 2)) == kind(pixels)


def test_palettes_labels_and_dither_are_known() -> None:
    random = np.random.default_rng(0)
    colours = random.integers(0, 256, (40, 3))
    assert kind(colours[random.integers(0, 40, (96, 96))]) == "only 40 colours, among which noise cannot be told from dither"
    areas = np.kron(random.integers(0, 40, (12, 12)), np.ones((24, 24), int))
    assert kind(colours[areas]) == "only 40 colours, in areas of one colour each, and no noise to remove"
    labels = np.kron(random.integers(0, 9, (12, 12)), np.ones((24, 24)))
    assert kind(labels) == "only 9 values, in areas of one value each, and no noise to remove"
    dither = 60 * np.floor(np.linspace(0, 3, 128) + random.random((128, 128)))
    assert kind(dither) == "only 4 shades, far apart, among which noise cannot be told from dither"


@pytest.mark.parametrize("mean", [0.5, 2.0, 8.0])
def test_counts_of_photons_are_not(mean: float) -> None:
    assert kind(np.random.default_rng(1).poisson(mean, (128, 128)).astype(float)) is None


def test_noise_is_not_a_palette() -> None:
    random = np.random.default_rng(2)
    assert kind(120 + random.normal(0, 2, (96, 96, 3))) is None
    assert kind(120 + random.normal(0, 5, (96, 96))) is None


def test_few_values_are_chance_in_a_small_picture() -> None:
    assert kind(np.random.default_rng(3).integers(0, 256, (8, 8, 3))) is None


def test_a_palette_beside_a_photograph_is_no_palette() -> None:
    """What the middle rows show is not all."""
    pixels = np.zeros((600, 200, 3))
    pixels[::2] = 90
    pixels[:60] = np.random.default_rng(4).integers(0, 256, (60, 200, 3))
    assert kind(pixels) is None


def test_a_screenshot_is_exact_around_the_photograph_in_it() -> None:
    random = np.random.default_rng(5)
    screen = np.full((256, 256, 3), 240.0)
    screen[10:30:4, 20:230:3] = 20  # text
    photo = slice(96, 224)
    screen[photo, photo] = 100 + random.normal(0, 4, (128, 128, 3))
    found = noise_free(tensor(screen))[0, 0]
    assert not found[photo, photo].any()
    assert found[:80].float().mean() > 0.9
    assert found[240:].all()


@pytest.mark.parametrize("sigma", [0.8, 3])
def test_noise_and_what_is_cut_off_is_never_exact(sigma: float) -> None:
    random = np.random.default_rng(6)
    assert not noise_free(tensor(100 + random.normal(0, sigma, (128, 128, 3)))).any()
    assert not noise_free(tensor(-2 * sigma + random.normal(0, sigma, (128, 128, 3)))).any()


def test_equal_channels_are_told_wherever_they_begin_to_differ() -> None:
    grey = torch.rand(1, 1, 40, 30).expand(-1, 3, -1, -1).clone()
    assert all_channels_equal(RegionSource.of(grey))
    grey[0, 1, 39, 29] += 0.01
    assert not all_channels_equal(RegionSource.of(grey))


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(20, 90),
    width=st.integers(20, 90),
    top=st.integers(0, 70),
    left=st.integers(0, 70),
    side=st.integers(10, 50),
)
def test_one_flat_square_is_found_wherever_it_lies(height: int, width: int, top: int, left: int, side: int) -> None:
    """As the definition has it: cells of nine equal ones, looked at one by one."""
    pixels = np.random.default_rng(0).normal(100, 20, (height, width, 3))
    pixels[top : top + side, left : left + side] = 90
    noisy = tensor(pixels)
    equal = _equal_cells(noisy)[0, 0]
    expected = torch.zeros(equal.shape, dtype=torch.bool)
    for row in range(equal.shape[0]):
        for column in range(equal.shape[1]):
            near = slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2)
            if equal[near].all():
                expected[near] = True
    whole = expected.repeat_interleave(8, 0).repeat_interleave(8, 1)[:height, :width]
    assert torch.equal(noise_free(noisy)[0, 0], whole)


@pytest.mark.parametrize("flat", [0, 7, 8, 23, 24, 25, 60])
def test_small_pictures_are_looked_at_as_a_whole_with_the_same_result(flat: int, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = torch.rand(1, 3, 77, 90, generator=torch.Generator().manual_seed(flat))
    picture[..., 5 : 5 + flat, 9 : 9 + flat] = 0.5
    whole = noise_free(picture)
    monkeypatch.setattr(synthetic_images, "WHOLE_PIXELS", 0)
    assert torch.equal(noise_free(picture), whole)
    assert whole.any() == (flat > 24)
