"""PD in batch form: components one by one, each exactly as a picture of its own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unnoise.denoisers.dbsn import DBSN
from unnoise.schemes.pd_components import PDComponents


def _network(x: Tensor) -> Tensor:
    """Something that looks at neighbours."""
    return torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1) + 1


@settings(max_examples=20, deadline=None)
@given(stride=st.integers(1, 4), height=st.integers(1, 13), width=st.integers(1, 13))
def test_each_component_is_a_picture_of_its_own(stride: int, height: int, width: int) -> None:
    x = torch.rand(2, 3, height, width)
    result = PDComponents(infer_stride=stride).restore(_network, x)
    padded = torch.nn.functional.pad(x, (0, -width % stride, 0, -height % stride))
    for i in range(min(stride, height)):
        for j in range(min(stride, width)):
            expected = _network(padded[..., i::stride, j::stride])
            got = result[..., i::stride, j::stride]
            torch.testing.assert_close(got, expected[..., : got.shape[-2], : got.shape[-1]])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_loss(count: int) -> None:
    x = torch.rand(2, 3, 12, 12)
    scheme = PDComponents(train_stride=3, train_components=count)
    pairs = [(n // 3, n % 3) for n in range(count or 9)]
    errors = [(_network(x[..., i::3, j::3]) - x[..., i::3, j::3]).abs().mean() for i, j in pairs]
    torch.testing.assert_close(scheme.loss(_network, x), torch.stack(errors).mean())


def test_a_region_is_that_of_the_whole() -> None:
    network, x = DBSN(features=4, modules=1), torch.rand(1, 3, 30, 30) * 255
    region = slice(3, 11), slice(8, 25)
    with torch.no_grad():
        whole = PDComponents().restore(network, x)
        torch.testing.assert_close(PDComponents().restore_cropped(network, x, region), whole[..., *region])
