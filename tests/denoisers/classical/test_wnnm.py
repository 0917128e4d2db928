"""WNNM and MCWNNM: against plain programs that follow the papers group by group, and against BM3D."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from skimage import data

from unnoise.denoisers.classical import mcwnnm, patch_groups, wnnm
from unnoise.denoisers.classical.bm3d import BM3D
from unnoise.denoisers.classical.low_rank import minimize_by_admm, shrink_closed, shrink_reweighted
from unnoise.denoisers.classical.mcwnnm import MCWNNM
from unnoise.denoisers.classical.noise import Noise
from unnoise.denoisers.classical.patch_groups import Rounds
from unnoise.denoisers.classical.wnnm import WNNM

Solve = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def with_values(matrix: np.ndarray, change: Callable[[float], float]) -> np.ndarray:
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    return left @ np.diag([change(value) for value in values]) @ right


def plain_wnnm(group: np.ndarray, variance: float, constant: float = 2 * 2**0.5, times: int = 3) -> np.ndarray:
    count = group.shape[1]

    def change(value: float) -> float:
        left = max(value**2 - count * variance, 0) ** 0.5
        for _ in range(times):
            left = max(value - constant * count**0.5 * variance / left, 0) if left > 0 else 0.0
        return left

    return with_values(group, change)


def plain_admm(group: np.ndarray, precision: np.ndarray, weight: float, penalty: float, steps: int) -> np.ndarray:
    """Xu et al., 2017, with dense matrices as in the paper's equations."""
    squared = np.diag(precision)
    low_rank, multiplier = np.zeros_like(group), np.zeros_like(group)

    def change(value: float) -> float:
        inside = value**2 - 8 * weight / penalty
        return (value + inside**0.5) / 2 if inside > 0 else 0.0

    for _ in range(steps):
        right = squared @ group + penalty / 2 * low_rank - multiplier / 2
        near = np.linalg.solve(squared + penalty / 2 * np.eye(len(group)), right)
        low_rank = with_values(near + multiplier / penalty, change)
        multiplier = multiplier + penalty * (near - low_rank)
    return low_rank


def plain_rounds(noisy: np.ndarray, rounds: Rounds, solve: Solve) -> np.ndarray:
    """`restore_groups`, (C, H, W), patch by patch in loops."""
    side = rounds.side
    _, height, width = noisy.shape
    rows, columns = (int(np.ceil(max(length - side, 0) / rounds.step)) + 1 for length in (height, width))
    bottom, right = (rows - 1) * rounds.step + side - height, (columns - 1) * rounds.step + side - width
    padded = np.pad(noisy, ((0, 0), (0, bottom), (0, right)), mode="edge")
    places = [(y, x) for y in range(padded.shape[1] - side + 1) for x in range(padded.shape[2] - side + 1)]
    estimate, count, found = padded, rounds.count, {}

    def patch(picture: np.ndarray, place: tuple[int, int]) -> np.ndarray:
        return picture[:, place[0] : place[0] + side, place[1] : place[1] + side]

    for round_ in range(rounds.rounds):
        estimate = estimate + rounds.feedback * (padded - estimate)
        if round_ % 2 == 0:
            count -= 10
            for reference in [(i * rounds.step, j * rounds.step) for i in range(rows) for j in range(columns)]:
                near = [p for p in places if max(abs(p[0] - reference[0]), abs(p[1] - reference[1])) <= rounds.radius]
                own = patch(estimate, reference)
                near.sort(key=lambda place: np.square(patch(estimate, place) - own).sum() if place != reference else -1.0)
                found[reference] = near[:count]
        total, times = np.zeros_like(padded), np.zeros(padded.shape[1:])
        for reference, members in found.items():
            group = np.stack([patch(estimate, place).ravel() for place in members], axis=1)
            mean = group.mean(axis=1, keepdims=True)
            removed = np.square(patch(padded, reference) - patch(estimate, reference)).mean((1, 2))
            restored = solve(group - mean, removed, round_) + mean
            for place, column in zip(members, restored.T, strict=True):
                patch(total, place)[...] += column.reshape(-1, side, side)
                times[place[0] : place[0] + side, place[1] : place[1] + side] += 1
        estimate = total / times
    return estimate[:, :height, :width]


