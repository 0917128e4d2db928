"""Judging a restoration without the truth, on noise and restorations whose true error is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from unnoise.errors import UsageError
from unnoise.inference.bounded_removal import bounded_removal
from unnoise.layers.gaussian_blur import gaussian_blur
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.quality import mc_sure
from unnoise.quality.mc_sure import Judgement
from unnoise.quality.residual_structure import correlation, correlation_map
from unnoise.quality.verdict import Verdict
from unnoise.regions import RegionSource

SIGMA = 0.05


def _scene(detail: float = 0.0) -> tuple[Tensor, Tensor]:
    """Noisy and clean, (1, 3, 128, 128): a slow wave, with texture on half of it."""
    draw = torch.Generator().manual_seed(0)
    rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    clean = (0.5 + 0.2 * torch.sin(rows / 40) + 0 * columns).expand(1, 3, -1, -1).clone()
    clean[..., 64:] += detail * torch.randn(1, 1, 128, 64, generator=draw)
    return clean + SIGMA * torch.randn(clean.shape, generator=draw), clean


def judge(noisy: Tensor, restored: Tensor, restore: Callable[[Tensor], Tensor], seed: int = 0) -> Judgement:
    """With what the pipeline measures."""
    noise = estimate_noise(RegionSource.of(noisy))
    excess = bounded_removal(noisy, restored, noise) - restored if noise and not noise.is_none else None
    return mc_sure.judge(noisy, restored, restore, noise=noise, excess=excess, seed=seed)


def _gain(noisy: Tensor, restored: Tensor, clean: Tensor) -> float:
    return 10 * math.log10((noisy - clean).square().mean().item() / (restored - clean).square().mean().item())


@pytest.mark.parametrize("sigma", [0.8, 1.2, 1.8])
def test_the_gain_of_a_blur_is_found(sigma: float) -> None:
    noisy, clean = _scene()
    restored = gaussian_blur(noisy, sigma)
    found = judge(noisy, restored, lambda x: gaussian_blur(x, sigma))
    assert found.gain is not None
    assert found.uncertainty is not None
    assert abs(found.gain - _gain(noisy, restored, clean)) < 2 * found.uncertainty
    assert found.level == pytest.approx(SIGMA, rel=0.1)
    assert found.lost == pytest.approx(0, abs=0.1)
    assert not found.loses_structure


def test_brightness_that_moves_with_the_noise_is_no_noise_let_through() -> None:
    """As where the light is kept: what is added there depends on how much noise there is."""
    noisy, _ = _scene()

    def lit(x: Tensor) -> Tensor:
        return gaussian_blur(x, 1.5) + 12 * gaussian_blur((x - gaussian_blur(x, 2)).square(), 12)

    plain = judge(noisy, gaussian_blur(noisy, 1.5), lambda x: gaussian_blur(x, 1.5))
    moving = judge(noisy, gaussian_blur(noisy, 1.5), lit)
    assert plain.gain is not None
    assert moving.gain == pytest.approx(plain.gain, abs=0.4)


def test_lost_texture_is_told_and_counts() -> None:
    noisy, clean = _scene(detail=0.1)
    restored = gaussian_blur(noisy, 1.5)
    found = judge(noisy, restored, lambda x: gaussian_blur(x, 1.5))
    assert found.gain is not None
    true = _gain(noisy, restored, clean)
    assert true < 0
    assert found.gain < 1.5
    assert found.loses_structure


def _blur(sigma: float) -> Callable[[Tensor], Tensor]:
    return lambda x: gaussian_blur(x, sigma)


def test_the_level_is_the_pictures_whatever_made_the_result() -> None:
    noisy, _ = _scene(detail=0.1)
    results: list[Callable[[Tensor], Tensor]] = [_blur(0.8), _blur(4.0), lambda x: x, lambda x: 0 * x]
    levels = {judge(noisy, restore(noisy), restore).level for restore in results}
    assert len(levels) == 1
    assert levels.pop() == pytest.approx(SIGMA, rel=0.1)


def test_the_spectrum_is_the_noises() -> None:
    noisy, clean = _scene()
    white = judge(noisy, _blur(1.2)(noisy), _blur(1.2)).spectrum
    assert white == pytest.approx([1] * len(white), rel=0.35)
    coarse = clean + 4 * (gaussian_blur(noisy, 1.0) - gaussian_blur(clean, 1.0))
    found = judge(coarse, _blur(1.2)(coarse), _blur(1.2)).spectrum
    assert found[0] > 10 * found[3]


def _weave(amplitude: float) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
    signs = 1.0 - 2 * ((rows // 2 + columns // 2) % 2)
    clean = (0.5 + amplitude * signs).expand(1, 3, -1, -1)
    return clean + 0.01 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))


VERDICTS: dict[Verdict, tuple[Callable[[], Tensor], Callable[[Tensor], Tensor]]] = {
    Verdict.TRUST: (lambda: _scene()[0], _blur(1.8)),
    Verdict.LEAVES_NOISE: (lambda: _scene()[0], _blur(0.3)),
    Verdict.TOOK_STRUCTURE: (lambda: _weave(0.006), _blur(3.0)),
    Verdict.WORSE: (lambda: _weave(0.08), _blur(3.0)),
    Verdict.NO_NOISE: (lambda: torch.full((1, 3, 64, 64), 0.5), lambda x: x),
}


@pytest.mark.parametrize("verdict", VERDICTS, ids=str)
def test_each_verdict_is_given_where_it_is_true(verdict: Verdict) -> None:
    picture, restore = VERDICTS[verdict]
    noisy = picture()
    assert judge(noisy, restore(noisy), restore).verdict == verdict


def test_an_evenly_erased_weave_is_told_with_its_true_loss() -> None:
    """It fills the picture, so no place is quieter than others."""
    noisy = _weave(0.08)
    found = judge(noisy, _blur(3.0)(noisy), _blur(3.0))
    assert found.lost == pytest.approx((0.08 / 0.01) ** 2, rel=0.15)
    assert found.gain == pytest.approx(-10 * math.log10(64), abs=1)
    assert found.loses_structure


def test_drift_of_local_means_counts() -> None:
    noisy, clean = _scene()
    restored = _blur(1.8)(noisy) + 0.06
    found = judge(noisy, restored, lambda x: _blur(1.8)(x) + 0.06)
    assert found.drift == pytest.approx((0.06 / SIGMA) ** 2, rel=0.25)
    assert found.gain == pytest.approx(_gain(noisy, restored, clean), abs=1)
    assert found.verdict is Verdict.WORSE


def test_a_picture_without_noise_that_was_changed_is_worse() -> None:
    picture = torch.full((1, 3, 64, 64), 0.5)
    assert judge(picture, picture - 0.1, lambda x: x - 0.1).verdict is Verdict.WORSE


def test_the_same_seed_tells_the_same() -> None:
    noisy, _ = _scene()
    first, second = (judge(noisy, gaussian_blur(noisy, 1.5), lambda x: gaussian_blur(x, 1.5), seed=3) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 5, 40), (1, 1, 33, 7)])
def test_any_size_can_be_judged(shape: tuple[int, ...]) -> None:
    noisy = 0.5 + 0.1 * torch.randn(shape)
    assert math.isfinite(judge(noisy, torch.full(shape, 0.5), lambda x: torch.full(shape, 0.5)).level)


def test_of_a_single_pixel_no_gain_is_told() -> None:
    noisy = torch.full((1, 3, 1, 1), 0.5)
    found = judge(noisy, noisy - 0.1, lambda x: x - 0.1)
    assert found.gain is None
    assert found.verdict is Verdict.UNKNOWN


def test_without_noise_there_is_no_gain_to_tell() -> None:
    picture = torch.full((1, 3, 64, 64), 0.5)
    assert judge(picture, picture, lambda x: x).gain is None


def test_a_batch_is_refused() -> None:
    with pytest.raises(UsageError, match="batch of 2"):
        judge(torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 8), lambda x: x)


def test_correlation_tells_structure_from_noise() -> None:
    noisy, clean = _scene(detail=0.1)
    assert abs(correlation(noisy - clean, clean)) < 0.05
    weakened = 0.5 * clean + 0.5 * gaussian_blur(clean, 2)
    assert correlation(clean - weakened, weakened) > 0.6
    found = correlation_map(noisy - weakened, weakened)
    assert found[0, 20:-20, 84:-20].mean() > found[0, 20:-20, 20:44].mean() + 0.3
    assert found.abs().max() <= 1


def test_a_result_that_changed_one_dark_corner_alone_is_judged() -> None:
    scene = torch.full((1, 3, 128, 128), 0.6)
    scene[..., :40, :40] = 0.2
    noisy = scene + 0.03 * torch.randn(scene.shape, generator=torch.Generator().manual_seed(0))
    restored = noisy.clone()
    restored[..., :40, :40] = 0.2  # the quieter third of the blocks holds nothing that was removed
    judged = mc_sure.judge(noisy, restored, lambda x: x, noise=estimate_noise(RegionSource.of(noisy)))
    assert judged.verdict is Verdict.LEAVES_NOISE
