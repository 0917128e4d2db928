"""Blocks go forth and back, strips join, and enlarging rows agrees with enlarging the whole."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dctn

from unnoise.inference.overlapping_blocks import (
    add_enlarged,
    cell_means,
    cosine_basis,
    overlap_add,
    overlap_mean,
    overlapping_blocks,
    values_by_row,
)


def test_the_transform_is_scipys() -> None:
    values = torch.rand(8, 8)
    ours = overlapping_blocks(values)[0] @ torch.from_numpy(cosine_basis()).T
    assert ours.reshape(8, 8).numpy() == pytest.approx(dctn(values.numpy(), norm="ortho"), abs=1e-5)


def test_blocks_go_forth_and_back() -> None:
    x = torch.rand(2, 20, 28, generator=torch.Generator().manual_seed(0))
    basis = torch.from_numpy(cosine_basis())
    coefficients = torch.cat([overlapping_blocks(channel) @ basis.T for channel in x])
    rows, columns = 4, 6
    places = torch.cartesian_prod(torch.arange(2), torch.arange(rows), torch.arange(columns))
    cells = torch.zeros(2, rows + 1, columns + 1, 16)
    overlap_add(cells, places, coefficients, basis.expand(2, -1, -1))
    assert torch.allclose(overlap_mean(values_by_row(cells)), x, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    first=st.integers(0, 11),
    count=st.integers(1, 12),
    filled=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_enlarged_rows_are_those_of_the_whole(height: int, width: int, first: int, count: int, filled: int, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    means = torch.zeros(2, height, width)
    means.view(-1)[torch.randint(means.numel(), (filled,), generator=random)] = 1.0
    whole = F.interpolate(means[None], scale_factor=4, mode="bilinear")[0, :, : 4 * height - 1, : 4 * width - 2]
    rows = slice(min(4 * first, 4 * height - 4), min(4 * (first + count), 4 * height - 1))
    result = torch.zeros_like(whole)
    add_enlarged(result, means, rows)
    assert torch.allclose(result[:, rows], whole[:, rows], atol=1e-6)
    result[:, rows] = 0
    assert not result.any()


def test_means_of_incomplete_cells_repeat_the_edge() -> None:
    x = torch.arange(6.0).reshape(1, 1, 6)
    assert cell_means(x, 4).flatten().tolist() == [1.5, 4.75]
