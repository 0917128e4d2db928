"""Line buffers: a map passes several layers strip by strip, so no intermediate map is ever whole.

Each layer runs as soon as it has the rows that it needs. The intermediate strips reuse the same memory. Whole maps of
some hundred megabytes would be requested from the system anew at each layer, which can take a quarter of the time. A
result may overwrite the map, since its rows are written after the map's rows are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unnoise.layers.fused_convolution import (
    Activation,
    can_fuse_on_cpu,
    compute_dtype,
    convolve,
    convolve_with_weights,
    effective_weights,
    pair_activations,
)
from unnoise.layers.partial.row_chunks import is_chunking_forced, split_rows
from unnoise.layers.pointwise import is_channels_last
from unnoise.layers.weight_cache import prepare_weights

STRIP_BYTES = 2**24
"""Bytes of one strip of a map. glibc serves blocks of this size from memory that it already has."""
LARGE_MAP_BYTES = 2**26
"""Maps of more bytes than this are computed strip by strip."""


class BufferedLayer(NamedTuple):
    """One layer of a line buffer.

    >>> BufferedLayer(torch.relu, sees=0, channels=3).sees
    0
    """

    apply: Callable[[Tensor], Tensor]
    """(B, C, h + 2·sees, W) → (B, C', h, W); it pads with zeros at the left and right only."""
    sees: int
    """Rows that it needs above and below."""
    channels: int
    """C'."""


def uses_line_buffer(x: Tensor) -> bool:
    """Whether a map (B, F, H, W) is computed strip by strip: one large image, on a CPU, at inference.

    >>> uses_line_buffer(torch.zeros(1, 3, 8, 8))  # small
    False
    """
    return can_fuse_on_cpu(x) and is_channels_last(x) and len(x) == 1 and (is_chunking_forced() or x.nbytes > LARGE_MAP_BYTES)


def will_use_line_buffer(x: Tensor, features: int, large: int | None = None) -> bool:
    """Whether a map with `features` channels over the pixels of x, (B, C, H, W), would be, at more than `large` bytes.

    >>> with torch.inference_mode():
    ...     will_use_line_buffer(torch.zeros(1, 3, 8, 8), features=64, large=1)
    True
    """
    size = features * x[:, 0].numel() * compute_dtype(x).itemsize
    return can_fuse_on_cpu(x) and len(x) == 1 and (is_chunking_forced() or size > (LARGE_MAP_BYTES if large is None else large))


def run_buffered(layers: Iterable[nn.Module], x: Tensor, result: Tensor | None = None) -> Tensor:
    """layers(x) of (1, C, H, W), as `run_sequential` gives it, strip by strip.

    Args:
        layers: convolutions, some followed by ReLUs.
        x: its rows are read in order.
        result: (1, C', H, W), which may be x; None: a new one.

    Example:
        >>> with torch.inference_mode():
        ...     run_buffered([nn.Conv2d(3, 4, 3, padding=1)], torch.rand(1, 3, 6, 5)).shape
        torch.Size([1, 4, 6, 5])
    """

    def put(y: Tensor, rows: slice) -> None:
        nonlocal result
        if result is None:
            result = y.new_empty(1, *x.shape[-2:], y.shape[1]).permute(0, 3, 1, 2)
        result[..., rows, :] = y

    run_line_buffer([x], buffered_layers(layers), put)
    assert result is not None
    return result


def add_buffered(plus: Tensor, layers: Sequence[nn.Module], last: nn.Conv2d, x: Tensor) -> Tensor:
    """plus + last(layers(x)), in the memory of `plus`, (1, F, H, W), which may be x itself.

    Args:
        plus: for which `uses_line_buffer`.
        layers: as in `run_buffered`.
        last: a 1×1 convolution.
        x: (1, C, H, W).

    >>> x = torch.rand(1, 4, 64, 8).contiguous(memory_format=torch.channels_last)
    >>> first, last = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
    >>> with torch.inference_mode():
    ...     expected = x + last(first(x))
    ...     torch.allclose(add_buffered(x.clone(), [first], last, x), expected, atol=1e-5)
    True
    """
    run_line_buffer([x], buffered_layers(layers), lambda y, rows: convolve(last, y, plus=plus[..., rows, :], inplace=True))
    return plus


def run_line_buffer(
    maps: Sequence[Tensor], through: Sequence[BufferedLayer], finish: Callable[[Tensor, slice], object]
) -> None:
    """Pass the strips of maps, from the first row to the last, through layers.

    Args:
        maps: (1, C, H, W) each; they enter the first layer concatenated.
        through: the layers, in order.
        finish: receives rows of the result, and where they lie. The same rows of the maps have been read by then.

    >>> x, found = torch.rand(1, 1, 64, 8), []
    >>> run_line_buffer([x], [BufferedLayer(lambda y: 2 * y, sees=0, channels=1)], lambda y, rows: found.append(y))
    >>> torch.equal(torch.cat(found, dim=-2), 2 * x)
    True
    """
    height, width = maps[0].shape[-2:]
    widest = max([sum(each.shape[1] for each in maps), *(stage.channels for stage in through)])
    rows = (
        -(-height // 32) if is_chunking_forced() else max(1, STRIP_BYTES // (compute_dtype(maps[0]).itemsize * width * widest))
    )
    kept: list[Tensor | None] = [None] * len(through)
    done = 0
    for piece in split_rows(slice(0, height), rows):
        is_last = piece.stop == height
        x = torch.cat([each[..., piece, :] for each in maps], dim=1) if len(maps) > 1 else maps[0][..., piece, :]
        for place, (apply, sees, _) in enumerate(through):
            if sees:
                x = _around(kept[place], x, sees, is_last=is_last)
                kept[place] = x[..., max(0, x.shape[-2] - 2 * sees) :, :].clone(memory_format=torch.channels_last)
                if x.shape[-2] <= 2 * sees:
                    break  # needs more rows
            x = apply(x)
        else:
            finish(x, slice(done, done + x.shape[-2]))
            done += x.shape[-2]


def buffered_layers(layers: Iterable[nn.Module]) -> list[BufferedLayer]:
    """Convolutions with zero padding, some followed by ReLUs, as layers of a line buffer.

    >>> [(layer.sees, layer.channels) for layer in buffered_layers([nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()])]
    [(1, 8)]
    """
    return [_stage(layer, activation) for layer, activation in pair_activations(layers)]


def _stage(layer: nn.Module, activation: Activation) -> BufferedLayer:
    assert isinstance(layer, nn.Conv2d)
    assert not isinstance(layer.padding, str)
    sees, beside = layer.padding

    def apply(x: Tensor) -> Tensor:
        weight, bias = prepare_weights(layer, "", compute_dtype(x), lambda: effective_weights(layer))
        return convolve_with_weights(x, weight, bias, activation, padding=(0, beside), dilation=layer.dilation)

    return BufferedLayer(apply, sees, layer.out_channels)


def _around(kept: Tensor | None, x: Tensor, sees: int, *, is_last: bool) -> Tensor:
    """The rows kept from the strip before (or zeros above the first), the strip, and zeros below the last one."""
    zeros = x.new_zeros(*x.shape[:-2], sees, x.shape[-1])
    return torch.cat([zeros if kept is None else kept, x, *([zeros] if is_last else [])], dim=-2)
