"""A grey picture's noise tells whether its values are in proportion to light, and the light is kept by that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.data import camera, cell, moon

import unnoise
from reference import data_dir
from unnoise import images
from unnoise.batch.one_file import denoise_file
from unnoise.noise import Camera
from unnoise.photometry.normalization import Normalization
from unnoise.photometry.photometry import Photometry
from unnoise.photometry.transfer_function import is_linear
from unnoise.regions import RegionSource
from unnoise.training.image_pool import from_arrays

SCENES = [camera()[100:356, 100:356] / 255, moon()[:256, :256] / 255, cell()[100:356, 100:356] / 255]


def _told(grey: NDArray[np.uint8]) -> bool:
    return is_linear(RegionSource.of(images.to_tensor(grey)[0]))


def _counted(scene: NDArray[np.float64], photons: float) -> NDArray[np.uint8]:
    counts = np.random.default_rng(0).poisson(0.8 * scene * photons) / photons * 255
    return np.clip(np.rint(counts), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("photons", [20, 100, 500])
@pytest.mark.parametrize("scene", SCENES)
def test_counts_are_in_proportion_to_light(scene: NDArray[np.float64], photons: float) -> None:
    assert _told(_counted(scene, photons))


@pytest.mark.parametrize("iso", [3200, 25_600])
@pytest.mark.parametrize("scene", SCENES)
def test_photographs_and_white_noise_are_not(scene: NDArray[np.float64], iso: float) -> None:
    plain = Camera(iso=iso, demosaic=None, color_matrix=None, white_balance=(1, 1, 1))
    assert not _told((plain.shoot(scene, 0) * 255).round().astype(np.uint8))
    noise = np.random.default_rng(0).normal(0, 0.2 * iso**0.5, scene.shape)
    assert not _told(np.clip(scene * 255 + noise, 0, 255).astype(np.uint8))


@pytest.mark.data
def test_most_photographs_in_grey_are_not() -> None:
    folder = data_dir("sidd_val") / "noisy"
    told = [_told(images.read(path).pixels.mean(axis=2).round().astype(np.uint8)) for path in sorted(folder.glob("*_10.webp"))]
    assert np.mean(told) < 0.2


def test_what_tells_nothing_counts_as_coded() -> None:
    assert not _told(np.zeros((64, 64), np.uint8))
    assert not _told(np.full((9, 300), 77, np.uint8))
    assert not _told(np.random.default_rng(0).integers(120, 130, (200, 200), dtype=np.uint8))


def test_an_eight_bit_picture_of_counts_keeps_their_sum(tmp_path: Path) -> None:
    noisy = _counted(SCENES[2], 40)
    model = unnoise.load("fast")
    restored = model.denoise(noisy)
    assert abs(restored.mean() - noisy.mean()) < 0.2
    assert abs(model.denoise(noisy, bias_correction="srgb", bounded=False).mean() - noisy.mean()) > 1
    images.write(tmp_path / "in.png", images.Picture(noisy))
    denoise_file(model, tmp_path / "in.png", tmp_path / "out.png")
    apart = abs(images.read(tmp_path / "out.png").pixels.squeeze().astype(int) - restored)
    assert (apart > 1).mean() < 0.002  # a block near a limit of the bound, whose network was rounded in another tile
    assert apart.max() <= 4


def test_training_and_restoring_show_counts_of_eight_bits_alike() -> None:
    noisy = _counted(SCENES[2], 40)
    photograph = (SCENES[0] * 255).astype(np.uint8)
    pool = from_arrays([noisy, photograph], 3, normalization=Normalization())
    view = RegionSource.of(images.to_tensor(noisy)[0])
    scale = Photometry.decide(view, None, Normalization()).normalization
    assert scale is not None
    expected = scale.forward(view.read(slice(None), slice(None)))[0, 0].numpy()
    np.testing.assert_allclose(pool.pictures[0][..., 0], expected, atol=1e-6)
    assert pool.pictures[1].dtype == np.uint8
    np.testing.assert_array_equal(pool.pictures[1][..., 0], photograph)
