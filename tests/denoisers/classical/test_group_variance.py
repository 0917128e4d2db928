"""Variances of the noise in groups of blocks: against the sum over all pairs, and against noise that is drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate2d

from unnoise.denoisers.classical import group_variance, transforms

SIDE = 8


def correlation(reach: float, radius: int) -> torch.Tensor:
    """That of white noise blurred by a Gaussian, at shifts of up to `radius` rows and columns."""
    along = torch.exp(-(torch.arange(radius + 1, dtype=torch.float64) ** 2) / (4 * reach**2))
    return along[:, None] * along


def basis(name: str) -> torch.Tensor:
    rows = {"dct": transforms.dct, "wavelet": transforms.spline_wavelet}[name](SIDE)
    return torch.kron(rows, rows).reshape(-1, SIDE, SIDE)


@given(st.sampled_from(["dct", "wavelet"]), st.floats(0.05, 2), st.integers(0, 4), st.integers(0, 2**31))
@settings(max_examples=20)
def test_covariances_of_shifted_blocks_are_sums_over_their_pixels(name: str, reach: float, radius: int, seed: int) -> None:
    own, told = basis(name), correlation(reach, radius)
    table = group_variance.covariances(told, own)
    coefficient = int(np.random.default_rng(seed).integers(0, SIDE**2))
    shift = np.abs(np.arange(-radius, radius + 1))
    expected = correlate2d(
        told.numpy()[shift[:, None], shift],
        correlate2d(own[coefficient].numpy(), own[coefficient].numpy()),
    )
    torch.testing.assert_close(table[1:-1, 1:-1, coefficient], torch.from_numpy(expected))
    assert not table[[0, -1]].any()
    assert not table[:, [0, -1]].any()


@given(st.integers(0, 5), st.floats(0.3, 2), st.integers(0, 4), st.integers(0, 2**31))
@settings(max_examples=20)
def test_the_tree_gives_the_sum_over_all_pairs(exponent: int, reach: float, radius: int, seed: int) -> None:
    table = group_variance.covariances(correlation(reach, radius), basis("dct"))
    size, width, centre = 2**exponent, 39, len(table) // 2
    members = torch.from_numpy(np.random.default_rng(seed).integers(0, width**2, (3, size)))
    y, x = members // width, members % width
    rows, columns = ((each[:, :, None] - each[:, None]).clamp(-centre, centre) + centre for each in (y, x))
    haar = transforms.haar(size)
    expected = torch.einsum("hi,gijk,hj->ghk", haar, table[rows, columns], haar)
    least = group_variance.LEAST * float(table[centre, centre].mean())
    found = group_variance.of_groups(table, members, width, width - 1)
    torch.testing.assert_close(found, expected.clamp(min=least))


@pytest.mark.parametrize("name", ["dct", "wavelet"])
def test_they_are_those_of_drawn_noise(name: str) -> None:
    """Groups of four blocks that overlap, at many places of one field of correlated noise."""
    draw = torch.Generator().manual_seed(0)
    white = torch.randn(902, 902, generator=draw, dtype=torch.float64)
    noise = white.unfold(0, 3, 1).unfold(1, 3, 1).sum((-1, -2)) / 3
    along = torch.tensor([1, 2 / 3, 1 / 3], dtype=torch.float64)
    own = basis(name)
    spectra = noise.unfold(0, SIDE, 1).unfold(1, SIDE, 1).flatten(2).flatten(0, 1) @ own.flatten(1).T
    width = 900 - SIDE + 1
    first = (torch.arange(0, width - 9, 7)[:, None] * width + torch.arange(0, width - 9, 7)).flatten()
    members = first[:, None] + torch.tensor([0, 1, 3 * width, 9 * width + 4])
    groups = transforms.haar(4) @ spectra[members]
    told = group_variance.of_groups(group_variance.covariances(along[:, None] * along, own), members[:1], width, 10)[0]
    large = told > 0.05
    torch.testing.assert_close(groups.square().mean(0)[large], told[large], rtol=0.12, atol=0)
    assert groups.square().mean(0)[~large].max() < 0.06
