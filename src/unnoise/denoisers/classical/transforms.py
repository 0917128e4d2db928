"""The orthonormal and biorthogonal transforms of BM3D, as small matrices: row k of each is the k-th basis vector."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

_LOW = [3, -3, -22, 22, 128, 128, 22, -22, -3, 3]
"""256/√2 times the low-pass analysis filter of the biorthogonal spline wavelet 1.5 (Cohen, Daubechies and Feauveau,
1992)."""


@lru_cache
def dct(size: int) -> Tensor:
    """The orthonormal cosine transform (DCT-II), (size, size), float64.

    >>> torch.allclose(dct(8) @ dct(8).T, torch.eye(8, dtype=torch.float64))
    True
    """
    place = torch.arange(size, dtype=torch.float64)
    rows = torch.cos(math.pi * (place + 0.5) * place[:, None] / size) * math.sqrt(2 / size)
    rows[0] /= math.sqrt(2)
    return rows


@lru_cache
def haar(size: int) -> Tensor:
    """The orthonormal Haar transform of a power of two, (size, size), float64. Row 0 is the mean.

    >>> haar(2).round(decimals=3).tolist()
    [[0.707, 0.707], [0.707, -0.707]]
    """
    rows = torch.ones(1, 1, dtype=torch.float64)
    while len(rows) < size:
        sums = torch.kron(rows, torch.tensor([1.0, 1.0], dtype=torch.float64))
        differences = torch.kron(torch.eye(len(rows), dtype=torch.float64), torch.tensor([1.0, -1.0], dtype=torch.float64))
        rows = torch.cat([sums, differences]) / math.sqrt(2)
    return rows


@lru_cache
def spline_wavelet(size: int) -> Tensor:
    """The periodic wavelet transform bior1.5 over all levels, (size, size), float64, for a power of two.

    Each row has norm 1, so white noise has the same variance in each coefficient. The rows are not orthogonal; the
    inverse is the inverse matrix.

    >>> spline_wavelet(8).square().sum(1).round(decimals=6).tolist() == [1.0] * 8
    True
    """
    low = torch.tensor(_LOW, dtype=torch.float64) * math.sqrt(2) / 256
    whole = torch.eye(size, dtype=torch.float64)
    details: list[Tensor] = []
    length = size
    while length > 1:
        level = torch.zeros(length, length, dtype=torch.float64)
        for pair in range(length // 2):
            for tap, weight in enumerate(low.tolist()):  # centred at the pair
                level[pair, (2 * pair + tap - 4) % length] += weight
            level[length // 2 + pair, 2 * pair] = -math.sqrt(0.5)
            level[length // 2 + pair, 2 * pair + 1] = math.sqrt(0.5)
        whole = level @ whole
        details.insert(0, whole[length // 2 :])
        whole, length = whole[: length // 2], length // 2
    rows = torch.cat([whole, *details])
    return rows / rows.norm(dim=1, keepdim=True)


def kaiser(size: int, beta: float) -> Tensor:
    """The weights of the pixels of a block, (size, size), float64: the outer product of two Kaiser windows.

    >>> kaiser(8, 2.0).shape
    torch.Size([8, 8])
    """
    window = torch.kaiser_window(size, periodic=False, beta=beta, dtype=torch.float64)
    return window[:, None] * window