def noisy_cat(sigma: float, shape: tuple[int, int], channels: int) -> tuple[torch.Tensor, torch.Tensor]:
    clean = torch.from_numpy(data.cat()[100 : 100 + shape[0], 150 : 150 + shape[1]] / 255.0).permute(2, 0, 1)[None, :channels]
    return clean, clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def psnr(restored: torch.Tensor, clean: torch.Tensor) -> float:
    return float(-10 * torch.log10((restored.double() - clean).square().mean()))


@pytest.mark.parametrize("shape", [(5, 4, 30), (5, 30, 4), (1, 6, 6)])
def test_reweighting_equals_a_plain_program(shape: tuple[int, ...]) -> None:
    groups = np.random.default_rng(0).normal(0, 1, shape) + 3 * np.random.default_rng(1).normal(0, 1, (shape[0], shape[1], 1))
    variance = np.linspace(0.01, 0.5, shape[0])
    found = shrink_reweighted(torch.from_numpy(groups), torch.from_numpy(variance), 2 * 2**0.5, 3)
    expected = [plain_wnnm(group, one) for group, one in zip(groups, variance, strict=True)]
    np.testing.assert_allclose(found.numpy(), np.stack(expected), atol=1e-9)


@given(value=st.floats(0.1, 10), weight=st.floats(0.001, 30))
def test_the_closed_form_is_the_best_value_or_zero(value: float, weight: float) -> None:
    """Reweighting ends where s' = s − w / s'. That is the larger stationary point of (s − x)² / 2 + w·log x."""
    found = float(shrink_closed(torch.full((1, 1, 1), value, dtype=torch.float64), torch.full((1,), weight).double()))
    if value**2 - 4 * weight <= 0:
        assert found == 0
    else:
        best = minimize_scalar(
            lambda x: (value - x) ** 2 / 2 + weight * np.log(x),
            bounds=(value / 2, value),
            method="bounded",
            options={"xatol": 1e-9},
        )
        assert found == pytest.approx(best.x, rel=1e-4)


def test_admm_equals_a_plain_program() -> None:
    draw = np.random.default_rng(0)
    groups = draw.normal(0, 0.2, (3, 12, 20)) + draw.normal(0, 1, (3, 12, 1))
    precision, weight = draw.uniform(0.2, 1, (3, 12)), np.array([0.01, 0.1, 0.4])
    found = minimize_by_admm(torch.from_numpy(groups), torch.from_numpy(precision), torch.from_numpy(weight), 3.0, 10)
    expected = [plain_admm(*each, 3.0, 10) for each in zip(groups, precision, weight, strict=True)]
    np.testing.assert_allclose(found.numpy(), np.stack(expected), atol=1e-9)


