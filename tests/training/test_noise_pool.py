"""Crops bring noise of their own kind along: of the right level, new in each draw, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from unnoise.errors import UsageError
from unnoise.photometry.normalization import Normalization
from unnoise.recipes.schema import Training
from unnoise.training.feeding import CropBatches
from unnoise.training.image_pool import ImagePool, from_arrays
from unnoise.training.noise_pool import NoisePool


def _counts(seed: int) -> np.ndarray:
    light = np.linspace(20, 200, 160)[None].repeat(160, 0)
    return np.random.default_rng(seed).poisson(light).astype(np.uint16)


def _pool() -> NoisePool:
    return NoisePool(from_arrays([_counts(seed) for seed in range(3)], 1, normalization=Normalization()))


def test_the_noise_has_the_level_of_the_pictures() -> None:
    pool = _pool()
    crops = np.stack([pool.crop(np.random.default_rng(seed), 96) for seed in range(6)])  # (6, 96, 96, 2)
    noisy, extra = crops[..., 0], crops[..., 1]
    shown = pool.pictures[0][..., 0]
    assert extra.std() == pytest.approx((shown - shown.mean(0)).std(), rel=0.15)  # the light of a column is the same
    assert abs(np.corrcoef(noisy.ravel(), extra.ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(extra[:, 1:].ravel(), extra[:, :-1].ravel())[0, 1]) < 0.1  # white, as photons are


def test_it_is_new_in_each_draw_and_the_same_for_the_same_seed() -> None:
    training = Training(crop=32, batch=2)
    one, other = (CropBatches(_pool(), training, seed=4) for _ in range(2))
    assert one[7].shape == (2, 2, 32, 32)
    assert np.array_equal(one[7].numpy(), other[7].numpy())
    assert not np.array_equal(one[7][:, 1].numpy(), one[8][:, 1].numpy())
    pool = _pool()
    draws = [pool.crop(np.random.default_rng(seed), 160)[..., 1] for seed in range(2)]
    assert abs(np.corrcoef(draws[0].ravel(), draws[1].ravel())[0, 1]) < 0.05


def test_pictures_without_noise_are_refused_with_advice() -> None:
    with pytest.raises(UsageError, match="tm-bsn-quick"):
        NoisePool(ImagePool([np.full((64, 64, 1), 90, np.uint8)]))


def test_a_picture_without_noise_gets_that_of_another() -> None:
    pool = NoisePool(
        ImagePool(
            [*from_arrays([_counts(0)], 1, normalization=Normalization()).pictures, np.full((160, 160, 1), 0.5, np.float32)]
        )
    )
    assert all(pool.crop(np.random.default_rng(seed), 64)[..., 1].std() > 0 for seed in range(6))
