"""SDAP's random sub-samples: every pixel once, whole pixels, from its own cell; and the loss over cyclic pairs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unnoise.denoisers.dbsn import DBSN
from unnoise.schemes.random_subsamples import RandomSubsamples, random_subsamples


@settings(max_examples=20, deadline=None)
@given(
    cell=st.integers(1, 5), rows=st.integers(1, 4), columns=st.integers(1, 4), rest=st.integers(0, 4), seed=st.integers(0, 99)
)
def test_each_cell_deals_out_each_of_its_pixels_once(cell: int, rows: int, columns: int, rest: int, seed: int) -> None:
    rest = min(rest, cell - 1)
    height, width = rows * cell + rest, columns * cell
    numbers = torch.arange(float(2 * height * width)).reshape(2, 1, height, width)
    dealt = random_subsamples(torch.cat([numbers, -numbers], 1), cell, torch.Generator().manual_seed(seed))
    assert dealt.shape == (cell**2, 2, 2, rows, columns)
    assert torch.equal(dealt[:, :, 0], -dealt[:, :, 1])
    for row in range(rows):
        for column in range(columns):
            mine = numbers[..., row * cell : (row + 1) * cell, column * cell : (column + 1) * cell]
            assert torch.equal(dealt[:, :, 0, row, column].sort(0).values, mine.flatten(1).T.sort(0).values)


def test_cells_are_dealt_independently_and_evenly() -> None:
    """Over many cells each pixel of a cell goes to each sub-sample equally often."""
    places = torch.arange(4.0).reshape(1, 1, 2, 2).repeat(1, 1, 100, 100)
    dealt = random_subsamples(places, 2, torch.Generator().manual_seed(1))[:, 0, 0]
    shares = torch.stack([(dealt == place).float().mean((1, 2)) for place in range(4)])
    assert ((shares - 0.25).abs() < 0.02).all()


def _network(x: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1)


def test_loss_is_the_sum_over_the_cycle() -> None:
    x, seed = torch.rand(2, 3, 12, 9), 5
    parts = random_subsamples(x, 3, torch.Generator().manual_seed(seed))
    expected = sum((_network(parts[j]) - parts[(j + 1) % 9]).abs().mean() for j in range(9))
    loss = RandomSubsamples(cell=3).loss(_network, x, torch.Generator().manual_seed(seed))
    torch.testing.assert_close(loss, expected)


def test_some_pairs_count_for_all_on_average() -> None:
    x = torch.rand(1, 3, 60, 60)
    whole = RandomSubsamples(cell=3).loss(_network, x, torch.Generator().manual_seed(0))
    some = [RandomSubsamples(cell=3, pairs=2).loss(_network, x, torch.Generator().manual_seed(n)) for n in range(30)]
    assert abs(torch.stack(some).mean() / whole - 1) < 0.02


@pytest.mark.parametrize("enhance", [False, True])
def test_restore_by_hand_and_in_a_region(enhance: bool) -> None:
    network, x = DBSN(features=4, modules=1), torch.rand(1, 3, 24, 26) * 255
    scheme = RandomSubsamples(enhance=enhance)
    with torch.no_grad():
        expected = torch.zeros_like(x)
        for i in range(2):
            for j in range(2):
                expected[..., i::2, j::2] = network(x[..., i::2, j::2])
        expected = network(expected) if enhance else expected
        torch.testing.assert_close(scheme.restore(network, x), expected)
        region = slice(5, 14), slice(2, 9)
        torch.testing.assert_close(scheme.restore_cropped(network, x, region), expected[..., *region])
