"""Turned pictures are shown as Pillow shows them, and a press on one means the pixel that is seen there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from unnoise.models import shipped
from unnoise.web.choices import Choices
from unnoise.web.display import overview
from unnoise.web.job import Job
from unnoise.web.orientation import stored_place, turned
from unnoise.web.view import CONTEXT_PIXELS, SHOWN_PIXELS, SIDES, preview

ORIENTATIONS = range(1, 9)


def _stored(path: Path, orientation: int, height: int = 300, width: int = 500) -> Path:
    """A picture whose places all differ, with EXIF's orientation."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([255 * x // width, 255 * y // height, (x + y) % 16 * 15], -1).astype(np.uint8)
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    return path


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_overview_is_turned_as_pillow_turns_it(orientation: int, tmp_path: Path) -> None:
    file = _stored(tmp_path / "a.png", orientation)
    with Image.open(file) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    seen = overview(file)
    np.testing.assert_array_equal(seen.pixels, expected)
    assert (seen.height, seen.width) == (300, 500)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_place_is_where_it_is_seen(orientation: int) -> None:
    stored = np.arange(40 * 60).reshape(40, 60, 1)
    shown = turned(stored, orientation)
    for row, column in ((3, 7), (20, 39), (38, 1)):
        height, width = shown.shape[:2]
        across, down = stored_place((column + 0.5) / width, (row + 0.5) / height, orientation)
        assert stored[int(down * 40), int(across * 60)] == shown[row, column]


@pytest.mark.parametrize("orientation", [1, 6])
def test_the_preview_shows_the_place_that_was_pressed(orientation: int, tmp_path: Path) -> None:
    """Colors rise from left to right and from top to bottom, so the mean of a place tells where it is."""
    job = Job("a", "a.png", Choices(model="fast"), tmp_path)
    job.source.parent.mkdir()
    seen = overview(_stored(job.source, orientation, 900, 1200))
    across, down = 0.7, 0.4
    before, _ = preview(shipped.load("fast"), job, Choices(model="fast", strength=0), across, down, "400 %", seen)
    side = SIDES["400 %"]
    assert before.shape == (SHOWN_PIXELS, SHOWN_PIXELS, 3)
    height, width = seen.pixels.shape[:2]
    row, column = round(down * height), round(across * width)
    expected = seen.pixels[row - 20 : row + 20, column - 20 : column + 20]
    middle = before[SHOWN_PIXELS // 2 - 80 : SHOWN_PIXELS // 2 + 80, SHOWN_PIXELS // 2 - 80 : SHOWN_PIXELS // 2 + 80]
    assert abs(middle[..., :2].mean((0, 1)) - expected[..., :2].mean((0, 1))).max() < 3
    assert side + 2 * CONTEXT_PIXELS < 900
