"""What a picture's noise means for the settings of blind-spot methods.

Two questions, as Lee, Son and Lee ask them in AP-BSN (CVPR 2022). In *training*, pixels that the network sees must not tell the
noise of the pixel it is to predict: the noise decides. At *inference* nothing is learnt any more, pixels near by hold the detail,
and a wide stride loses it to aliasing: the picture's detail decides, against the strength of its noise.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Array = NDArray[Any]

MAX_LEAKAGE = 0.01
"""Largest share of the noise's variance that may be told by the nearest pixels seen in training."""
MAX_STRIDE = 6
"""No advice goes further: in components of a wider stride little is left of the picture."""
WHITE_NOISE_CORRELATION = 0.1
"""Noise whose neighbours correlate less needs no stride at inference."""
FINE_DETAIL, VERY_FINE_DETAIL = 0.21, 1.53
"""Details above which inference should take a stride of 2, and of 1. Fitted to the shipped model; see docs/results/inspect.md."""
FAINT_SIGMA = 0.3 / 255
"""Standard deviation below which there is nothing to take away: that of rounding to 8 bits."""
_BLOCK_PIXELS = 8
_DISTANCE_PIXELS = 3
_MAX_BLOCK_DETAIL = 4.0


class Advice(BaseModel):
    """Settings for the noise that was found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train_stride: Annotated[int, Field(ge=1)]
    """Of PD (`ap-bsn`, `ss-bsn`, `amsnet-b`)."""
    infer_stride: Annotated[int, Field(ge=1)]
    train_hole: Annotated[int, Field(ge=1)]
    """k of AT-BSN, pixels across."""
    infer_hole: Annotated[int, Field(ge=1)]
    train_diamond: Annotated[int, Field(ge=1)]
    """s of TM-BSN, steps from the middle to the edge."""
    infer_diamond: Annotated[int, Field(ge=1)]
    recipe: str
    """To train on pictures like this one."""
    settings: dict[str, int]
    """The recipe's fields that the noise sets, by dotted name."""
    model: str | None = None
    """The shipped model that comes nearest; None: none ships."""
    model_fits: bool = False
    """Whether that model may be expected to bring the picture nearer to the truth."""
    reasons: list[str] = []
    """One sentence for each choice."""


def leakage(rho: Array, shifts: list[tuple[int, int]]) -> float:
    """The share of a pixel's noise that the best linear prediction from pixels at `shifts` gets right.

    With r the correlations of the pixel with the others and G theirs with each other, rᵀ(G + 0.1)⁻¹r; the 0.1 keeps errors of
    measurement from being magnified.

    Args:
        rho: (R + 1, R + 1), the correlation at shifts of 0, 1 … rows and columns; beyond R it is taken to be 0.
        shifts: rows and columns of the pixels seen.
    """
    places = np.array(shifts)

    def at(rows: Array, columns: Array) -> Array:
        inside = np.maximum(np.abs(rows), np.abs(columns)) < len(rho)
        return np.where(inside, rho[np.abs(rows) * inside, np.abs(columns) * inside], 0.0)

    apart = places[:, None] - places[None]  # (n, n, 2)
    values, vectors = np.linalg.eigh(at(apart[..., 0], apart[..., 1]))
    own = vectors.T @ at(places[:, 0], places[:, 1])
    # A measured table may be no correlation at all, with values below 0.
    return float(np.clip((own**2 / (np.maximum(values, 0) + 0.1)).sum(), 0, 1))


def training_distances(rho: Array) -> tuple[int, int, int]:
    """The smallest stride, distance to the edge of a square hole, and of a diamond, at which the leak is at most `MAX_LEAKAGE`.

    What counts is the nearest ring that is seen: at stride s the eight neighbours s pixels away, around a hole the pixels at its
    edge. Not more than `MAX_STRIDE`, whatever the leak.
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
    """How much of the picture three pixels miss, in units of the noise's variance; 0 for a plain surface, at most 4.

    The mean square of each pixel less the mean of the four that lie three pixels away, in blocks of 8×8, less what noise alone
    would give. Blocks count no more than 4: networks follow an edge, which a mean of four cannot.

    Args:
        windows: parts (H, W, C) of the picture.
        rho: as for `leakage`.
        variance: of the noise, mean over the channels, in the same unit; above 0.
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
    """Strides, holes and recipe for noise of correlation `rho` (see `leakage`) in a picture of this detail (see `measure_detail`)."""
    stride, square, diamond = training_distances(rho)
    nearest = (rho[0, 1] + rho[1, 0]) / 2
    if nearest < WHITE_NOISE_CORRELATION:
        near = 1
        why = f"Neighbours hardly correlate ({nearest:.2f}), so that inference needs no stride."
    else:
        near = 1 if found_detail > VERY_FINE_DETAIL else 2 if found_detail > FINE_DETAIL else 3
        words = {1: "much fine detail", 2: "some fine detail", 3: "little fine detail"}[near]
        why = f"The picture has {words} for its noise ({found_detail:.2f}), so that inference takes a stride of {near}."
    near = min(near, stride)
    reasons = [f"Noise {stride} pixels apart is all but uncorrelated, so that training takes a stride of {stride}.", why]
    if stride == MAX_STRIDE:
        reasons[0] = (
            f"Noise correlates beyond {MAX_STRIDE - 1} pixels; training takes the widest stride that leaves a picture, {MAX_STRIDE}."
        )
    full = near == 1  # components of a stride would lose what the picture is made of
    hole, infer_hole = 2 * square - 1, 2 * min(near, square, 2) - 1  # AT-BSN's paper restores at 3 where AP-BSN's takes 2
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
        + "; without a GPU tm-bsn-quick, which weighs its blind spots by itself."
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
