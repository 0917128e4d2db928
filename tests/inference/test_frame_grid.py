"""Which frames are neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.errors import UsageError
from unnoise.inference.frame_grid import FrameGrid, grid_of
from unnoise.inference.options import DenoiseOptions


@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple), axis=st.integers(0, 2), reach=st.integers(0, 3))
def test_neighbours_differ_along_one_axis_alone(shape: tuple[int, ...], axis: int, reach: int) -> None:
    axis %= len(shape)
    grid = FrameGrid(shape, axis, reach)
    numbers = np.arange(len(grid)).reshape(shape)
    for index in range(len(grid)):
        place = list(np.unravel_index(index, shape))
        line = numbers[tuple(slice(None) if number == axis else place[number] for number in range(len(shape)))]
        own = int(place[axis])
        expected = [int(line[k]) for k in range(len(line)) if 0 < abs(k - own) <= reach]
        assert grid.neighbours(index) == expected
        assert grid.last_use(index) == max([index] + [n for n in range(len(grid)) if index in grid.neighbours(n)])


@pytest.mark.parametrize(
    ("letters", "along", "axis"),
    [("T", None, 0), ("ZT", None, 1), ("CZ", None, 1), ("I", None, 0), ("TZ", "Z", 1), ("TZ", "z", 1)],
)
def test_the_axis_of_neighbours(letters: str, along: str | None, axis: int) -> None:
    assert grid_of(letters, (4,) * len(letters), 1, along, "x.tif").axis == axis


@pytest.mark.parametrize(
    ("letters", "along", "words"),
    [
        ("", None, "single picture"),
        ("C", None, "single picture"),
        ("AB", None, "--group"),
        ("TZ", "A", "axes T, Z"),
        ("", "T", "single"),
    ],
)
def test_an_axis_that_is_not_known_is_refused(letters: str, along: str | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        grid_of(letters, (4,) * len(letters), 1, along, "x.tif")


@pytest.mark.parametrize(
    "fields", [{"neighbours": -1}, {"neighbours": 17}, {"neighbours": 1.5}, {"along": "TZ"}, {"along": "Y"}]
)
def test_options_are_checked(fields: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        DenoiseOptions(**fields)  # type: ignore[arg-type]


def test_neighbours_count_in_the_fingerprint_only_if_asked_for() -> None:
    assert "neighbours" not in DenoiseOptions().fingerprint_fields()
    assert DenoiseOptions(neighbours=2, along="T").fingerprint_fields()["neighbours"] == 2
