"""Zeros that are counts are told from zeros at which a detector stops; the light of faint pictures is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import unnoise
from unnoise.photometry.bias_correction import BiasCorrection
from unnoise.photometry.clipping import Clipping, measure_clipping
from unnoise.regions import RegionSource


def _scene(side: int = 192) -> torch.Tensor:
    """Blobs on a dark ground, 0.05 to 1, (1, 1, side, side)."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return (0.05 + 0.95 * (torch.sin(x / 13) * torch.sin(y / 17)).clamp(min=0))[None, None]


@given(photons=st.floats(0.1, 50), gain=st.sampled_from([1.0, 37.0, 1 / 255, 1 / 65535]), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_counts_are_not_cut_off(photons: float, gain: float, seed: int) -> None:
    counts = torch.poisson(_scene() * photons, torch.Generator().manual_seed(seed)) * gain
    assert not measure_clipping(RegionSource.of(counts)).black


@given(sigma=st.floats(0.01, 0.3), dark=st.floats(0, 0.02), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_noise_that_ends_at_black_is(sigma: float, dark: float, seed: int) -> None:
    scene = (_scene() * 0.5 - 0.1).clamp(min=dark * sigma)
    noisy = (scene + sigma * torch.randn(scene.shape, generator=torch.Generator().manual_seed(seed))).clamp(0, 1)
    steps = (noisy * 65535).round() / 65535
    assert measure_clipping(RegionSource.of(steps)) == Clipping(black=True, white=True)


def test_values_below_black_say_that_nothing_was_cut() -> None:
    noisy = _scene() * 0.1 + 0.05 * torch.randn(1, 1, 192, 192, generator=torch.Generator().manual_seed(0))
    assert not measure_clipping(RegionSource.of(noisy)).black
    assert not measure_clipping(RegionSource.of(noisy + 1)).white


def test_a_dark_sky_with_stars_is_counted() -> None:
    generator = torch.Generator().manual_seed(1)
    sky = torch.full((1, 1, 256, 256), 0.1)
    sky[torch.rand(sky.shape, generator=generator) > 0.998] = 300
    assert not measure_clipping(RegionSource.of(torch.poisson(sky, generator))).black


@pytest.mark.parametrize(("photons", "off", "left"), [(0.5, 0.2, 0.4), (3.0, 0.05, 0.15)])
def test_faint_pictures_keep_their_light(photons: float, off: float, left: float) -> None:
    """They lost nine tenths of it: more than half of the zeros passed for cut off."""
    truth = _scene()[0, 0].numpy() * photons
    counts = np.random.default_rng(0).poisson(truth).astype(np.float32)
    restored = unnoise.denoise(counts)
    assert restored.sum() == pytest.approx(counts.sum(), rel=off)  # what would lie below 0 is 0
    error = np.square(restored - truth).mean()
    assert error < left * np.square(counts - truth).mean()


def test_what_is_cut_off_is_allowed_for_at_that_end_alone() -> None:
    scene = torch.full((1, 1, 128, 128), 0.01)
    noisy = (scene + 0.01 * torch.randn(scene.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    light = BiasCorrection(curve="linear", bound=1.0)
    off = {
        cut: (light(noisy, scene, cut).mean() - 0.01).abs().item()
        for cut in (Clipping(), Clipping(white=False), Clipping(black=False))
    }
    assert off[Clipping()] == pytest.approx(off[Clipping(white=False)], abs=1e-5)
    assert off[Clipping()] < 0.3 * off[Clipping(black=False)]
    assert light(noisy, scene, Clipping(black=False)).mean() == pytest.approx(noisy.mean().item(), rel=0.01)
