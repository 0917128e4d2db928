"""What the noise model says of coefficients agrees with coefficients of noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dctn

from unnoise.noise.noise_estimation import estimate_noise
from unnoise.noise.noise_model import KNOTS, NoiseModel
from unnoise.regions import RegionSource


def model(spectrum: torch.Tensor) -> NoiseModel:
    curve = torch.linspace(1, 3, KNOTS)[None]
    return NoiseModel(0.0, 2.0, curve, spectrum, 1.0, 0.0, -curve, curve)


@pytest.mark.parametrize("scale", [1, 4, 16])
@pytest.mark.parametrize("taps", [1, 2, 3])
def test_coefficients_of_noise_have_the_variances_that_the_model_says(scale: int, taps: int) -> None:
    """The reference is SciPy's transform of averaged noise that is as long as it takes; the model sees 384 pixels of it."""
    noise = np.random.default_rng(0).normal(size=(2048, 2048))
    for axis in (0, 1):
        noise = sum(np.roll(noise, n, axis) for n in range(taps))
    noise *= 0.02 / noise.std()
    measured = estimate_noise(RegionSource.of(torch.from_numpy(0.5 + noise[:384, :384]).float()[None, None]))
    assert measured is not None
    means = noise.reshape(2048 // scale, scale, -1, scale).mean((1, 3))
    blocks = means.reshape(len(means) // 8, 8, -1, 8).transpose(0, 2, 1, 3)
    truth = (dctn(blocks, axes=(2, 3), norm="ortho") ** 2).mean((0, 1))
    said = measured.coefficients(scale)[0].numpy() * measured.at(measured.variance, torch.full((1, 1, 1), 0.5)).item()
    low = np.add.outer(np.arange(8), np.arange(8)) < 8  # with three taps the others are nearly 0
    assert said[low].mean() == pytest.approx(truth[low].mean(), rel=0.3)
    if scale == 1:
        assert said[low] == pytest.approx(truth[low], rel=0.5, abs=0.05 * truth.max())


def test_curves_go_in_straight_lines_and_are_constant_beyond_their_ends() -> None:
    found = model(torch.ones(1, 16, 16))
    brightness = torch.tensor([[[-1.0, 0.0, 0.5, 1.0, 2.0, 5.0]]])
    assert found.at(found.variance, brightness).flatten().tolist() == pytest.approx([1, 1, 1.5, 2, 3, 3])


def test_a_model_without_power_is_none() -> None:
    assert model(torch.zeros(1, 16, 16)).is_none
    assert not model(torch.ones(1, 16, 16)).is_none
