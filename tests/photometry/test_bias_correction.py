"""Keeping the light: nothing to do where nothing is wrong, and the truth where noise and a curve have bent it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unnoise.photometry.bias_correction import CELL_PIXELS, REACH_PIXELS, BiasCorrection, curve_of
from unnoise.photometry.bias_correction_bands import correct_bands
from unnoise.photometry.photometry import Photometry
from unnoise.regions import RegionSource
from unnoise.simulation.color import srgb_encode

SIDES = st.integers(1, 3 * CELL_PIXELS + 5)


def _encoded(linear: Tensor) -> Tensor:
    return torch.from_numpy(srgb_encode(linear.numpy())).float()


def _scene(*shape: int, seed: int = 0) -> Tensor:
    """Linear light from deep shadows to half of white, smooth, the same for every channel but for its level."""
    channels, height, width = shape
    across = torch.linspace(0, 1, width).expand(height, width)
    levels = torch.tensor([0.02, 0.1, 0.5])[:channels, None, None]
    return (levels * (0.3 + 0.7 * across))[None]  # (1, C, H, W)


def _noise(scene: Tensor, level: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scene + level * torch.randn(scene.shape, generator=generator)


@given(height=SIDES, width=SIDES, curve=st.sampled_from(["srgb", "linear"]))
@settings(max_examples=25, deadline=None)
def test_a_picture_that_has_the_light_keeps_it(height: int, width: int, curve: str) -> None:
    picture = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height * width))
    assert torch.allclose(BiasCorrection(curve=curve)(picture, picture), picture, atol=1e-6)  # type: ignore[arg-type]


@pytest.mark.parametrize("curve", ["srgb", "linear"])
def test_means_in_linear_light_are_those_of_the_noisy_picture(curve: str) -> None:
    scene = _scene(3, 256, 256)
    coded = _encoded if curve == "srgb" else (lambda x: x)
    noisy = coded(_noise(scene, 0.004).clamp(0, 1))  # five times below the darkest: nothing is cut off
    wrong = coded(scene * 1.3 + 0.003)
    kept = BiasCorrection(curve=curve)(noisy, wrong)  # type: ignore[arg-type]
    off = (kept - coded(scene)).mean((-2, -1)).abs()
    assert (off < 0.15 * (wrong - coded(scene)).mean((-2, -1)).abs()).all()
    assert (off < 1.0 / 255).all()


def test_the_median_of_skewed_noise_becomes_its_mean() -> None:
    scene = _scene(3, 256, 256)
    generator = torch.Generator().manual_seed(3)
    counts = torch.poisson(scene * 200, generator) / 200  # few photons
    noisy = _encoded(counts.clamp(0, 1))
    median = _encoded((scene - 0.33 / 200).clamp(0, 1))  # what |f(x) − x| teaches
    kept = BiasCorrection(curve="srgb")(noisy, median)
    before, after = ((x - _encoded(scene)).square().mean() for x in (median, kept))
    assert after < 0.5 * before


def test_black_that_cuts_the_noise_off_does_not_brighten_the_shadows() -> None:
    scene = torch.full((1, 1, 256, 256), 0.01)
    noisy = _encoded(_noise(scene, 0.008).clamp(0, 1))  # a tenth of the pixels is black
    assert (noisy == 0).float().mean() > 0.08
    kept = BiasCorrection(curve="srgb", bound=1.0)(noisy, _encoded(scene))
    plain = BiasCorrection(curve="srgb", bound=1e6)(noisy, _encoded(scene))  # the mere mean
    truth = _encoded(scene).mean()
    assert (kept.mean() - truth).abs() < 0.2 * (plain.mean() - truth).abs()


def test_white_that_cuts_the_noise_off_does_not_darken_the_highlights() -> None:
    scene = torch.full((1, 1, 256, 256), 0.97)
    noisy = _noise(scene, 0.025).clamp(0, 1)
    kept = BiasCorrection(curve="linear", bound=1.0)(noisy, scene)
    plain = BiasCorrection(curve="linear", bound=1e6)(noisy, scene)
    assert (kept.mean() - 0.97).abs() < 0.2 * (plain.mean() - 0.97).abs()


def test_lost_texture_is_not_taken_for_light() -> None:
    generator = torch.Generator().manual_seed(5)
    texture = 0.3 + 0.12 * torch.randn(1, 3, 128, 128, generator=generator)
    softened = 0.3 + 0.5 * (texture - 0.3)
    bent = BiasCorrection(curve="srgb")._linear
    mistaken = (bent(texture).mean() - bent(softened).mean()).item()
    kept = BiasCorrection(curve="srgb")(texture, softened)
    assert (bent(kept).mean() - bent(softened).mean()).abs() < 0.05 * mistaken


def test_in_proportion_to_light_nothing_is_lost_on_the_whole() -> None:
    generator = torch.Generator().manual_seed(6)
    stars = (torch.rand(1, 1, 256, 256, generator=generator) > 0.995).float() * 0.4 + 0.1
    softened = 0.9 * stars  # a restoration that dims
    kept = BiasCorrection(curve="linear", bound=1e6)(stars, softened)
    assert abs(kept.sum() / stars.sum() - 1) < 0.1 * abs(softened.sum() / stars.sum() - 1)


def test_floats_below_black_are_not_taken_for_cut_off() -> None:
    scene = torch.full((1, 1, 128, 128), 0.002)
    noisy = _noise(scene, 0.01)  # a dark frame was subtracted: half of the noise lies below 0
    kept = BiasCorrection(curve="linear", bound=1.0)(noisy, scene)
    assert (kept.mean() - 0.002).abs() < 0.0005


def test_teachers_in_bfloat16_tell_the_same_light() -> None:
    scene = _encoded(_scene(3, 96, 64))
    noisy = (scene + 0.05 * torch.randn(scene.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    expected = BiasCorrection(curve="srgb")(noisy, scene * 0.9)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(BiasCorrection(curve="srgb")(noisy, scene * 0.9), expected)


def test_a_pixel_changes_the_light_within_reach_alone() -> None:
    side = 2 * REACH_PIXELS + 3 * CELL_PIXELS
    noisy = torch.full((1, 1, side, side), 0.5)
    restored = noisy.clone()
    middle = side // 2
    noisy[..., middle, middle] = 0.9
    changed = (BiasCorrection(curve="srgb")(noisy, restored) - restored).abs()[0, 0] > 1e-7
    rows, columns = changed.nonzero().T
    assert len(rows) > CELL_PIXELS * CELL_PIXELS
    assert max(middle - rows.min(), rows.max() - middle, middle - columns.min(), columns.max() - middle) <= REACH_PIXELS


@given(height=SIDES, width=st.integers(1, 80), step=st.integers(1, 130), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_bands_come_out_as_the_whole(height: int, width: int, step: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    noisy = torch.rand(2, 3, height, width, generator=generator) ** 3
    restored = torch.rand(2, 3, height, width, generator=generator)
    light = BiasCorrection(curve="srgb")
    views = [RegionSource.of(picture[None]) for picture in noisy]
    bands = [(slice(top, min(top + step, height)), restored[..., top : top + step, :]) for top in range(0, height, step)]
    given_back = list(correct_bands([Photometry(bias_correction=light)] * 2, views, bands))
    assert [row for rows, _ in given_back for row in range(rows.start, rows.stop)] == list(range(height))
    together = torch.cat([band for _, band in given_back], dim=-2)
    assert torch.allclose(together, light(noisy, restored), atol=1e-6)


def test_photographs_are_coded_for_display_and_measurements_are_not() -> None:
    assert curve_of("rgb", np.dtype("float32")) == "srgb"
    assert curve_of("grey", np.dtype("uint8")) == "auto"  # told by the picture
    assert curve_of("grey", np.dtype("uint16")) == "linear"
    assert curve_of("channels", torch.uint8) == "linear"
    assert BiasCorrection(curve="srgb").of_kind("grey", np.dtype("uint16")).curve == "srgb"
