"""Noise2Same: which values are replaced, by what, and the loss written out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unnoise.schemes.noise2same import Noise2Same, one_in_each_cell


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 30), width=st.integers(1, 30), cell=st.integers(2, 9), seed=st.integers(0, 99))
def test_one_value_in_each_whole_cell(height: int, width: int, cell: int, seed: int) -> None:
    hidden = one_in_each_cell(torch.Size([2, 3, height, width]), cell, torch.Generator().manual_seed(seed))
    assert hidden.shape == (2, 3, height, width)
    assert hidden.any()
    for row in range(height // cell):
        for column in range(width // cell):
            inside = hidden[..., row * cell : (row + 1) * cell, column * cell : (column + 1) * cell]
            assert (inside.sum((2, 3)) == 1).all()


def _network(x: Tensor) -> Tensor:
    return 0.5 * x + 0.25 * torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1)


@pytest.mark.parametrize("replaced_by", ["noise", "neighbours"])
@pytest.mark.parametrize("white", [1.0, 255.0])
def test_loss(replaced_by: str, white: float) -> None:
    """Standardized as the paper does, the loss is its formula, in any value range."""
    noisy = torch.rand(2, 3, 16, 12, dtype=torch.float64) * white
    seen: list[Tensor] = []

    def network(x: Tensor) -> Tensor:
        seen.append(x)
        return _network(x)

    loss = Noise2Same(cell=4, weight=3.0, replaced_by=replaced_by).loss(network, noisy, torch.Generator().manual_seed(4))
    whole, masked = seen[0].chunk(2)
    assert torch.equal(whole, noisy)
    hidden = masked != noisy
    assert hidden.sum() == 2 * 3 * 4 * 3
    scale = noisy.std((1, 2, 3), keepdim=True)
    if replaced_by == "noise":
        drawn = ((masked - noisy.mean((1, 2, 3), keepdim=True)) / scale)[hidden]
        assert 0.1 < drawn.std() < 0.3
    else:
        kernel = torch.tensor([[0.5, 1, 0.5], [1, 0, 1], [0.5, 1, 0.5]], dtype=torch.float64)[None, None].repeat(3, 1, 1, 1)
        inner = (slice(None), slice(None), slice(1, -1), slice(1, -1))
        mean = torch.nn.functional.conv2d(noisy, kernel / 6, groups=3)
        torch.testing.assert_close(masked[inner][hidden[inner]], mean[hidden[inner]])
    y, z = _network(noisy) / scale, _network(masked) / scale
    expected = (y - noisy / scale).square().mean() + 3 * (y - z)[hidden].square().mean().sqrt()
    torch.testing.assert_close(loss, expected)


def test_the_identity_pays_for_what_it_sees() -> None:
    """Copying has no error against the noisy picture, but differs most where a value was replaced."""
    noisy = torch.rand(1, 3, 32, 32)
    copied = Noise2Same(cell=4).loss(lambda x: x, noisy)
    constant = Noise2Same(cell=4).loss(lambda x: torch.full_like(x, 0.5), noisy)
    assert constant < copied


def test_one_call_restores() -> None:
    x = torch.rand(1, 3, 5, 6)
    assert torch.equal(Noise2Same().restore(lambda y: 2 * y, x), 2 * x)
