"""Convolutions over a map strip after strip of rows, each as soon as it has what it sees, so that nothing but the map is ever whole.

What lies between them stays within memory that is used again: whole maps of some hundred megabytes would be asked of the system anew at
each layer, which may take a quarter of the time. Results may take the map's own place: they come later than what they are made of is
read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unnoise.layers.fused_convolution import (
    Activation,
    can_fuse_on_cpu,
    convolve,
    convolve_with,
    paired,
    weights_of,
    working_type,
)
from unnoise.layers.partial.row_chunks import in_steps, is_as_if_large
from unnoise.layers.pointwise import are_rows
from unnoise.layers.weight_cache import prepare_weights

STRIP = 2**24
"""Bytes of a strip of a map: well below what glibc asks the system for anew."""
LARGE = 2**26
"""Bytes of a map from which on it is streamed."""


class Stage(NamedTuple):
    """One layer of a stream."""

    apply: Callable[[Tensor], Tensor]
    """(B, C, h + 2·sees, W) → (B, C', h, W): zeros around it on the left and right alone."""
    sees: int
    """Rows above and below."""
    channels: int
    """C'."""


def is_streamed(x: Tensor) -> bool:
    """Whether a map (B, F, H, W) is better streamed: that of one image, on a CPU at inference, if it is large."""
    return can_fuse_on_cpu(x) and are_rows(x) and len(x) == 1 and (is_as_if_large() or x.nbytes > LARGE)


def leads_to_a_stream(x: Tensor, features: int, large: int | None = None) -> bool:
    """Whether a map of so many features for each pixel of x, (B, C, H, W), would be streamed, as one of more than `large` bytes is."""
    size = features * x[:, 0].numel() * working_type(x).itemsize
    return can_fuse_on_cpu(x) and len(x) == 1 and (is_as_if_large() or size > (LARGE if large is None else large))


def streamed(layers: Iterable[nn.Module], x: Tensor, result: Tensor | None = None) -> Tensor:
    """layers(x) of (1, C, H, W), as by `in_sequence`.

    Args:
        layers: convolutions and ReLUs after some.
        x: whose rows are read one after the other.
        result: (1, C', H, W), which may be x; None: a new one.
    """

    def put(y: Tensor, rows: slice) -> None:
        nonlocal result
        if result is None:
            result = y.new_empty(1, *x.shape[-2:], y.shape[1]).permute(0, 3, 1, 2)
        result[..., rows, :] = y

    stream([x], stages(layers), put)
    assert result is not None
    return result


def streamed_onto(plus: Tensor, layers: Sequence[nn.Module], last: nn.Conv2d, x: Tensor) -> Tensor:
    """plus + last(layers(x)), in the memory of `plus`, (1, F, H, W), which may be x itself.

    Args:
        plus: `is_streamed`.
        layers: as for `streamed`.
        last: a 1×1 convolution.
        x: (1, C, H, W).
    """
    stream([x], stages(layers), lambda y, rows: convolve(last, y, plus=plus[..., rows, :], own=True))
    return plus


def stream(maps: Sequence[Tensor], through: Sequence[Stage], finish: Callable[[Tensor, slice], object]) -> None:
    """Bring the strips of maps, from the first row to the last, through layers.

    Args:
        maps: (1, C, H, W) each, which enter the first layer side by side.
        through: one layer after the other.
        finish: gets rows of the last one's result, and where they lie; they have been read of the maps.
    """
    height, width = maps[0].shape[-2:]
    widest = max([sum(each.shape[1] for each in maps), *(stage.channels for stage in through)])
    rows = -(-height // 32) if is_as_if_large() else max(1, STRIP // (working_type(maps[0]).itemsize * width * widest))
    kept: list[Tensor | None] = [None] * len(through)
    done = 0
    for piece in in_steps(slice(0, height), rows):
        is_last = piece.stop == height
        x = torch.cat([each[..., piece, :] for each in maps], dim=1) if len(maps) > 1 else maps[0][..., piece, :]
        for place, (apply, sees, _) in enumerate(through):
            if sees:
                x = _around(kept[place], x, sees, is_last=is_last)
                kept[place] = x[..., max(0, x.shape[-2] - 2 * sees) :, :].clone(memory_format=torch.channels_last)
                if x.shape[-2] <= 2 * sees:
                    break  # too few rows yet
            x = apply(x)
        else:
            finish(x, slice(done, done + x.shape[-2]))
            done += x.shape[-2]


def stages(layers: Iterable[nn.Module]) -> list[Stage]:
    """Convolutions with zeros around their input, and ReLUs after some."""
    return [_stage(layer, activation) for layer, activation in paired(layers)]


def _stage(layer: nn.Module, activation: Activation) -> Stage:
    assert isinstance(layer, nn.Conv2d)
    assert not isinstance(layer.padding, str)
    sees, beside = layer.padding

    def apply(x: Tensor) -> Tensor:
        weight, bias = prepare_weights(layer, "", working_type(x), lambda: weights_of(layer))
        return convolve_with(x, weight, bias, activation, padding=(0, beside), dilation=layer.dilation)

    return Stage(apply, sees, layer.out_channels)


def _around(kept: Tensor | None, x: Tensor, sees: int, *, is_last: bool) -> Tensor:
    """The rows that were kept, or zeros above the first ones; the strip; below the last one zeros."""
    zeros = x.new_zeros(*x.shape[:-2], sees, x.shape[-1])
    return torch.cat([zeros if kept is None else kept, x, *([zeros] if is_last else [])], dim=-2)