def test_admm_comes_to_the_closed_form_where_all_channels_have_the_same_noise() -> None:
    """Then the channels need no splitting, and `shrink_closed` gives the limit at once. (Values up to √(12·weight) become 0,
    as the method begins with 0; here the noise lies below and the signal above.)"""
    draw = np.random.default_rng(0)
    groups = torch.from_numpy(draw.normal(0, 0.2, (4, 9, 25)) + draw.normal(0, 1, (4, 9, 1)))
    weight = torch.full((4,), 0.9, dtype=torch.float64)
    found = minimize_by_admm(groups, torch.ones(9, dtype=torch.float64), weight, 6.0, 60)
    torch.testing.assert_close(found, shrink_closed(groups, weight), atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", [(17, 20), (6, 13), (4, 9)])
def test_wnnm_equals_a_plain_program(shape: tuple[int, int]) -> None:
    sigma, rounds = 0.06, wnnm.SETTINGS[0][1]
    _, noisy = noisy_cat(sigma, shape, 1)
    network = WNNM(channels=1)

    def solve(group: np.ndarray, removed: np.ndarray, round_: int) -> np.ndarray:
        return plain_wnnm(group, 0.54**2 * abs(sigma**2 - removed[0]) if round_ else sigma**2)

    expected = plain_rounds(noisy[0].numpy(), rounds, solve)
    found = network.estimate(noisy[0], Noise.white(sigma, 1))
    if shape == (4, 9):  # smaller than a patch: nothing to compare with but that it works
        assert found.shape == noisy[0].shape
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_mcwnnm_equals_a_plain_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patch_groups, "AT_ONCE", 3)  # groups are restored in several parts
    sigma = np.array([0.1, 0.05, 0.07])
    _, noisy = noisy_cat(1.0, (14, 17), 3)
    clean, _ = noisy_cat(0.0, (14, 17), 3)
    noisy = clean + torch.from_numpy(sigma)[:, None, None] * (noisy - clean)

    def solve(group: np.ndarray, removed: np.ndarray, round_: int) -> np.ndarray:
        left = sigma**2 if not round_ else np.maximum(0.36 * (sigma**2 - removed), mcwnnm.LEAST_SIGMA**2)
        weight = 2 * 2**0.5 * group.shape[1] ** 0.5 * left.min()
        return plain_admm(group, np.repeat(left.min() / left, 36), weight, 3.0, 10)

    expected = plain_rounds(noisy[0].numpy(), mcwnnm.FOR_WHITE_NOISE.rounds, solve)
    told = Noise(torch.from_numpy(sigma), torch.ones(3, 1, 1, dtype=torch.float64))
    np.testing.assert_allclose(MCWNNM().estimate(noisy[0], told).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("level", [15, 30])
def test_wnnm_is_better_than_bm3d_on_white_noise(level: int) -> None:
    """As in its paper, where it is better by 0.1 to 0.6 dB."""
    clean = torch.from_numpy(data.camera()[200:280, 200:280] / 255.0)[None, None]
    noisy = clean + level / 255 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(level)).double()
    noise = Noise.white(level / 255, 1)
    found, other = (network(noisy.float(), noise) for network in (WNNM(channels=1), BM3D(channels=1)))
    assert psnr(found, clean) > psnr(other, clean)


def test_channels_of_different_noise_count_differently() -> None:
    clean, _ = noisy_cat(0, (36, 36), 3)
    sigma = torch.tensor([40.0, 20.0, 30.0], dtype=torch.float64) / 255  # the paper's
    noisy = clean + sigma[:, None, None] * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1)).double()
    told = Noise(sigma, torch.ones(3, 1, 1, dtype=torch.float64))
    alike = Noise.white(float(sigma.square().mean().sqrt()), 3)
    restored = psnr(MCWNNM()(noisy.float(), told), clean)
    assert restored > psnr(WNNM()(noisy.float(), told), clean) + 0.5
    assert restored > psnr(MCWNNM()(noisy.float(), alike), clean)
    assert restored > psnr(noisy, clean) + 5


def test_correlated_noise_is_restored_by_the_program_for_real_noise() -> None:
    reach = torch.tensor([1, 2 / 3, 1 / 3], dtype=torch.float64)
    told = Noise(torch.full((3,), 0.05, dtype=torch.float64), (reach[:, None] * reach).expand(3, -1, -1))
    assert not mcwnnm._is_white(told)
    assert mcwnnm._is_white(told.as_white())
    clean, noisy = noisy_cat(0.05, (40, 40), 3)
    assert not torch.equal(MCWNNM()(noisy.float(), told), MCWNNM()(noisy.float(), told.as_white()))
    assert psnr(MCWNNM()(noisy.float(), told), clean) > psnr(noisy, clean) + 2


def test_noise_that_channels_share_is_taken_as_stronger() -> None:
    """Where all channels have the same noise, it is √3 times as strong along their common direction."""
    clean, _ = noisy_cat(0.0, (40, 40), 3)
    noisy = clean + 0.05 * torch.randn(1, 1, 40, 40, generator=torch.Generator().manual_seed(2)).double()
    alone = Noise.white(0.05, 3)
    silent = torch.tensor([0.05, 0.0, 0.0], dtype=torch.float64)
    shared = replace(alone, opponents=Noise(silent, torch.ones(3, 1, 1, dtype=torch.float64)))
    assert mcwnnm._common_gain(alone) == 1
    assert mcwnnm._common_gain(replace(alone, opponents=alone.of_opponents())) == pytest.approx(1)
    assert mcwnnm._common_gain(shared) == pytest.approx(3**0.5)
    assert psnr(MCWNNM()(noisy.float(), shared), clean) > psnr(MCWNNM()(noisy.float(), alone), clean) + 0.5
