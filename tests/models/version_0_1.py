"""Small pictures, made anew from a seed, and how each is denoised for `version_0_1.npz`, which holds what version 0.1 made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "ap-bsn in color": ("ap-bsn", "color", {}),
    "ap-bsn with R3": ("ap-bsn", "color", {"refine": True}),
    "ap-bsn on a measurement": ("ap-bsn", "measurement", {}),
    "tm-bsn in color": ("tm-bsn", "color", {}),
    "tm-bsn in the dark": ("tm-bsn", "dark", {"detail": 1.0, "strength": 0.7}),
    "tm-bsn in tiles": ("tm-bsn", "color", {"tile": 32}),
}
"""Name of the case → model, picture, options."""


def pictures() -> dict[str, NDArray[Any]]:
    """Noisy pictures, (48, 64, 3) and (48, 64)."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:48, :64]
    scene = np.stack([120 + 80 * np.sin(columns / 17 + c) * np.cos(rows / 23 - c) for c in range(3)], axis=-1)
    scene[12:24, 16:32] += 60
    return {
        "color": _rounded(scene + random.normal(0, 18, scene.shape), np.uint8),
        "dark": _rounded(0.15 * scene - 10 + random.normal(0, 12, scene.shape), np.uint8),
        "measurement": _rounded(12 * scene[..., 0] + random.normal(0, 200, scene.shape[:2]), np.uint16),
    }


def _rounded(picture: NDArray[Any], dtype: Any) -> NDArray[Any]:
    return np.clip(picture.round(), 0, np.iinfo(dtype).max).astype(dtype)
