"""Two models are told apart without the truth, as they are with it."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from unnoise.images.frames import SinglePicture
from unnoise.models.comparison import compare_models
from unnoise.models.model import Model
from unnoise.quality.comparison import Standing


class _Blur:
    """A stand-in for a model: a Gaussian blur in space, times a factor."""

    def __init__(self, sigma: float, factor: float = 1.0) -> None:
        self.sigma, self.factor = sigma, factor

    def denoise(self, image: NDArray[Any], **_: Any) -> NDArray[Any]:
        sigmas = (self.sigma, self.sigma, 0)[: image.ndim]
        return (self.factor * gaussian_filter(image.astype(np.float64), sigmas)).astype(image.dtype)


def _picture(kind: str, seed: int = 0) -> SinglePicture:
    draw = np.random.default_rng(seed)
    scene = gaussian_filter(draw.random((256, 256)), 6)
    scene = (scene - scene.min()) / (scene.max() - scene.min())
    if kind == "counts":
        return SinglePicture(draw.poisson(30 + 200 * scene).astype(np.uint16), "a", "grey", "uint16")
    if kind == "volts":
        return SinglePicture(1e-3 * (scene + draw.normal(0, 0.1, scene.shape)).astype(np.float32), "a", "grey", "float32")
    noisy = np.clip(60 + 130 * scene[..., None] + draw.normal(0, 12, (256, 256, 3)), 0, 255)
    return SinglePicture(np.rint(noisy).astype(np.uint8), "a", "rgb", "uint8")


@pytest.mark.parametrize("kind", ["counts", "volts", "photograph"])
@pytest.mark.parametrize(
    ("own", "other", "standing"),
    [
        (_Blur(2.0), _Blur(0.6), Standing.BETTER),
        (_Blur(0.6), _Blur(2.0), Standing.WORSE_THAN_OTHER),
        (_Blur(2.0), _Blur(2.0), Standing.AS_GOOD),
        (_Blur(2.0, 0.3), _Blur(2.0), Standing.WORSE_THAN_NOISY),
    ],
)
def test_the_nearer_one_is_told(kind: str, own: _Blur, other: _Blur, standing: Standing) -> None:
    found = compare_models(cast(Model, own), cast(Model, other), [_picture(kind, seed) for seed in range(2)], name="other")
    assert found.standing is standing
    assert found.is_worse is (standing in (Standing.WORSE_THAN_OTHER, Standing.WORSE_THAN_NOISY))
    assert "'other'" in found.sentence()


def test_the_gain_is_near_the_true_one() -> None:
    draw = np.random.default_rng(0)
    scene = 100 + 400 * gaussian_filter(draw.random((256, 256)), 6)
    noisy = (scene + draw.normal(0, 20, scene.shape)).astype(np.float32)
    found = compare_models(
        cast(Model, _Blur(1.0)), cast(Model, _Blur(1.0)), [SinglePicture(noisy, "a", "grey", "float32")], name="other"
    )
    true = -10 * np.log10(np.mean((_Blur(1.0).denoise(noisy) - scene) ** 2) / np.mean((noisy - scene) ** 2))
    assert found.gain == pytest.approx(true, abs=2.5)


@pytest.mark.parametrize("pixels", [np.full((96, 96), 7, np.uint16), np.zeros((20, 20), np.uint8)])
def test_without_noise_nothing_is_claimed(pixels: NDArray[Any]) -> None:
    picture = SinglePicture(pixels, "a", "grey", str(pixels.dtype))
    found = compare_models(cast(Model, _Blur(1.0)), cast(Model, _Blur(2.0)), [picture], name="other")
    assert found.standing is Standing.UNKNOWN
    assert not found.is_worse
    assert "could not be compared" in found.sentence()
