"""The Gaussian blur of arrays and tensors; `tests/simulation/test_filters.py` checks it against scikit-image."""

from __future__ import annotations

import pytest
import torch

from unnoise.layers.gaussian_blur import gaussian_blur


def test_blur_keeps_the_mean_and_constants() -> None:
    x = torch.rand(2, 3, 50, 60)
    assert torch.allclose(gaussian_blur(torch.ones(1, 1, 9, 9), 3.0), torch.ones(1, 1, 9, 9), atol=1e-6)
    assert float(gaussian_blur(x, 2.0).mean()) == pytest.approx(float(x.mean()), rel=0.02)
    assert float(gaussian_blur(x, 2.0).std()) < 0.3 * float(x.std())


@pytest.mark.parametrize("sigma", [0.0, 0.3, 0.75, 2.0, 6.0])
def test_arrays_and_tensors_are_blurred_alike(sigma: float) -> None:
    x = torch.rand(3, 11, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    of_array = gaussian_blur(x.numpy(), sigma)
    assert torch.allclose(gaussian_blur(x, sigma), torch.from_numpy(of_array), atol=1e-12)
    channels_last = gaussian_blur(x.permute(1, 2, 0).numpy(), sigma, axes=(1, 0))
    assert torch.allclose(torch.from_numpy(channels_last).permute(2, 0, 1), torch.from_numpy(of_array), atol=1e-12)
