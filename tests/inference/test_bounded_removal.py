"""Any network: means, patterns and fine texture are kept, noise is not, and regions agree with the whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unnoise.inference import residual_excess as module
from unnoise.inference.bounded_removal import ALIGN_PIXELS, RADIUS_PIXELS, bounded_removal
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.noise.noise_model import KNOTS, NoiseModel
from unnoise.regions import RegionSource

SIGMA = 4 / 255


def white(sigma: float, channels: int = 3, *, spectrum: float = 1.0) -> NoiseModel:
    """White noise of one strength everywhere."""
    nothing = torch.zeros(channels, KNOTS)
    variance = torch.full((channels, KNOTS), sigma**2)
    return NoiseModel(0.0, 1.0, variance, torch.full((channels, 16, 16), spectrum), sigma, 0.0, nothing, nothing)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return SIGMA * torch.randn(1, *shape, generator=torch.Generator().manual_seed(seed))


def test_noise_alone_does_not_come_back() -> None:
    clean = torch.full((1, 3, 256, 256), 0.5)
    result = bounded_removal(clean + noise(3, 256, 256), clean, white(SIGMA))
    assert (result - clean).square().mean().sqrt() < 0.06 * SIGMA


@settings(max_examples=10, deadline=None)
@given(wrong=st.floats(0.03, 0.5), side=st.sampled_from([16, 64, 200]), seed=st.integers(0, 99))
def test_a_mean_never_moves_by_more_than_its_uncertainty(wrong: float, side: int, seed: int) -> None:
    """A plain square that the network made darker: its middle comes back to the noisy mean."""
    clean = torch.full((1, 3, 256, 256), 0.5)
    noisy = clean + noise(3, 256, 256, seed=seed)
    restored = clean.clone()
    restored[..., 20 : 20 + side, 30 : 30 + side] -= wrong
    result = bounded_removal(noisy, restored, white(SIGMA))
    core = slice(20 + side // 4, 20 + 3 * side // 4), slice(30 + side // 4, 30 + 3 * side // 4)
    off = (result - noisy)[..., core[0], core[1]].mean((-2, -1)).abs().max()
    assert off < 3 * SIGMA / (side // 2) + 0.1 * SIGMA


@pytest.mark.parametrize("period", [2, 3.3, 4, 6, 8])
@pytest.mark.parametrize("angle", [0, 30, 45])
@pytest.mark.parametrize("colour", [(1, 1, 1), (1, 0, -1)])
def test_a_weave_of_five_times_the_noise_comes_back(period: float, angle: float, colour: tuple[int, ...]) -> None:
    y, x = np.mgrid[:192, :192]
    wave = np.sin(2 * np.pi / period * (x * np.cos(np.deg2rad(angle)) + y * np.sin(np.deg2rad(angle))) + 0.3)
    pattern = torch.from_numpy(5 * SIGMA * wave).float() * torch.tensor(colour)[:, None, None]
    noisy = 0.5 + pattern + noise(3, 192, 192)
    model = estimate_noise(RegionSource.of(noisy))
    assert model is not None
    erased = torch.full_like(noisy, 0.5)
    result = bounded_removal(noisy, erased, model)
    assert ((result - 0.5) * pattern).sum() / pattern.square().sum() > 0.9
    assert (result - 0.5 - pattern).square().mean() < noise(3, 192, 192).square().mean()


def test_fine_texture_comes_back_where_it_is_and_nowhere_else() -> None:
    clean = torch.full((1, 3, 128, 256), 0.5)
    clean[..., 128:] += 3 * SIGMA * torch.randn(3, 128, 128, generator=torch.Generator().manual_seed(1))
    noisy = clean + noise(3, 128, 256, seed=2)
    result = bounded_removal(noisy, torch.full_like(clean, 0.5), white(SIGMA))
    left, right = (result - noisy).square().mean((0, 1, 2)).sqrt().split(128)
    assert left[:112].mean() > 0.9 * SIGMA
    assert right[16:].mean() < 0.3 * SIGMA


def test_without_noise_the_picture_stays_bit_for_bit() -> None:
    noisy = torch.rand(1, 3, 50, 60)
    assert torch.equal(bounded_removal(noisy, torch.zeros_like(noisy), white(SIGMA, spectrum=0.0)), noisy)


def test_nothing_taken_nothing_back() -> None:
    noisy = torch.rand(1, 3, 200, 150)
    assert torch.equal(bounded_removal(noisy, noisy, white(SIGMA)), noisy)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (7, 7), (8, 9), (129, 258), (130, 131)])
def test_a_picture_of_any_size_that_was_erased_comes_back(size: tuple[int, int]) -> None:
    noisy = 0.3 + 0.6 * torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(3))
    result = bounded_removal(noisy, torch.zeros_like(noisy), white(0.001, 1))
    assert result.shape == noisy.shape
    assert (result - noisy).abs().max() < 0.03


def test_shifts_that_bending_and_cutting_explain_stay() -> None:
    clean = torch.full((1, 1, 256, 256), 0.5)
    model = white(SIGMA, 1)
    shifted = NoiseModel(
        0.0, 1.0, model.variance, model.spectrum, SIGMA, 0.0, torch.full((1, KNOTS), -0.02), torch.zeros(1, KNOTS)
    )
    noisy = clean + noise(1, 256, 256)
    for darker, stays in ((0.02, True), (-0.02, False), (0.08, False)):
        result = bounded_removal(noisy, clean + darker, shifted)
        assert abs((result - clean).mean().item() - darker) < 0.002 if stays else abs((result - clean).mean().item()) < 0.035


def test_an_explained_shift_comes_back_where_everything_else_does() -> None:
    """A network that erases strong texture, as small text, is not believed about the mean either."""
    model = white(SIGMA, 1)
    explained = NoiseModel(
        0.0, 1.0, model.variance, model.spectrum, SIGMA, 0.0, torch.full((1, KNOTS), -0.02), torch.zeros(1, KNOTS)
    )
    noisy = torch.full((1, 1, 256, 256), 0.5) + noise(1, 256, 256)
    texture = 10 * SIGMA * torch.randn(1, 1, 256, 256, generator=torch.Generator().manual_seed(5))
    result = bounded_removal(noisy + texture, noisy + 0.02, explained)
    assert abs((result - noisy - texture).mean().item()) < 0.001


@pytest.mark.parametrize(("rows", "columns"), [(slice(256, 1024), slice(0, 576)), (slice(320, 1200), slice(64, 700))])
def test_parts_agree_with_the_whole(rows: slice, columns: slice) -> None:
    random = torch.Generator().manual_seed(4)
    noisy = torch.rand(1, 2, 1200, 700, generator=random) * 0.2 + 0.4
    coarse = F.interpolate(torch.rand(1, 2, 75, 44, generator=random), scale_factor=16)[..., :1200, :700]
    restored = 0.4 + 0.1 * coarse
    model = white(0.03, 2)
    whole = bounded_removal(noisy, restored, model)
    assert rows.start % ALIGN_PIXELS == columns.start % ALIGN_PIXELS == 0
    part = bounded_removal(noisy[..., rows, columns], restored[..., rows, columns], model)
    inside = tuple(
        slice(
            0 if place.start == 0 else RADIUS_PIXELS,
            length if place.stop == length else place.stop - place.start - RADIUS_PIXELS,
        )
        for place, length in ((rows, 1200), (columns, 700))
    )
    there = tuple(
        slice(place.start + one.start, place.start + (one.stop if one.stop <= place.stop - place.start else place.stop))
        for place, one in ((rows, inside[0]), (columns, inside[1]))
    )
    assert whole[..., there[0], there[1]].numel() > 0
    same = part[..., inside[0], inside[1]]
    assert same.numpy() == pytest.approx(
        whole[..., there[0], there[1]][..., : same.shape[-2], : same.shape[-1]].numpy(), abs=1e-5
    )


def test_detail_is_the_share_that_comes_back() -> None:
    noisy = torch.rand(1, 1, 64, 64)
    erased = torch.zeros_like(noisy)
    whole, half, none = (bounded_removal(noisy, erased, white(0.01, 1), detail) for detail in (1.0, 0.5, 0.0))
    assert torch.allclose(half, whole / 2, atol=1e-6)
    assert torch.equal(none, erased)


@settings(max_examples=10, deadline=None)
@given(
    rows=st.integers(1, 8),
    columns=st.integers(1, 9),
    scale=st.sampled_from([1, 4, 16]),
    strength=st.sampled_from([1.5, 1.9, 2.5]),
    seed=st.integers(0, 99),
)
def test_what_is_returned_follows_the_limits(rows: int, columns: int, scale: int, strength: float, seed: int) -> None:
    """Block by block: a coefficient beyond its limit returns whole, a pattern of its square by its share. The explained shift of a
    mean returns where nearly everything does."""
    u = strength * torch.randn(3, rows, columns, 64, generator=torch.Generator().manual_seed(seed))
    u[:, :4, :4, 9] *= 3
    explained = torch.rand(3, rows, columns, generator=torch.Generator().manual_seed(seed + 1))
    places, found = module._returned(u, scale, list(explained) if scale == 1 else [])
    dense = torch.zeros_like(u)
    dense[tuple(places.T)] = found
    for row in range(rows):
        for column in range(columns):
            square = u[:, row // 4 * 4 : row // 4 * 4 + 4, column // 4 * 4 : column // 4 * 4 + 4].square().mean((0, 1, 2))
            share = torch.zeros(64)
            if scale in module.PATTERN_POWER_RATIOS:
                none, whole = module.PATTERN_POWER_RATIOS[scale]
                share = ((square - none) / (whole - none)).clamp(0, 1)
            if scale == 1:
                none, whole = module.TEXTURE_POWER_RATIOS
                texture = ((square[1:].clamp(max=module.MAX_POWER_RATIO).mean() - none) / (whole - none)).clamp(0, 1)
                share = torch.maximum(share, texture)
            share[0] = 0
            own = u[:, row, column].clone()
            if scale == 1:
                none, whole = module.MEAN_POWER_RATIOS
                share[0] = ((square[1:].clamp(max=module.MAX_POWER_RATIO).mean() - none) / (whole - none)).clamp(0, 1)
                own[:, 0] += share[0] * explained[:, row, column]
            limit = torch.full((64,), module.COEFFICIENT_LIMIT_SIGMAS[scale])
            limit[0] = module.MEAN_LIMIT_SIGMAS[scale]
            expected = torch.where(u[:, row, column].abs() > limit, own, own * share)
            assert torch.allclose(dense[:, row, column], expected, atol=1e-4)
