"""Crops bring the same place of a neighbouring frame along, as bright, and weighted by whether it shows the same."""

from __future__ import annotations

import numpy as np
import pytest

from unnoise.errors import UsageError
from unnoise.photometry.normalization import Normalization
from unnoise.training.image_pool import ImagePool, from_arrays
from unnoise.training.neighbour_pool import NeighbourPool

SIDE = 160


def _movie(frames: int = 4, bleaching: float = 0.9) -> np.ndarray:
    """Counts of a still scene that bleaches, with a square that appears in the second half of the movie."""
    light = np.linspace(50, 200, SIDE)[None].repeat(SIDE, 0)
    clean = np.stack([light * bleaching**frame for frame in range(frames)])
    clean[frames // 2 :, 60:100, 60:100] *= 2
    return np.random.default_rng(0).poisson(clean).astype(np.uint16)


def _pool(movie: np.ndarray, axes: str = "TYX") -> NeighbourPool:
    return NeighbourPool(from_arrays([movie], 1, axes=axes, normalization=Normalization()))


def test_the_neighbour_is_as_bright_and_its_noise_is_another() -> None:
    pool = _pool(_movie())
    for seed in range(4):
        noisy, near, weight = np.moveaxis(pool.crop(np.random.default_rng(seed), SIDE), -1, 0)
        alike = weight > 0.5
        assert alike.mean() > 0.7
        assert near[alike].mean() == pytest.approx(noisy[alike].mean(), rel=0.01)
        columns = [x[:50] - x[:50].mean(0) for x in (noisy, near)]
        assert abs(np.corrcoef(columns[0].ravel(), columns[1].ravel())[0, 1]) < 0.05


def test_what_changed_has_no_weight() -> None:
    pool = _pool(_movie(2))
    weight = pool.crop(np.random.default_rng(0), SIDE)[..., 2]
    assert weight[60:100, 60:100].max() == 0
    assert weight[:40].mean() > 0.8


def test_neighbours_are_of_the_same_channel() -> None:
    movie = np.stack([_movie(), _movie()], axis=1)  # TCYX
    pool = from_arrays([movie], 1, axes="TCYX")
    assert len(pool.pictures) == 8
    assert [pool.neighbours(index) for index in range(4)] == [[2], [3], [0, 4], [1, 5]]


def test_the_same_seed_gives_the_same_crop() -> None:
    one, other = (_pool(_movie()).crop(np.random.default_rng(5), 48) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_pictures_without_neighbours_are_refused_with_advice() -> None:
    with pytest.raises(UsageError, match="--axes TYX"):
        NeighbourPool(ImagePool([np.zeros((64, 64, 1), np.uint8)]))
