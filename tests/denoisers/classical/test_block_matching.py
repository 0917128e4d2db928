"""Block matching against a search that computes each distance by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unnoise.denoisers.classical.block_matching import blocks_of, match


def searched(blocks: np.ndarray, y: int, x: int, radius: int) -> dict[int, float]:
    """The mean squared distance of each block in the window of (y, x), by its index."""
    height, width, _ = blocks.shape
    return {
        row * width + column: float(np.square(blocks[y, x] - blocks[row, column]).mean())
        for row in range(max(0, y - radius), min(height, y + radius + 1))
        for column in range(max(0, x - radius), min(width, x + radius + 1))
    }


@pytest.mark.parametrize(
    ("height", "width", "first", "rows", "columns"), [(40, 50, 0, 11, 13), (37, 11, 6, 4, 2), (12, 90, 3, 1, 28)]
)
def test_the_nearest_blocks_are_found(height: int, width: int, first: int, rows: int, columns: int) -> None:
    blocks = blocks_of(torch.rand(1, height, width), 8)[0]
    distances, indices = match(blocks, first, rows, columns, 3, 7, 6)
    assert distances.shape == indices.shape == (rows * columns, 6)
    for number in range(rows * columns):
        y, x = first + 3 * (number // columns), 3 * (number % columns)
        expected = searched(blocks.double().numpy(), y, x, 7)
        nearest = sorted(expected.values())[:6]
        np.testing.assert_allclose(distances[number], nearest, atol=1e-5)
        np.testing.assert_allclose([expected[index] for index in indices[number].tolist()], nearest, atol=1e-5)


def test_the_reference_comes_first_even_if_all_blocks_are_equal() -> None:
    blocks = blocks_of(torch.full((1, 30, 30), 0.5), 8)[0]
    distances, indices = match(blocks, 0, 6, 6, 3, 9, 4)
    rows, columns = np.divmod(indices[:, 0].numpy(), 23)
    np.testing.assert_array_equal(rows, np.repeat(np.arange(6) * 3, 6))
    np.testing.assert_array_equal(columns, np.tile(np.arange(6) * 3, 6))
    assert not distances.any()


def test_blocks_outside_the_picture_are_never_near() -> None:
    blocks = blocks_of(torch.zeros(1, 9, 9), 8)[0]  # four blocks, all zero as the padding is
    distances, _ = match(blocks, 0, 1, 1, 3, 5, 6)
    assert (distances[0, :4] == 0).all()
    assert (distances[0, 4:] > 1e6).all()


def test_a_bias_changes_which_blocks_are_chosen() -> None:
    blocks = blocks_of(torch.rand(1, 30, 40, generator=torch.Generator().manual_seed(0)), 8)[0]
    bias = torch.rand(11, 11, generator=torch.Generator().manual_seed(1))
    distances, indices = match(blocks, 6, 1, 4, 3, 5, 5, bias)
    for number in range(4):
        y, x = 6, 3 * number
        plain = searched(blocks.double().numpy(), y, x, 5)
        places = {index: (index // blocks.shape[1] - y + 5, index % blocks.shape[1] - x + 5) for index in plain}
        expected = {index: plain[index] + float(bias[places[index]]) for index in plain if plain[index] > 0}
        np.testing.assert_allclose(distances[number, 1:], sorted(expected.values())[:4], atol=1e-5)
        assert indices[number, 0] == y * blocks.shape[1] + x  # the reference itself stays first
