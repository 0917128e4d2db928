"""Models of version 0.1 give the pictures that they gave there, applied as there: without the bound on what is removed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import unnoise
from models.version_0_1 import CASES, pictures

STORED = Path(__file__).with_name("version_0_1.npz")


@pytest.mark.parametrize("case", CASES)
def test_the_picture_is_the_same(case: str) -> None:
    """Bit for bit on the processor that made the stored ones; others may round single values to the next step."""
    name, picture, options = CASES[case]
    expected = np.load(STORED)[case]
    result = unnoise.load(name).denoise(pictures()[picture], precision="float32", bounded=False, **options)
    assert result.dtype == expected.dtype
    apart = np.abs(result.astype(int) - expected.astype(int))
    assert apart.max() <= (1 if result.dtype == np.uint8 else 8)
    if result.dtype == np.uint8:
        assert (apart > 0).mean() < 0.01
