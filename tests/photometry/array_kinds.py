"""The same numbers as arrays of three kinds: NumPy, torch, and one that has only what the array API standard names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import array_api_strict
import numpy as np
import torch
from hypothesis import strategies as st

KINDS: dict[str, Callable[[np.ndarray], Any]] = {
    "numpy": np.array,
    "torch": lambda values: torch.from_numpy(values.copy()),
    "strict": lambda values: array_api_strict.asarray(values, copy=True),
}


def assert_kinds_agree(
    function: Callable[..., Any], *arrays: np.ndarray, tolerance: float = 1e-5, kinds: Sequence[str] = ("numpy", "strict")
) -> None:
    """Call a function with tensors and with arrays of other kinds, and compare values, types and shapes.

    `arrays` are floats, integers or bools.
    """
    results = {name: function(*(KINDS[name](array) for array in arrays)) for name in ("torch", *kinds)}
    for name, result in results.items():
        assert type(result) is type(KINDS[name](arrays[0])), f"{name} gave {type(result)}"
    expected = results["torch"].numpy()
    for name in kinds:
        found = np.asarray(results[name])
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), name
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance, err_msg=name)


@st.composite
def pictures(draw: st.DrawFn, low: float = -0.1, high: float = 1.1, side: int = 80) -> np.ndarray:
    """Float32 (B, C, H, W), plain in the left half and of one value in a corner, clipped or not."""
    shape = draw(st.tuples(*(st.integers(1, most) for most in (2, 3, side, side))))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = generator.uniform(low, high, shape)
    values[..., : shape[-1] // 2] = 0.5 + 0.05 * generator.standard_normal((*shape[:-1], shape[-1] // 2))
    values[..., : shape[-2] // 3, : shape[-1] // 3] = draw(st.sampled_from([0.0, 0.3, 1.0]))
    return (values.clip(0, 1) if draw(st.booleans()) else values).astype(np.float32)
