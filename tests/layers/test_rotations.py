"""Quarter turns, moves and windows, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.layers.rotations import (
    add_shifted_window,
    run_in_four_rotations,
    run_regions_in_four_rotations,
    shift,
    shift_offset,
    shifted_window,
)

SIDES = st.integers(1, 6)


def _numbered(height: int, width: int) -> torch.Tensor:
    return torch.arange(1.0, 2 * height * width + 1).reshape(1, 2, height, width)


@given(height=SIDES, width=SIDES)
def test_turns_are_undone(height: int, width: int) -> None:
    x = torch.cat([_numbered(height, width), -_numbered(height, width)])
    results = run_in_four_rotations(lambda turned: 2 * turned, x)
    assert len(results) == 4
    assert all(torch.equal(result, 2 * x) for result in results)


@pytest.mark.parametrize(("height", "width"), [(5, 5), (4, 7)])
def test_down_of_each_turn_points_where_its_direction_says(height: int, width: int) -> None:
    """A trunk that moves its input down by one must come out as a move by one in direction 0, 1, 2, 3: the published order."""
    x = _numbered(height, width)
    for direction, result in enumerate(run_in_four_rotations(lambda turned: shift(turned, 0, 1), x)):
        assert torch.equal(result, shift(x, direction, 1))


@pytest.mark.parametrize(("height", "width"), [(5, 5), (4, 7)])
def test_parts_of_turns_are_cut_from_the_whole(height: int, width: int) -> None:
    x = _numbered(height, width)
    places = [
        (slice(0, 2), slice(1, 4)),
        (slice(3, 4), slice(0, width)),
        (slice(1, 4), slice(2, 4)),
        (slice(0, 1), slice(0, 1)),
    ]
    whole = run_in_four_rotations(lambda turned: shift(turned, 0, 1), x)
    for result, expected, place in zip(
        run_regions_in_four_rotations(lambda turned, part: shift(turned, 0, 1)[..., *part], x, places),
        whole,
        places,
        strict=True,
    ):
        assert torch.equal(result, expected[..., *place])


@given(height=SIDES, width=SIDES, direction=st.integers(0, 3), distance=st.integers(0, 8))
def test_move(height: int, width: int, direction: int, distance: int) -> None:
    x = _numbered(height, width)
    rows, columns = shift_offset(direction, distance)
    expected = np.zeros((1, 2, height, width), np.float32)
    for row in range(height):
        for column in range(width):
            if 0 <= row + rows < height and 0 <= column + columns < width:
                expected[..., row + rows, column + columns] = x[..., row, column]
    assert torch.equal(shift(x, direction, distance), torch.from_numpy(expected))


@given(height=SIDES, width=SIDES, top=st.integers(-9, 9), left=st.integers(-9, 9), rows=SIDES, columns=SIDES)
def test_window_is_cut_from_endless_zeros(height: int, width: int, top: int, left: int, rows: int, columns: int) -> None:
    x = _numbered(height, width)
    endless = np.pad(x.numpy(), ((0, 0), (0, 0), (20, 20), (20, 20)))
    expected = torch.from_numpy(endless[..., 20 + top : 20 + top + rows, 20 + left : 20 + left + columns])
    assert torch.equal(shifted_window(x, top, left, rows, columns), expected)
    total = torch.ones_like(expected)
    add_shifted_window(total, x, top, left)
    assert torch.equal(total, 1 + expected)
