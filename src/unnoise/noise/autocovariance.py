"""From the powers of a patch's cosine transform to the autocovariance of what is in it, free of the bias of small patches.

A patch of noise gives too small an autocovariance when its mean or its slope has been taken off first, because much of coarse
noise goes with them. The powers of its discrete cosine transform are not spoilt in this way: with orthonormal basis pictures φ_k
and noise of autocovariance c,

    E[⟨φ_k, noise⟩²] = Σ_d c(d) · Σ_p φ_k(p)·φ_k(p + d),

which is linear in c. So the lowest frequencies, where a picture's own brightness lies, are left out, and c follows from the
others by least squares. A cosine's power does not tell a shift (y, x) from (y, −x), so c comes out as the mean of the two.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

PATCH_PIXELS = 16
"""Of the patches, in pixels."""
RADIUS_PIXELS = 8
"""Largest shift in rows and columns whose covariance is asked for; further away it is taken to be 0."""

_SMOOTHNESS = 1e-3
"""How much distant shifts are drawn to 0; this settles what the frequencies left out leave open."""


@lru_cache
def dct_matrix() -> NDArray[np.float64]:
    """(SIDE, SIDE): row k is the k-th cosine, orthonormal (DCT-II)."""
    k, x = np.ogrid[:PATCH_PIXELS, :PATCH_PIXELS]
    rows: NDArray[np.float64] = np.cos(np.pi * (x + 0.5) * k / PATCH_PIXELS) * np.sqrt(2 / PATCH_PIXELS)
    rows[0] /= np.sqrt(2)
    return rows


def dct_powers(patches: Array) -> tuple[Array, Array]:
    """(…, SIDE, SIDE) → the squares of its transform, of the same shape with the mean's set to 0; and the means, (…)."""
    rows = dct_matrix().astype(patches.dtype)
    spectra = np.swapaxes(np.swapaxes(patches @ rows.T, -1, -2) @ rows.T, -1, -2)
    means = spectra[..., 0, 0] / PATCH_PIXELS
    squares = spectra**2
    squares[..., 0, 0] = 0
    return squares, means


@lru_cache
def used_frequencies() -> NDArray[np.bool_]:
    """(SIDE, SIDE): the frequencies that are used, all but the mean and the two slopes."""
    used: NDArray[np.bool_] = np.add.outer(np.arange(PATCH_PIXELS), np.arange(PATCH_PIXELS)) >= 2
    return used


def autocovariance(power: Array) -> NDArray[np.float64]:
    """Mean powers (SIDE, SIDE) → the autocovariance (RADIUS + 1, RADIUS + 1) at shifts of 0, 1 … rows and columns.

    Weighted least squares, the weight of a power being one over itself, as its own error grows with it. All zeros give zeros.
    """
    scale = float(power[used_frequencies()].mean())
    if scale <= 0:
        return np.zeros((RADIUS_PIXELS + 1, RADIUS_PIXELS + 1))
    values = power[used_frequencies()] / scale
    weights = 1 / np.hypot(values, 0.1)
    matrix = _response() * weights[:, None]
    distance = np.hypot(*np.indices((RADIUS_PIXELS + 1, RADIUS_PIXELS + 1))).ravel()
    ridge = np.diag(_SMOOTHNESS * len(values) * (distance / 4) ** 2)
    solution = np.linalg.solve(matrix.T @ matrix + ridge, matrix.T @ (values * weights))
    return np.asarray(scale * solution.reshape(RADIUS_PIXELS + 1, RADIUS_PIXELS + 1), np.float64)


@lru_cache
def _response() -> NDArray[np.float64]:
    """(frequencies, shifts): E[power] of each used frequency for an autocovariance of 1 at one shift and its mirror images."""
    rows = dct_matrix()
    along = np.stack(
        [(rows[:, : PATCH_PIXELS - d] * rows[:, d:]).sum(1) for d in range(RADIUS_PIXELS + 1)], axis=1
    )  # (SIDE, RADIUS + 1)
    along[:, 1:] *= 2  # a shift and its opposite
    matrix = np.einsum("kd,le->klde", along, along)[used_frequencies()]  # (frequencies, RADIUS + 1, RADIUS + 1)
    return matrix.reshape(len(matrix), -1)
