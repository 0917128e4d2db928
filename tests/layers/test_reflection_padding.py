"""Reflection to a multiple, against NumPy's."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.layers.reflection_padding import pad_to_multiple_reflect


@given(height=st.integers(1, 40), width=st.integers(1, 40), multiple=st.sampled_from([1, 2, 8, 16, 32]))
def test_is_numpys_reflection(height: int, width: int, multiple: int) -> None:
    x = torch.rand(1, 2, height, width)
    padded = pad_to_multiple_reflect(x, multiple)
    rows, columns = -height % multiple, -width % multiple
    assert padded.shape[-2] % multiple == padded.shape[-1] % multiple == 0
    np.testing.assert_array_equal(padded, np.pad(x.numpy(), ((0, 0), (0, 0), (0, rows), (0, columns)), mode="reflect"))
