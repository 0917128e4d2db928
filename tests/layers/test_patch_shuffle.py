"""Patch-shuffle moves whole patches, undoes itself, and keeps every pixel's remainder."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.layers.patch_shuffle import patch_shuffle, patch_unshuffle


@settings(max_examples=20, deadline=None)
@given(side=st.integers(1, 3), rows=st.integers(1, 3), columns=st.integers(1, 3))
def test_there_and_back(side: int, rows: int, columns: int) -> None:
    x = torch.rand(2, 3, rows * side**2, columns * side**2)
    y = patch_unshuffle(x, side)
    assert y.shape == (2, 3 * side**2, rows * side, columns * side)
    assert torch.equal(patch_shuffle(y, side), x)
    last = patch_unshuffle(x.contiguous(memory_format=torch.channels_last), side)
    assert torch.equal(last, y)
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(patch_shuffle(last, side), x)
    remainders = (torch.arange(x.shape[-2]) % side)[:, None].expand(x.shape[-2:]).reshape(1, 1, *x.shape[-2:])
    expected = (torch.arange(y.shape[-2]) % side)[:, None].expand(y.shape[-2:])
    assert torch.equal(patch_unshuffle(remainders, side), expected.expand(1, side**2, *y.shape[-2:]))


def test_patches_become_channels_in_row_major_order() -> None:
    x = torch.arange(64.0).reshape(1, 1, 8, 8)
    assert torch.equal(patch_unshuffle(x, 2)[0, 1, :2, 2:], x[0, 0, 0:2, 6:8])
