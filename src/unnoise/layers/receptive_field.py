"""How far a network sees: walking a span of pixels from one output pixel back to the input, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Layer = Callable[[int, int], tuple[int, int]]
"""From the first and last place wanted of a layer's output to the first and last place of its input that they depend on."""


def window(before: int, after: int, stride: int = 1) -> Layer:
    """A convolution or pooling whose output i sees the inputs i·stride − before … i·stride + after."""
    return lambda first, last: (first * stride - before, last * stride + after)


def doubling() -> Layer:
    """Up-sampling in which the outputs 2i and 2i + 1 both come from the input i."""
    return lambda first, last: (first // 2, last // 2)


def seen_through(layers: Iterable[Layer], first: int, last: int) -> tuple[int, int]:
    """The first and last place of the input that the outputs `first` to `last` depend on, by layers from the output to the input."""
    for layer in layers:
        first, last = layer(first, last)
    return first, last


def reach_through(layers: Iterable[Layer], period: int) -> int:
    """The greatest distance from an output pixel to an input pixel that it depends on.

    Args:
        layers: from the output to the input, along the path that sees most.
        period: the network does the same at every `period`-th pixel only, because it pools; each place within is tried.
    """
    layers = list(layers)
    farthest = 0
    for place in range(period):
        first, last = seen_through(layers, place, place)
        farthest = max(farthest, place - first, last - place)
    return farthest
