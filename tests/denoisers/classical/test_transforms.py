"""The small transforms against PyWavelets and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import pywt
from scipy.fft import dct as scipy_dct

from unnoise.denoisers.classical import transforms


@pytest.mark.parametrize("size", [2, 4, 8, 16, 32])
def test_haar_is_orthonormal_and_has_the_rows_of_pywavelets(size: int) -> None:
    rows = transforms.haar(size).numpy()
    np.testing.assert_allclose(rows @ rows.T, np.eye(size), atol=1e-12)
    whole = np.concatenate(pywt.wavedec(np.eye(size), "haar", mode="periodization", axis=0))
    np.testing.assert_allclose(np.sort(np.abs(rows), axis=None), np.sort(np.abs(whole), axis=None), atol=1e-12)
    for row in whole:  # each row of PyWavelets is one of ours, but for its sign
        assert np.abs(rows @ row).max() == pytest.approx(1)


def test_dct_is_that_of_scipy() -> None:
    np.testing.assert_allclose(transforms.dct(8).numpy(), scipy_dct(np.eye(8), norm="ortho", axis=0), atol=1e-12)


def test_the_spline_wavelet_has_the_rows_of_pywavelets() -> None:
    rows = transforms.spline_wavelet(8).numpy()
    whole = np.concatenate(pywt.wavedec(np.eye(8), "bior1.5", mode="periodization", level=3, axis=0))
    whole /= np.linalg.norm(whole, axis=1, keepdims=True)
    assert np.linalg.matrix_rank(rows) == 8
    for row in whole:
        assert np.abs(rows @ row).max() == pytest.approx(1, abs=1e-6)


def test_kaiser_is_that_of_numpy() -> None:
    np.testing.assert_allclose(transforms.kaiser(8, 2.0).numpy(), np.outer(np.kaiser(8, 2.0), np.kaiser(8, 2.0)), atol=1e-9)
