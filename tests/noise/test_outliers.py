"""Hot pixels do not count as noise, and what optics make stays."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import unnoise
from unnoise.noise.outliers import without_outliers


@pytest.mark.parametrize("share", [0.0005, 0.0011, 0.0054, 0.05])
def test_the_level_does_not_depend_on_hot_pixels(share: float) -> None:
    draw = np.random.default_rng(0)
    picture = (500 + draw.normal(0, 10, (192, 192))).round().astype(np.uint16)
    hot = draw.choice(picture.size, int(share * picture.size), replace=False)
    picture.flat[hot] = 60000
    report = unnoise.inspect(picture)
    assert report.own_level == pytest.approx(10, rel=0.12)
    assert report.outliers == pytest.approx(share, rel=0.12, abs=1e-4)
    assert any("hot pixels" in note for note in report.notes)


def test_what_optics_make_stays() -> None:
    """A star, a bead, an edge and a smooth hill hold no outliers."""
    rows, columns = np.mgrid[:96, :96]
    star = 30000 * np.exp(-((rows - 30) ** 2 + (columns - 40) ** 2) / (2 * 1.2**2))
    hill = 20000 * np.exp(-((rows - 60) ** 2 + (columns - 60) ** 2) / 900)
    edge = gaussian_filter(np.where(columns + 2 * rows > 200, 9000.0, 0), 0.8)  # as a lens makes it
    for scene in (star, hill, edge, star + hill + edge):
        for noise in (0, 5):
            noisy = 100 + scene + np.random.default_rng(1).normal(0, noise, scene.shape)
            found, share = without_outliers(noisy)
            assert share == 0, (noise, share)
            assert found is noisy


def test_photographs_are_looked_at_as_they_are() -> None:
    picture = np.full((64, 64, 3), 90, np.uint8)
    picture[::9, ::9] = 255
    assert unnoise.inspect(picture).outliers == 0
