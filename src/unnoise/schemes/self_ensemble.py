"""Self-ensemble: the mean of the results for all eight flips and quarter turns of a picture.

Timofte et al., "Seven Ways to Improve Example-Based Single Image Super Resolution", CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unnoise.array_api import array_namespace
from unnoise.regions import Region, RegionSource, flip_region, rotate_region


def self_ensemble(restore: Callable[[Any], Any], noisy: Any) -> Any:
    """Average `restore` over the eight flips and quarter turns of a picture in memory. Each result is turned back first.

    Args:
        restore: (…, H, W) → the same shape, and (…, W, H) → the same shape.
        noisy: (…, H, W).

    Returns:
        (…, H, W).

    Example:
        >>> import torch
        >>> self_ensemble(lambda x: 2 * x, torch.ones(1, 1, 2, 3)).unique().tolist()
        [2.0]
    """
    whole = slice(0, noisy.shape[-2]), slice(0, noisy.shape[-1])
    return self_ensemble_region(lambda source, region, _: restore(source.read(*region)), RegionSource.of(noisy), whole)


def self_ensemble_region(restore: Callable[[RegionSource, Region, int], Any], source: RegionSource, region: Region) -> Any:
    """Average `restore` over the flips and quarter turns of the *whole* picture, for one region of it.

    Args:
        restore: called with the flipped and turned picture, the place of the region in it, and the number of the symmetry, 0..7.
            Returns (B, C, rows, columns) of that place.
        source: the picture, (B, C, H, W).
        region: the rows and columns wanted.

    Returns:
        (B, C, rows, columns).

    Example:
        >>> import numpy as np
        >>> source = RegionSource.of(np.arange(6.0).reshape(1, 1, 2, 3))
        >>> self_ensemble_region(lambda picture, place, symmetry: picture.read(*place), source, (slice(0, 1), slice(1, 3)))
        array([[[[1., 2.]]]])
    """
    total: Any | None = None
    for flip in (False, True):
        picture, place = (source.flip(), flip_region(region, source.size)) if flip else (source, region)
        for turns in range(4):
            result = _turn_back(restore(picture, place, 4 * flip + turns), turns)
            result = array_namespace(result).flip(result, axis=-1) if flip else result
            total = result if total is None else total + result
            picture, place = picture.rotate(), rotate_region(place, picture.size)
    assert total is not None
    return total / 8


def _turn_back(x: Any, turns: int) -> Any:
    """Undo quarter turns of (…, H, W)."""
    xp = array_namespace(x)
    if turns == 2:
        return xp.flip(x, axis=(-2, -1))
    return x if turns == 0 else xp.flip(xp.matrix_transpose(x), axis=-1 if turns == 1 else -2)
