"""Sources of pixels: what is read from a small picture is what is read from a large one."""

from __future__ import annotations

import numpy as np
import pytest

from unnoise import images
from unnoise.inference import sources
from unnoise.inference.sources import source_of_file
from unnoise.photometry.array_ops import to_numpy


class Counted:
    """Pixels that count how often they are read."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels, self.times = pixels, 0
        self.shape, self.dtype = pixels.shape, pixels.dtype

    def region(self, rows: slice, columns: slice) -> np.ndarray:
        self.times += 1
        return self.pixels[rows, columns]


@pytest.mark.parametrize("library", ["torch", "numpy"])
def test_a_small_picture_is_read_once_and_is_the_same(library: images.Library, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    regions = [(slice(0, 30), slice(0, 40)), (slice(3, 9), slice(5, 40)), (slice(29, 30), slice(0, 1))]
    counted = Counted(pixels)
    held = source_of_file(counted, images.Layout("rgb"), None, library=library)
    monkeypatch.setattr(sources, "HELD_PIXELS", 0)
    streamed = source_of_file(Counted(pixels), images.Layout("rgb"), None, library=library)
    for region in regions:
        assert np.array_equal(to_numpy(held.read(*region)), to_numpy(streamed.read(*region)))
    assert counted.times == 2  # one pixel, which tells the form, and all of them


def test_who_changes_what_was_read_changes_nothing_else() -> None:
    source = source_of_file(Counted(np.full((8, 8), 51, np.uint8)), images.Layout("grey"), None)
    read = source.read(slice(0, 8), slice(0, 8))
    read[...] = 0
    assert to_numpy(source.read(slice(2, 3), slice(2, 3))).item() == pytest.approx(0.2)
