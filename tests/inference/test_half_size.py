"""The second pass at half the size: only for coarse noise, alike in memory and in files, and only as far as the recipe asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import Tensor

from handmade import model_of
from unnoise import images
from unnoise.batch.one_file import denoise_file
from unnoise.denoisers.base import Denoiser
from unnoise.inference import sources
from unnoise.inference.half_size import half_size_change
from unnoise.inference.settings import InferenceSettings
from unnoise.photometry.photometry import Photometry
from unnoise.regions import RegionSource


class FineNoiseAway(Denoiser):
    """Takes away what is finer than 3 pixels, so it leaves coarse noise at full size and takes it at half the size."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes = {"channels": 3}
        self.weight = torch.nn.Parameter(torch.full((3, 1, 3, 3), 1 / 9))

    @property
    def receptive_field_radius(self) -> int:
        return 1

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), self.weight, groups=3)


def picture(blur_pixels: float, side: int = 192) -> np.ndarray:
    """A smooth picture with noise, (H, W, 3) uint8."""
    draw = np.random.default_rng(3)
    noise = draw.normal(size=(side, side, 3))
    if blur_pixels:
        noise = gaussian_filter(noise, (blur_pixels, blur_pixels, 0))
    slope = np.linspace(60, 190, side)[:, None, None]
    return np.clip(np.round(slope + 12 * noise / noise.std()), 0, 255).astype(np.uint8)


MODEL = model_of(FineNoiseAway())
ONCE, TWICE = (MODEL.applied({"bounded": True, "half_size": share}) for share in (0.0, 1.0))


def roughness(pixels: np.ndarray) -> float:
    return float(np.std(pixels.astype(float) - gaussian_filter(pixels.astype(float), (6, 6, 0))))


def test_coarse_noise_that_is_left_goes() -> None:
    noisy = picture(1.3)
    assert roughness(TWICE.denoise(noisy)) < 0.8 * roughness(ONCE.denoise(noisy))


def test_white_noise_gets_no_second_pass() -> None:
    noisy = picture(0)
    np.testing.assert_array_equal(TWICE.denoise(noisy), ONCE.denoise(noisy))


def test_a_measurement_gets_none() -> None:
    noisy = picture(1.3)[..., :1].astype(np.uint16) * 40
    model = MODEL.applied({"bounded": True, "normalization": "auto"})
    options = {"bounded": True, "half_size": 1.0, "normalization": "auto"}
    np.testing.assert_array_equal(MODEL.applied(options).denoise(noisy), model.denoise(noisy))


def test_the_share_counts() -> None:
    noisy = picture(1.3)
    once, half, twice = (
        MODEL.applied({"half_size": share, "bounded": True}).denoise(noisy).astype(float) for share in (0, 0.5, 1)
    )
    assert np.abs(half - (once + twice) / 2).mean() < 0.2 * np.abs(once - twice).mean()


@pytest.mark.parametrize("strip_rows", [10, 1000])
def test_files_become_what_arrays_become(tmp_path: Path, strip_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = picture(1.3).astype(np.float32) / 255
    images.write(tmp_path / "a.tif", images.Picture(noisy))
    expected = TWICE.denoise(noisy, precision="float32")
    monkeypatch.setattr(sources, "STRIP_PIXELS", strip_rows * noisy.shape[1])
    monkeypatch.setattr(sources, "HELD_PIXELS", 1)
    denoise_file(TWICE, tmp_path / "a.tif", tmp_path / "b.tif", precision="float32")
    np.testing.assert_allclose(images.read(tmp_path / "b.tif").pixels, expected, atol=1e-5)


def test_progress_never_goes_back() -> None:
    told: list[float] = []
    TWICE.denoise(picture(1.3), tile=64, progress=lambda done, of: told.append(done / of))
    assert len(told) > 9  # the tiles of both passes
    assert told == sorted(told)
    assert told[-1] == 1


def test_gray_stays_gray() -> None:
    gray = np.repeat(picture(1.3)[..., :1], 3, axis=2)
    result = TWICE.denoise(gray)
    assert (result == result[..., :1]).all()
    assert roughness(result) < 0.8 * roughness(ONCE.denoise(gray))


def test_the_mean_of_a_picture_stays() -> None:
    pictures = 0.4 + 0.2 * torch.rand(2, 3, 81, 95, generator=torch.Generator().manual_seed(0))
    pipeline = MODEL.pipeline(InferenceSettings(precision="float32"))
    plain, asked = Photometry(), Photometry(half_size_share=1.0)
    change = half_size_change(pipeline, RegionSource.of(pictures), [plain, asked])
    assert change
    with change:
        added = change.added_to(slice(0, 81), pictures)
    assert torch.equal(added[0], pictures[0])
    assert (added[1] - pictures[1]).std() > 0.01
    assert (added[1] - pictures[1]).mean((1, 2)).abs().max() < 1e-3
