"""Cells and neighbourhoods are the same for NumPy arrays and for tensors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from photometry.array_kinds import assert_kinds_agree
from unnoise.photometry import array_windows
from unnoise.photometry.array_windows import block_means, dilate_mask, extend_edges, near_means, repeat_each, softmax

few = settings(max_examples=20, deadline=None)
sides = st.integers(1, 30)
seeds = st.integers(0, 2**32 - 1)


def _picture(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


@few
@given(seeds, sides, sides, st.integers(0, 4))
def test_edges_and_neighbourhoods(seed: int, height: int, width: int, radius: int) -> None:
    x = _picture(seed, 2, height, width)
    assert_kinds_agree(lambda x: extend_edges(x, (radius, 1), (0, radius)), x, kinds=["numpy"])
    assert_kinds_agree(lambda x: near_means(x, 2 * radius + 1), x, kinds=["numpy"])
    assert_kinds_agree(lambda x: repeat_each(x, 3, -2), x, kinds=["numpy"])
    assert_kinds_agree(softmax, x, kinds=["numpy"])


@few
@given(seeds, st.integers(8, 30), st.integers(8, 30), st.sampled_from([(2, 1), (8, 4), (2, 2)]))
def test_block_means(seed: int, height: int, width: int, block: tuple[int, int]) -> None:
    assert_kinds_agree(lambda x: block_means(x, *block), _picture(seed, 2, height, width), kinds=["numpy"])


@few
@given(seeds, sides, sides, st.integers(1, 5), st.floats(0.0, 0.3))
def test_a_dilated_mask_is_scipys(seed: int, height: int, width: int, radius: int, share: float) -> None:
    mask = _picture(seed, 2, height, width) < share
    assert_kinds_agree(lambda x: dilate_mask(x, radius), mask, kinds=["numpy"])
    square = np.ones((1, 2 * radius + 1, 2 * radius + 1), bool)
    assert (dilate_mask(mask, radius) == ndimage.binary_dilation(mask, square)).all()


def test_a_fault_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_windows.np, "pad", lambda x, *_, **__: x)
    with pytest.raises(AssertionError):
        assert_kinds_agree(lambda x: extend_edges(x, (0, 1), (0, 1)), _picture(0, 1, 3, 3), kinds=["numpy"])
