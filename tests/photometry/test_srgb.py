"""The sRGB curve is the same for arrays, which the tests of `simulation.color` check against scikit-image, and for tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unnoise.photometry.srgb import srgb_decode, srgb_encode


@pytest.mark.parametrize("curve", [srgb_decode, srgb_encode])
def test_arrays_and_tensors_agree(curve: object) -> None:
    values = np.linspace(-0.2, 1.3, 3001)
    expected = curve(values)  # type: ignore[operator]
    given = torch.from_numpy(values.copy())
    np.testing.assert_allclose(curve(given).numpy(), expected, atol=1e-7)  # type: ignore[operator]
    assert np.array_equal(given.numpy(), values)  # what was given is not overwritten


def test_black_and_white_of_arrays_stay() -> None:
    ends = np.array([0.0, 1.0], np.float32)
    assert srgb_encode(ends).tolist() == pytest.approx([0.0, 1.0], abs=1e-7)
    assert srgb_decode(ends).tolist() == pytest.approx([0.0, 1.0], abs=1e-7)
    assert srgb_encode(ends)[0] == srgb_decode(ends)[0] == 0  # exactly, so that black stays black
