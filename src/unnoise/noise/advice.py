"""Advice on strides and blind spots from the noise of a picture.

It answers two questions of Lee, Son and Lee (AP-BSN, CVPR 2022):

- In *training*, the pixels that the network sees must not predict the noise of the pixel that it restores. The
  correlation of the noise decides.
- At *inference* nothing is learned any more. Near pixels hold the detail, and a wide stride loses it to aliasing. The
  detail of the picture decides, compared with the strength of its noise.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Array = NDArray[Any]

MAX_LEAKAGE = 0.01
"""Largest share of the noise variance that the nearest visible pixels may predict in training."""
MAX_STRIDE = 6
"""The widest stride that is advised. A component of a wider stride holds little of the picture."""
WHITE_NOISE_CORRELATION = 0.1
"""Noise with a smaller correlation between neighbors needs no stride at inference."""
FINE_DETAIL, VERY_FINE_DETAIL = 0.21, 1.53
"""Details above which inference should use a stride of 2, and of 1. Fitted to the shipped model; see
docs/results/inspect.md."""
FAINT_SIGMA = 0.3 / 255
"""Standard deviation, in 0..1, below which there is nothing to remove: about that of rounding to 8 bits."""
_BLOCK_PIXELS = 8
_DISTANCE_PIXELS = 3
_MAX_BLOCK_DETAIL = 4.0


class Advice(BaseModel):
    """Settings that suit the noise of a picture.

    >>> strides = {"train_stride": 5, "infer_stride": 2, "train_hole": 9, "infer_hole": 3}
    >>> Advice(**strides, train_diamond=4, infer_diamond=2, recipe="tm-bsn-quick", settings={}).infer_stride
    2
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    train_stride: Annotated[int, Field(ge=1)]
    """Stride of pixel-shuffle downsampling (`ap-bsn`, `ss-bsn`, `amsnet-b`)."""
    infer_stride: Annotated[int, Field(ge=1)]
    train_hole: Annotated[int, Field(ge=1)]
    """Blind spot k of AT-BSN: its width in pixels."""
    infer_hole: Annotated[int, Field(ge=1)]
    train_diamond: Annotated[int, Field(ge=1)]
    """Blind spot s of TM-BSN: steps from the center to the edge."""
    infer_diamond: Annotated[int, Field(ge=1)]
    recipe: str
    """The recipe to train on such pictures."""
    settings: dict[str, int]
    """The recipe's fields that the noise determines, by dotted name."""
    model: str | None = None
    """The shipped model that suits the picture best. None: no model ships."""
    model_fits: bool = False
    """Whether that model can be expected to bring the picture closer to the truth: by its reach, or where it was tried, by its
    estimated gain."""
    reasons: list[str] = []
    """One sentence for each choice."""


def leakage(rho: Array, shifts: list[tuple[int, int]]) -> float:
    """The share of a pixel's noise variance that the best linear prediction from other pixels gets right.

    With r the correlations of the pixel with the others, and G the correlations between the others, it is rᵀ(G +
    0.1)⁻¹r. The 0.1 keeps errors of measurement from being amplified.

    Args:
        rho: (R + 1, R + 1), the correlation at shifts of 0, 1 … rows and columns. It counts as 0 beyond R.
        shifts: rows and columns of the visible pixels, relative to the predicted one.

    Returns:
        A share in 0..1.

    >>> neighbors = np.array([[1.0, 0.5], [0.5, 0.25]])
    >>> round(leakage(neighbors, [(0, 1)]), 3)  # 0.5² / 1.1
    0.227
    """
    places = np.array(shifts)

    def at(rows: Array, columns: Array) -> Array:
        inside = np.maximum(np.abs(rows), np.abs(columns)) < len(rho)
        return np.where(inside, rho[np.abs(rows) * inside, np.abs(columns) * inside], 0.0)

    apart = places[:, None] - places[None]  # (n, n, 2)
    values, vectors = np.linalg.eigh(at(apart[..., 0], apart[..., 1]))
    projected = vectors.T @ at(places[:, 0], places[:, 1])
    # A measured table need not be a valid correlation: G may have eigenvalues below 0.
    return float(np.clip((projected**2 / (np.maximum(values, 0) + 0.1)).sum(), 0, 1))


def training_distances(rho: Array) -> tuple[int, int, int]:
    """The smallest distances at which the leakage is at most `MAX_LEAKAGE`.

    Only the nearest visible pixels count. With stride s these are the eight neighbors s pixels away; around a blind
    spot these are the pixels at its edge.

    Args:
        rho: as for `leakage`.

    Returns:
        A stride, the distance to the edge of a square, and the distance to the edge of a diamond. None exceeds
        `MAX_STRIDE`.

    >>> white = np.zeros((9, 9))
    >>> white[0, 0] = 1
    >>> training_distances(white)
    (1, 1, 1)
    """

    def least(ring: Any) -> int:
        return next((size for size in range(1, MAX_STRIDE) if leakage(rho, ring(size)) <= MAX_LEAKAGE), MAX_STRIDE)

    def around(size: int) -> list[tuple[int, int]]:
        return [(y, x) for y in range(-size, size + 1) for x in range(-size, size + 1)]

    return (
        least(lambda s: [(s * y, s * x) for y, x in around(1) if y or x]),
        least(lambda s: [(y, x) for y, x in around(s) if max(abs(y), abs(x)) == s]),
        least(lambda s: [(y, x) for y, x in around(s) if abs(y) + abs(x) == s]),
    )


