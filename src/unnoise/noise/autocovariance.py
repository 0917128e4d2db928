"""The autocovariance of noise from the cosine transform of small patches, without the bias of small patches.

If the mean or the slope of a patch is removed first, much of coarse noise goes with it, and the autocovariance comes
out too small. The powers of the discrete cosine transform have no such bias. With orthonormal basis pictures φ_k and
noise of autocovariance c,

    E[⟨φ_k, noise⟩²] = Σ_d c(d) · Σ_p φ_k(p)·φ_k(p + d),

which is linear in c. So the lowest frequencies, which hold the picture's own brightness, are left out, and c follows
from the others by least squares. The power of a cosine is the same for the shifts (y, x) and (y, −x), so c is the mean
of the two.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

PATCH_PIXELS = 16
"""Side of a patch in pixels."""
RADIUS_PIXELS = 8
"""Largest shift in rows and columns. The covariance counts as 0 beyond it."""

_SMOOTHNESS = 1e-3
"""How strongly distant shifts are drawn to 0. This decides what the left-out frequencies leave open."""


@lru_cache
def dct_matrix() -> NDArray[np.float64]:
    """The orthonormal cosine transform (DCT-II), (PATCH_PIXELS, PATCH_PIXELS). Row k is the k-th cosine.

    >>> bool(np.allclose(dct_matrix() @ dct_matrix().T, np.eye(PATCH_PIXELS)))
    True
    """
    k, x = np.ogrid[:PATCH_PIXELS, :PATCH_PIXELS]
    rows: NDArray[np.float64] = np.cos(np.pi * (x + 0.5) * k / PATCH_PIXELS) * np.sqrt(2 / PATCH_PIXELS)
    rows[0] /= np.sqrt(2)
    return rows


def dct(patches: Array) -> Array:
    """The orthonormal cosine transform of patches, (…, PATCH_PIXELS, PATCH_PIXELS) → the same shape and type.

    >>> float(dct(np.full((3, 16, 16), 0.5))[0, 0, 0].round(6))  # the mean times the side
    8.0
    """
    rows = dct_matrix().astype(patches.dtype)
    along = (patches.reshape(-1, PATCH_PIXELS) @ rows.T).reshape(patches.shape)  # one product is faster than many
    coefficients: Array = rows @ along
    return coefficients


def dct_powers(patches: Array) -> tuple[Array, Array]:
    """The powers of the cosine transform of patches, and their means.

    Args:
        patches: (…, PATCH_PIXELS, PATCH_PIXELS).

    Returns:
        Squared coefficients of the same shape, with 0 in place of the mean's, and the means (…).

    >>> powers, means = dct_powers(np.full((3, 16, 16), 0.5))
    >>> bool(np.allclose(powers, 0)), means.round(6).tolist()
    (True, [0.5, 0.5, 0.5])
    """
    return powers_of(dct(patches))


def powers_of(coefficients: Array) -> tuple[Array, Array]:
    """What `dct_powers` gives, of coefficients that are known already.

    >>> powers, means = powers_of(dct(np.full((3, 16, 16), 0.5)))
    >>> bool(np.allclose(powers, 0)), means.round(6).tolist()
    (True, [0.5, 0.5, 0.5])
    """
    means = coefficients[..., 0, 0] / PATCH_PIXELS
    squares = coefficients**2
    squares[..., 0, 0] = 0
    return squares, means


@lru_cache
def used_frequencies() -> NDArray[np.bool_]:
    """The frequencies that are used, (PATCH_PIXELS, PATCH_PIXELS): all but the mean and the two slopes.

    >>> int(used_frequencies().sum())
    253
    """
    used: NDArray[np.bool_] = np.add.outer(np.arange(PATCH_PIXELS), np.arange(PATCH_PIXELS)) >= 2
    return used


def autocovariance(power: Array) -> NDArray[np.float64]:
    """Turn mean powers into the autocovariance.

    The fit is by weighted least squares. The weight of a power is one over the power, because its error grows with it.

    Args:
        power: (PATCH_PIXELS, PATCH_PIXELS), averaged over patches.

    Returns:
        (RADIUS_PIXELS + 1, RADIUS_PIXELS + 1), the autocovariance at shifts of 0, 1 … rows and columns. Zeros for
        zeros.

    >>> white = autocovariance(np.full((16, 16), 0.04))
    >>> bool(abs(white[0, 0] - 0.04) < 0.002), bool(abs(white[0, 1]) < 0.002)
    (True, True)
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
    """(frequencies, shifts): E[power] of each used frequency, for an autocovariance of 1 at one shift and its mirror
    images."""
    rows = dct_matrix()
    along = np.stack(
        [(rows[:, : PATCH_PIXELS - d] * rows[:, d:]).sum(1) for d in range(RADIUS_PIXELS + 1)], axis=1
    )  # (PATCH_PIXELS, RADIUS + 1)
    along[:, 1:] *= 2  # a shift and its opposite
    matrix = np.einsum("kd,le->klde", along, along)[used_frequencies()]  # (frequencies, RADIUS + 1, RADIUS + 1)
    return matrix.reshape(len(matrix), -1)
