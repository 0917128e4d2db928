"""Splitting and merging are inverse for any size, and each component is what its definition says."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference import golden
from unnoise.layers.polyphase import merge_batch, merge_mosaic, split_batch, split_mosaic

sides = st.integers(1, 23)
strides = st.integers(1, 7)


@given(batch=st.integers(1, 3), channels=st.integers(1, 4), height=sides, width=sides, stride=strides)
def test_batch_merge_undoes_split(batch: int, channels: int, height: int, width: int, stride: int) -> None:
    x = torch.rand(batch, channels, height, width)
    assert torch.equal(merge_batch(split_batch(x, stride), stride, (height, width)), x)


@given(batch=st.integers(1, 3), height=sides, width=sides, stride=strides, border=st.integers(0, 3))
def test_mosaic_merge_undoes_split(batch: int, height: int, width: int, stride: int, border: int) -> None:
    x = torch.rand(batch, 2, height, width)
    assert torch.equal(merge_mosaic(split_mosaic(x, stride, border), stride, border, (height, width)), x)


@given(height=st.integers(1, 5), width=st.integers(1, 5), stride=strides, border=st.integers(0, 3))
def test_both_layouts_hold_the_polyphase_components(height: int, width: int, stride: int, border: int) -> None:
    x = torch.rand(2, 3, height * stride, width * stride)
    parts = split_batch(x, stride).reshape(2, stride, stride, 3, height, width)
    mosaic = split_mosaic(x, stride, border)
    rows, columns = height + 2 * border, width + 2 * border
    for i in range(stride):
        for j in range(stride):
            component = x[..., i::stride, j::stride]
            assert torch.equal(parts[:, i, j], component)
            tile = mosaic[..., i * rows : (i + 1) * rows, j * columns : (j + 1) * columns]
            assert torch.equal(tile[..., border : rows - border, border : columns - border], component)
            assert tile.abs().sum() == pytest.approx(component.abs().sum().item(), rel=1e-5)  # the border holds nothing


@pytest.mark.data
def test_golden() -> None:
    _, _ = golden("apbsn")  # skips where the reference files are absent
    from safetensors.torch import load_file

    from reference import DATA

    tensors = load_file(DATA.parent / "golden" / "pixel_downsampling.safetensors")
    assert torch.equal(split_batch(tensors["input"], 5), tensors["pd5_batch"])
    assert torch.equal(split_mosaic(tensors["input"], 5, 2), tensors["pd5_mosaic_pad2"])


def test_wrong_shapes_say_what_was_expected() -> None:
    with pytest.raises(ValueError, match=r"\(B, C, H, W\), got \(3, 8, 8\)"):
        split_batch(torch.zeros(3, 8, 8), 2)
    with pytest.raises(ValueError, match="no multiple of stride² = 4"):
        merge_batch(torch.zeros(6, 3, 8, 8), 2)
    with pytest.raises(ValueError, match="2×2 tiles with a border of 2"):
        merge_mosaic(torch.zeros(1, 3, 9, 8), 2, 2)
