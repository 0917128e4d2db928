"""Gaussian averages of tensors."""

from __future__ import annotations

import pytest
import torch

from unnoise.noise.gaussian_blur import blur


def test_blur_keeps_the_mean_and_constants() -> None:
    x = torch.rand(2, 3, 50, 60)
    assert torch.allclose(blur(torch.ones(1, 1, 9, 9), 3.0), torch.ones(1, 1, 9, 9), atol=1e-6)
    assert float(blur(x, 2.0).mean()) == pytest.approx(float(x.mean()), rel=0.02)
    assert float(blur(x, 2.0).std()) < 0.3 * float(x.std())
