"""Finding the 8×8 grid that JPEG leaves in a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BLOCK_PIXELS = 8
_MIN_EXCESS = 0.03
_MIN_STANDARD_ERRORS = 3.0


def grid_score(windows: list[Array]) -> tuple[float, bool, tuple[int, int]]:
    """How much more brightness changes across the lines of the grid than between them.

    The excess of a step between neighboring pixels is the step minus the mean of the steps before and after it. Its
    mean is about 0 in any picture, and positive across the edges of JPEG's blocks. Large steps are limited to the 90th
    percentile, because a few edges of the picture would decide otherwise.

    Args:
        windows: brightness (H, W). Each starts at a row and a column that 8 divides.

    Returns:
        - the excess at the likeliest grid as a share of the mean step: 0 none, 0.1 JPEG quality about 80, 0.3 about 50;
        - whether it is more than chance in both directions;
        - the row and the column at which the first full block begins.

    >>> blocks = np.kron(np.random.default_rng(0).random((8, 8)), np.ones((8, 8)))
    >>> score, found, offset = grid_score([blocks])
    >>> found, offset
    (True, (0, 0))
    """
    across, down = (_direction(part) for part in (windows, [window.T for window in windows]))
    score = max(0.0, (across[0] + down[0]) / 2)
    found = score >= _MIN_EXCESS and min(across[1], down[1]) >= _MIN_STANDARD_ERRORS
    return score, found, (down[2], across[2])


def _direction(windows: list[Array]) -> tuple[float, float, int]:
    """For the columns: the excess, its size in standard errors, and where the first block begins."""
    columns: list[list[Array]] = [[] for _ in range(BLOCK_PIXELS)]
    steps = 0.0
    for window in windows:
        if window.shape[1] < 3 * BLOCK_PIXELS:
            continue
        step = np.abs(np.diff(window, axis=1))
        excess = step[:, 1:-1] - (step[:, :-2] + step[:, 2:]) / 2
        most = np.quantile(step, 0.9)
        means = np.clip(excess, -most, most).mean(axis=0)  # (W − 3,), the step from column j + 1 to j + 2
        steps += float(step.mean()) / len(windows)
        for phase in range(BLOCK_PIXELS):
            columns[(phase + 2) % BLOCK_PIXELS].append(means[phase::BLOCK_PIXELS])
    if not steps:
        return 0.0, 0.0, 0
    values = [np.concatenate(part) for part in columns]
    means = np.array([part.mean() for part in values])
    best = int(means.argmax())
    errors = np.array([part.std() / np.sqrt(len(part)) for part in values])
    excess = means[best] - np.median(np.delete(means, best))
    error = np.hypot(errors[best], np.median(errors))
    return float(excess / steps), float(excess / (error + 1e-12)), best
