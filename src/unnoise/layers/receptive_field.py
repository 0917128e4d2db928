"""Receptive fields: from an interval of output pixels back to the input pixels that it depends on, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable

SpanMap = Callable[[int, int], tuple[int, int]]
"""From the first and last index of a layer's output to the first and last index of the input that they depend on."""


def kernel_span(before: int, after: int, stride: int = 1) -> SpanMap:
    """A convolution or pooling: output i depends on the inputs i·stride − before … i·stride + after.

    Example:
        >>> kernel_span(before=1, after=1)(4, 6)
        (3, 7)
    """
    return lambda first, last: (first * stride - before, last * stride + after)


def upsampling_span() -> SpanMap:
    """Nearest-neighbour up-sampling by two: the outputs 2i and 2i + 1 both depend on the input i.

    Example:
        >>> upsampling_span()(4, 6)
        (2, 3)
    """
    return lambda first, last: (first // 2, last // 2)


def input_span(layers: Iterable[SpanMap], first: int, last: int) -> tuple[int, int]:
    """The first and last input that the outputs `first` to `last` depend on.

    Args:
        layers: from the output to the input.
        first, last: indices of the output.

    Example:
        >>> input_span([kernel_span(1, 1), kernel_span(0, 1, stride=2)], 3, 3)
        (4, 9)
    """
    for layer in layers:
        first, last = layer(first, last)
    return first, last


def receptive_field_radius(layers: Iterable[SpanMap], period: int) -> int:
    """The largest distance from an output pixel to an input pixel that it depends on.

    Args:
        layers: from the output to the input, along the path with the largest receptive field.
        period: pooling makes the network treat every `period`-th pixel alike; each position within a period is tried.

    Example:
        >>> receptive_field_radius([kernel_span(1, 1)] * 3, period=1)
        3
    """
    layers = list(layers)
    farthest = 0
    for place in range(period):
        first, last = input_span(layers, place, place)
        farthest = max(farthest, place - first, last - place)
    return farthest
