"""A negative comes out as the photograph does, inverted; photons and added noise are no negatives."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import unnoise
from unnoise.inference.negatives import positive, with_negatives
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.photometry.photometry import Photometry
from unnoise.photometry.srgb import srgb_encode
from unnoise.regions import RegionSource

Picture = NDArray[np.uint8]


def scene(seed: int = 0, side: int = 256) -> NDArray[np.float64]:
    """Soft colors in linear light, (side, side, 3)."""
    coarse = np.random.default_rng(seed).uniform(0.05, 0.5, (5, 5, 3))
    place = np.linspace(0, 3.999, side)
    low, share = place.astype(int), place % 1
    rows = coarse[low] * (1 - share)[:, None, None] + coarse[low + 1] * share[:, None, None]
    columns: NDArray[np.float64] = rows[:, low] * (1 - share)[None, :, None] + rows[:, low + 1] * share[None, :, None]
    return columns


def photograph(seed: int = 0) -> Picture:
    """Noise of photons and of a reading amplifier in linear light, coded for display."""
    light = scene(seed)
    random = np.random.default_rng(seed + 1)
    noisy = light + random.normal(size=light.shape) * np.sqrt(0.004 * light + 0.0004)
    coded: NDArray[np.float64] = srgb_encode(np.clip(noisy, 0, 1))
    return np.round(255 * coded).astype(np.uint8)


def bent(picture: Picture) -> float:
    planes = (picture.transpose(2, 0, 1)[None] / 255).astype(np.float32)
    noise = estimate_noise(RegionSource.of(planes))
    assert noise is not None
    return noise.bent


@pytest.mark.parametrize("seed", range(3))
def test_noise_tells_a_negative(seed: int) -> None:
    picture = photograph(seed)
    assert bent(picture) == 1
    assert bent(255 - picture) == -1


@pytest.mark.parametrize("photons", [30, 300])
def test_photons_and_added_noise_are_no_negative(photons: int) -> None:
    random = np.random.default_rng(2)
    light = scene()
    counted = np.clip(random.poisson(light * photons) / photons, 0, 1)
    assert bent(np.round(255 * counted).astype(np.uint8)) >= 0
    added = np.clip(srgb_encode(light) + 0.05 * random.normal(size=light.shape), 0, 1)
    assert bent(np.round(255 * added).astype(np.uint8)) < 0.5


def test_a_negative_comes_out_as_its_photograph_does() -> None:
    model = unnoise.load("fast")
    picture = photograph()
    result, of_negative = (model.denoise(x, precision="float32").astype(int) for x in (picture, 255 - picture))
    difference = abs(255 - of_negative - result)
    assert difference.mean() < 0.1 < abs(picture - result).mean()
    clean = 255 * srgb_encode(scene())
    assert abs(255 - of_negative - clean).mean() < abs(result - clean).mean() + 0.05


def test_bands_of_a_batch_are_inverted_one_by_one() -> None:
    batch = np.random.default_rng(0).random((2, 3, 4, 5), dtype=np.float32)
    kinds = [Photometry(is_negative=True), Photometry()]
    (rows, changed), *more = with_negatives([(slice(0, 4), batch)], kinds)
    assert not more
    assert rows == slice(0, 4)
    assert np.array_equal(changed, np.stack([1 - batch[0], batch[1]]))
    seen = [positive(RegionSource.of(x[None]), kind) for x, kind in zip(batch, kinds, strict=True)]
    everything = slice(0, 4), slice(0, 5)
    assert np.array_equal(np.concatenate([view.read(*everything) for view in seen]), changed)