def measure_detail(windows: list[Array], rho: Array, variance: float) -> float:
    """How badly pixels three apart predict the picture, in units of the noise variance.

    The error of a prediction is a pixel minus the mean of the four pixels that are three pixels away. Its mean square
    is taken in blocks of 8×8, and the part that noise alone causes is subtracted. A block counts at most 4, because
    networks follow an edge that a mean of four pixels cannot.

    Args:
        windows: parts (H, W, C) of the picture.
        rho: as for `leakage`.
        variance: noise variance, averaged over the channels, in the same unit as the windows; above 0.

    Returns:
        0 for a plain surface, at most 4.

    >>> white = np.zeros((9, 9))
    >>> white[0, 0] = 1
    >>> noise = np.random.default_rng(0).normal(0.5, 0.01, (64, 64, 1))
    >>> measure_detail([noise], white, 0.01**2) < 0.3
    True
    """
    s = _DISTANCE_PIXELS
    near = rho[0, s] + rho[s, 0]
    expected = variance * (1 - near + (4 + 2 * (rho[0, 2 * s] + rho[2 * s, 0]) + 8 * rho[s, s]) / 16)
    excess = []
    for window in windows:
        middle = window[s:-s, s:-s]
        four = window[: -2 * s, s:-s] + window[2 * s :, s:-s] + window[s:-s, : -2 * s] + window[s:-s, 2 * s :]
        square = ((middle - four / 4) ** 2).mean(axis=2)  # (H − 6, W − 6)
        height, width = (side // _BLOCK_PIXELS * _BLOCK_PIXELS for side in square.shape)
        blocks = (
            square[:height, :width]
            .reshape(height // _BLOCK_PIXELS, _BLOCK_PIXELS, width // _BLOCK_PIXELS, _BLOCK_PIXELS)
            .mean(axis=(1, 3))
        )
        excess.append(np.clip((blocks - expected) / variance, 0, _MAX_BLOCK_DETAIL).ravel())
    return float(np.concatenate(excess).mean())


def advise(rho: Array, found_detail: float) -> Advice:
    """Choose strides, blind spots and a recipe.

    Args:
        rho: correlation of the noise, as for `leakage`.
        found_detail: what `measure_detail` gives.

    >>> white = np.zeros((9, 9))
    >>> white[0, 0] = 1
    >>> advise(white, 0.5).recipe
    'at-bsn'
    """
    stride, square, diamond = training_distances(rho)
    nearest = (rho[0, 1] + rho[1, 0]) / 2
    if nearest < WHITE_NOISE_CORRELATION:
        near = 1
        why = f"The noise of neighboring pixels hardly correlates ({nearest:.2f}), so denoising needs no stride."
    else:
        near = 1 if found_detail > VERY_FINE_DETAIL else 2 if found_detail > FINE_DETAIL else 3
        words = {1: "much fine detail", 2: "some fine detail", 3: "little fine detail"}[near]
        why = f"The picture has {words}, compared with its noise ({found_detail:.2f}), so denoising should use stride {near}."
    near = min(near, stride)
    reasons = [f"The noise of pixels {stride} apart is nearly uncorrelated, so training should use stride {stride}.", why]
    if stride == MAX_STRIDE:
        reasons[0] = (
            f"The noise correlates beyond {MAX_STRIDE - 1} pixels; training should use the widest useful stride, {MAX_STRIDE}."
        )
    full = near == 1  # a stride would lose the detail
    hole, infer_hole = 2 * square - 1, 2 * min(near, square, 2) - 1  # AT-BSN's paper restores with 3 where AP-BSN's uses 2
    settings = (
        {"scheme.train_hole": hole, "scheme.infer_hole": infer_hole}
        if full
        else {"scheme.train_stride": stride, "scheme.infer_stride": near}
    )
    reasons.append(
        (
            "Recipe at-bsn: it works at full resolution, which keeps fine detail"
            if full
            else "Recipe ap-bsn: its strides suit this noise"
        )
        + "; without a GPU use tm-bsn-quick, which chooses blind spots by itself."
    )
    return Advice(
        train_stride=stride,
        infer_stride=near,
        train_hole=hole,
        infer_hole=infer_hole,
        train_diamond=diamond,
        infer_diamond=max(1, diamond - 1),  # TM-BSN's paper: 5 and 4
        recipe="at-bsn" if full else "ap-bsn",
        settings=settings,
        reasons=reasons,
    )
