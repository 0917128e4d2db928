"""Each operation gives the same for arrays of every kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from photometry.array_kinds import KINDS, assert_kinds_agree, pictures
from unnoise.layers.gaussian_blur import gaussian_blur
from unnoise.photometry import array_ops

few = settings(max_examples=15, deadline=None)


@few
@given(pictures(side=20), st.integers(1, 9), st.booleans())
def test_average_pooling(picture: np.ndarray, side: int, partial: bool) -> None:
    if not partial and min(picture.shape[-2:]) < side:
        return  # torch refuses a result without pixels
    assert_kinds_agree(lambda x: array_ops.average_pool(x, side, partial=partial), picture)


@few
@given(pictures(side=20), st.sampled_from([2, 4, 32]))
def test_bilinear_upsampling(picture: np.ndarray, factor: int) -> None:
    assert_kinds_agree(lambda x: array_ops.upsample_bilinear(x, factor), picture)
    by_rows = array_ops.upsample_row(torch.from_numpy(picture), factor)
    expected = torch.nn.functional.interpolate(torch.from_numpy(picture), scale_factor=(1, factor), mode="bilinear")
    assert torch.allclose(by_rows, expected, atol=1e-6)


@few
@given(pictures(side=20), st.integers(0, 2))
def test_convolution(picture: np.ndarray, padding: int) -> None:
    kernel = np.random.default_rng(0).random((3, 5)).astype(np.float32)
    if min(picture.shape[-2:]) + 2 * padding < 5:
        return
    assert_kinds_agree(lambda x, weights: array_ops.convolve(x, weights, padding), picture, kernel)


@few
@given(pictures(side=20), st.sampled_from([0.0, 0.4, 0.75, 3.0]))
def test_gaussian_blur(picture: np.ndarray, sigma: float) -> None:
    assert_kinds_agree(lambda x: gaussian_blur(x, sigma), picture)


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.floats(0, 1))
def test_quantile_and_median(seed: int, count: int, share: float) -> None:
    values = np.random.default_rng(seed).normal(size=count).astype(np.float32)
    for function in (lambda x: array_ops.quantile(x, share), array_ops.median):
        found = [float(function(kind(values))) for kind in KINDS.values()]
        assert found == pytest.approx([found[1]] * 3, abs=1e-5)


@few
@given(pictures(side=20), pictures(side=20))
def test_limits(picture: np.ndarray, other: np.ndarray) -> None:
    assert_kinds_agree(lambda x: array_ops.clip(x, 0.2, 0.6), picture, tolerance=0)
    assert_kinds_agree(lambda x: array_ops.clip(x, 0.2), picture, tolerance=0)
    assert_kinds_agree(lambda x: array_ops.clip(x, high=0.6), picture, tolerance=0)
    assert_kinds_agree(lambda x: array_ops.clip(x, -abs(x) / 2, abs(x) / 3), picture, tolerance=0)
    assert_kinds_agree(lambda x: array_ops.positive_or(x - 0.5, np.inf), picture, tolerance=0)
    assert_kinds_agree(lambda x: array_ops.is_positive(x - 0.5), picture, tolerance=0)
    assert_kinds_agree(lambda x: array_ops.split_into_cells(x, 8), picture, tolerance=0)


@few
@given(st.sets(st.integers(0, 19)))
def test_adding_at_places(places: set[int]) -> None:
    values = np.arange(20.0, dtype=np.float32)
    chosen = np.array(sorted(places), np.int64)
    expected = values.copy()
    expected[chosen] += 10 * chosen
    added = (10 * chosen).astype(np.float32)
    assert_kinds_agree(array_ops.take, values, chosen, tolerance=0)
    assert_kinds_agree(array_ops.add_at, values, chosen, added, tolerance=0)
    np.testing.assert_array_equal(array_ops.add_at(values.copy(), chosen, added), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_shares_no_memory(kind: str) -> None:
    x = KINDS[kind](np.zeros(3, np.float32))
    y = array_ops.copy(x)
    y[0] = 1.0
    assert np.asarray(x).tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_match_takes_the_type_of_another(kind: str) -> None:
    found = array_ops.match(KINDS[kind](np.ones(2)), KINDS[kind](np.ones(2, np.float32)))
    assert "float32" in str(found.dtype)
    np.testing.assert_array_equal(array_ops.to_numpy(found), np.ones(2, np.float32))
