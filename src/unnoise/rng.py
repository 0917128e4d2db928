"""Random numbers that depend on the place in a picture. So a tile gets the same numbers as the whole picture.

Importing this module does not load torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from array_api_compat import device as device_of
from array_api_compat import is_torch_array
from numpy.typing import NDArray

from unnoise.array_api import array_namespace
from unnoise.deprecated.module_names import renamed

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class PositionalGenerator:
    """A generator of random numbers. Each is a function of the seed, the number of the plane, the row and the column.

    Generators with one seed agree where their regions overlap, if they have drawn equally many planes. It makes no
    difference whether planes are drawn singly or together. All devices give the same numbers.

    Args:
        seed: a whole number.
        top, left: first row and column of the region in the picture, in pixels.

    >>> whole = PositionalGenerator(seed=1).uniform((4, 4))
    >>> tile = PositionalGenerator(seed=1, top=2, left=1).uniform((2, 3))
    >>> bool((whole[2:, 1:] == tile).all())
    True
    """

    def __init__(self, seed: int, top: int = 0, left: int = 0) -> None:
        self.seed, self.top, self.left = seed, top, left
        self._drawn = 0

    def coarser(self, stride: int) -> PositionalGenerator:
        """A new generator for the polyphase components of a region that begins at a multiple of `stride` pixels."""
        return PositionalGenerator(self.seed, self.top // stride, self.left // stride)

    def uniform(self, shape: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
        """Draw planes, (…, H, W) float32, uniform in [0, 1)."""
        import torch

        drawn: Tensor = self.uniform_like(shape, torch.empty(0, device=device))
        return drawn

    def uniform_like(self, shape: Sequence[int], like: Any) -> Any:
        """The same numbers as an array of the kind and on the device of `like`."""
        xp = array_namespace(like)
        *leading, height, width = shape
        planes, rows, columns = (
            xp.arange(first, first + count, dtype=xp.int32, device=device_of(like))
            for first, count in ((self._drawn, prod(leading)), (self.top, height), (self.left, width))
        )
        self._drawn += prod(leading)
        seed = xp.full((1,), self.seed & 0x7FFFFFFF, dtype=xp.int32, device=device_of(like))
        lines = _hash(_hash(_hash(seed) + planes)[:, None] + rows)  # (planes, H)
        bits = _hash(lines[..., None] + columns)  # (planes, H, W)
        # A float32 holds 24 bits. `>>` copies the sign bit, and the mask removes it.
        drawn = xp.astype((bits >> 8) & 0xFFFFFF, xp.float32)
        drawn *= 2.0**-24
        return xp.reshape(drawn, tuple(shape))


class SequentialGenerator:
    """The sequence of numbers that `torch.Generator().manual_seed(seed)` draws, without torch.

    Both are the Mersenne Twister MT19937 of Matsumoto and Nishimura (1998). A float32 holds the lower 24 bits of each word.

    Args:
        seed: from 0 to 2³² − 1.

    >>> SequentialGenerator(0).uniform((1, 2))
    array([[0.4962566, 0.7682218]], dtype=float32)
    """

    def __init__(self, seed: int) -> None:
        self._words = np.random.RandomState(seed)

    def uniform(self, shape: Sequence[int]) -> NDArray[np.float32]:
        """Draw an array of this shape, float32, uniform in [0, 1)."""
        words = self._words.randint(0, 2**32, size=prod(shape), dtype=np.uint32)
        return ((words & 0xFFFFFF) * np.float32(2.0**-24)).astype(np.float32).reshape(tuple(shape))


RandomSource: TypeAlias = "torch.Generator | PositionalGenerator"
"""A source of random numbers: a sequence in training, places of the picture at inference."""


def sequence_for(x: Any, seed: int) -> Any:
    """A sequence of random numbers for arrays of the kind of `x`. The numbers of a seed are the same for each kind.

    >>> import torch
    >>> drawn = [uniform((2, 3), sequence_for(x, seed=1)) for x in (torch.zeros(1), np.zeros(1))]
    >>> bool((drawn[0].numpy() == drawn[1]).all())
    True
    """
    if not is_torch_array(x):
        return SequentialGenerator(seed)
    import torch

    return torch.Generator().manual_seed(seed)


def uniform(shape: Sequence[int], source: Any, device: torch.device | str = "cpu") -> Any:
    """Draw (…, H, W) float32 on `device`, uniform in [0, 1).

    A `torch.Generator` draws on its own device, so that the numbers do not depend on `device`.

    Args:
        source: a `RandomSource`, which gives a tensor, or a `SequentialGenerator`, which gives a NumPy array.

    >>> import torch
    >>> uniform((1, 2, 3), torch.Generator().manual_seed(0)).shape
    torch.Size([1, 2, 3])
    """
    if isinstance(source, SequentialGenerator):
        return source.uniform(shape)
    if isinstance(source, PositionalGenerator):
        return source.uniform(shape, device)
    import torch

    return _of_shard(shape, source, lambda whole: torch.rand(whole, generator=source, device=source.device)).to(device)


def integers(count: int, shape: Sequence[int], source: torch.Generator, device: torch.device | str = "cpu") -> Tensor:
    """Draw whole numbers below `count`, (B, …) int64 on `device`, as `uniform` does.

    >>> import torch
    >>> integers(1, (1, 2), torch.Generator())
    tensor([[0, 0]])
    """
    import torch

    def draw(whole: tuple[int, ...]) -> Tensor:
        return torch.randint(count, whole, generator=source, device=source.device)

    return _of_shard(shape, source, draw).to(device)


def _of_shard(shape: Sequence[int], source: torch.Generator, draw: Callable[[tuple[int, ...]], Tensor]) -> Tensor:
    """Draw a shape (B, …). Where the source belongs to a part of a batch, its part of what the whole batch draws."""
    index, count = getattr(source, "shard", (0, 1))
    part = shape[0]
    return draw((part * count, *shape[1:]))[part * index : part * (index + 1)]


def _hash(x: Any) -> Any:
    """A bijective hash of 32-bit integers: lowbias32 of Wellons, "Prospecting for Hash Functions", 2018."""
    x = x ^ ((x >> 16) & 0xFFFF)
    x *= 0x7FEB352D
    x ^= (x >> 15) & 0x1FFFF
    x *= 0x846CA68B - 2**32
    x ^= (x >> 16) & 0xFFFF
    return x


__getattr__ = renamed(__name__, {"PlacedDraws": "PositionalGenerator", "Source": "RandomSource"})
