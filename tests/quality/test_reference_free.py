"""Criteria without a clean picture: what they are for restorations whose error is known."""

from __future__ import annotations

import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage import data

from unnoise.layers.gaussian_blur import gaussian_blur
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.noise.noise_model import NoiseModel
from unnoise.quality.reference_free import Criteria, reference_free
from unnoise.regions import RegionSource

SIGMA = 0.08


def scene() -> torch.Tensor:
    return torch.from_numpy(gaussian_filter(data.camera()[100:260, 150:310] / 255.0, 1.0)).float()[None, None]


def noise_of(kind: str) -> torch.Tensor:
    field = torch.randn(1, 1, 160, 160, generator=torch.Generator().manual_seed(0)).double()
    if kind == "correlated":
        field = torch.from_numpy(gaussian_filter(field.numpy(), (0, 0, 0.8, 0.8), mode="wrap"))
    return (SIGMA * field / field.std()).float()


def measured(noisy: torch.Tensor) -> NoiseModel | None:
    return estimate_noise(RegionSource.of(noisy))


def judged(kind: str, width: float) -> tuple[Criteria, float]:
    """Of a Gaussian filter, and its true mean squared error in units of the noise's power."""
    clean, noise = scene(), noise_of(kind)
    noisy = clean + noise
    found = reference_free(noisy, lambda x: gaussian_blur(x, width), measured(noisy))
    return found, float((gaussian_blur(noisy, width) - clean).square().mean() / SIGMA**2)


@pytest.mark.parametrize("kind", ["white", "correlated"])
def test_sure_is_the_true_error(kind: str) -> None:
    for width in (0.7, 1.5):
        found, truth = judged(kind, width)
        assert found.sure == pytest.approx(truth, abs=0.15)


def test_the_best_filter_has_the_least_sure_and_hidden_error() -> None:
    """Of white noise. Copying the picture is told as bad by what hides pixels, as it cannot copy them."""
    results = {width: judged("white", width) for width in (0.4, 1.0, 4.0)}
    for name in ("sure", "blind_spot", "halves"):
        least = min(results, key=lambda width: getattr(results[width][0], name))
        assert least == min(results, key=lambda width: results[width][1]) == 1.0, name


def test_hidden_pixels_of_a_perfect_result_have_the_noise_s_power() -> None:
    clean = torch.full((1, 1, 160, 160), 0.5)
    found = reference_free(clean + noise_of("white"), lambda x: torch.full_like(x, 0.5), None)
    assert found.blind_spot == pytest.approx(SIGMA**2, rel=0.05)
    assert found.halves == pytest.approx(SIGMA**2, rel=0.05)
    assert found.sure != found.sure  # NaN: the noise is not known


def test_correlated_noise_deceives_what_hides_pixels_and_not_sure() -> None:
    """A filter that keeps correlated noise predicts hidden pixels better than the truth does."""
    kept, smooth = judged("correlated", 0.4), judged("correlated", 2.0)
    assert kept[1] > smooth[1]  # in truth the smooth one is better
    assert kept[0].blind_spot < smooth[0].blind_spot
    assert kept[0].sure > smooth[0].sure


def test_the_residual_of_a_perfect_result_has_the_noise_s_spectrum_and_no_structure() -> None:
    clean = scene()
    noisy = clean + noise_of("correlated")
    perfect = reference_free(noisy, lambda x: clean if x.shape == clean.shape else x, measured(noisy))
    smooth = reference_free(noisy, lambda x: gaussian_blur(x, 4.0), measured(noisy))
    half = reference_free(noisy, lambda x: (x + clean) / 2 if x.shape == clean.shape else x, measured(noisy))
    assert perfect.residual_spectrum < 0.5
    assert half.residual_spectrum == pytest.approx(1.39, abs=0.3)  # a quarter of the power: log 4
    assert perfect.residual_correlation < 0.02 < smooth.residual_correlation
    assert half.residual_correlation > 0.5  # what is left is a copy of what was taken
