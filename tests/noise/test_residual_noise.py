"""More noise of the same kind: level, correlation and independence against noise that was made with known ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from unnoise.noise import autocorrelation
from unnoise.noise.residual_noise import noise_level, probe


def _ramp(side: int = 256) -> Tensor:
    return torch.linspace(0, 1, side).expand(1, 3, side, side).clone()


def _correlated(shape: tuple[int, ...], seed: int) -> Tensor:
    """Noise of unit level, averaged over 2×2 pixels: correlation a half at distance one, none at two."""
    white = torch.randn((*shape[:-2], shape[-2] + 1, shape[-1] + 1), generator=torch.Generator().manual_seed(seed))
    return F.avg_pool2d(white, 2, 1) * 2


def test_level_follows_brightness() -> None:
    clean = _ramp()
    true = 0.02 + 0.05 * clean
    level = noise_level(true * _correlated(clean.shape, 0), clean)
    inner = (clean > 0.1) & (clean < 0.9)  # beyond the middles of the outer bins it is constant
    assert ((level / true)[inner] - 1).abs().mean() < 0.06
    assert level[..., 0].mean() < 0.5 * level[..., -1].mean()


def test_level_is_not_moved_by_lost_detail() -> None:
    clean = torch.full((1, 1, 256, 256), 0.5)
    residual = 0.03 * _correlated(clean.shape, 1)
    residual[..., ::3, 64:192] += 0.3  # in half of the picture the estimate lost lines
    assert float(noise_level(residual, clean).mean()) == pytest.approx(0.03, rel=0.1)


def test_probe_has_the_noise_s_level_and_correlation_and_is_another_one() -> None:
    clean = _ramp()
    level = 0.02 + 0.05 * clean
    residual = level * _correlated(clean.shape, 2)
    made = probe(residual, level, torch.Generator().manual_seed(3))
    assert float((made / level).std()) == pytest.approx(1, rel=0.05)
    wanted, got = (autocorrelation((field / level)[0].permute(1, 2, 0).numpy(), 2) for field in (residual, made))
    assert np.abs(wanted - got).max() < 0.05
    assert abs(float((made * residual).mean() / (level.square().mean()))) < 0.03


def test_probe_takes_noise_from_quiet_parts() -> None:
    """A half without detail, a half whose residual is mostly detail that was lost."""
    clean = torch.full((1, 1, 128, 256), 0.5)
    clean[..., 128:] += 0.2 * torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(4))
    residual = 0.01 * _correlated(clean.shape, 5)
    residual[..., 128:] += 0.5 * (clean[..., 128:] - 0.5)
    made = probe(residual, torch.full_like(clean, 0.01), torch.Generator().manual_seed(6))
    assert float(made.std()) == pytest.approx(0.01, rel=0.1)


@given(height=st.integers(1, 70), width=st.integers(1, 70), batch=st.integers(1, 3), seed=st.integers(0, 9))
def test_any_size(height: int, width: int, batch: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    estimate, residual = torch.rand(2, batch, 3, height, width, generator=generator)
    level = noise_level(residual, estimate)
    made = probe(residual, level, generator)
    assert level.shape == made.shape == estimate.shape
    assert made.isfinite().all()
    assert (level >= 0).all()


def test_without_noise() -> None:
    flat = torch.full((1, 3, 40, 40), 0.3)
    level = noise_level(torch.zeros_like(flat), flat)
    assert torch.equal(level, torch.zeros_like(flat))
    assert torch.equal(probe(torch.zeros_like(flat), level, torch.Generator()), torch.zeros_like(flat))
