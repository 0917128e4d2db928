"""Convolutions with what follows them in one pass over memory, at inference: on a CPU by torch's library (oneDNN), on an NVIDIA GPU by
cuDNN and kernels of our own (`unnoise.layers.triton`).

Elsewhere, and wherever a gradient is wanted, they are torch's ordinary operations. Both forms are the same mathematics; what the
caller folds into the weights is exact up to rounding. Measured in `docs/results/speed.md`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.layers import pointwise
from unnoise.layers import triton as kernels
from unnoise.layers.pointwise import are_rows
from unnoise.layers.quantized.dynamic import convolve_in_int8, is_better_in_int8
from unnoise.layers.weight_cache import Weights, in_library_layout, prepare_weights

Activation = Literal["none", "relu", "leaky_relu", "gelu", "sigmoid"]
Where = tuple[list[int], list[int], list[int], int]
"""Padding, stride, dilation; groups."""


def working_type(x: Tensor) -> torch.dtype:
    """The type that a convolution of x works in: autocast's, or that of x."""
    return torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype


GPU_TYPES = (torch.bfloat16,)
"""What our GPU path is for; who asks for float32 there wants the ordinary layers."""


def can_fuse(x: Tensor) -> bool:
    """Whether convolutions of x run fused: on a CPU in float32 or bfloat16, on an NVIDIA GPU in bfloat16; without a gradient, not while
    being exported."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    if kernels.can_run(x):
        return working_type(x) in GPU_TYPES
    return (
        x.device.type == "cpu" and working_type(x) in (torch.float32, torch.bfloat16) and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    )


def can_fuse_on_cpu(x: Tensor) -> bool:
    """Whether `can_fuse` for a CPU, where some work is better cut into pieces that the caches hold."""
    return can_fuse(x) and not kernels.can_run(x)


def convolve(
    layer: nn.Conv2d,
    x: Tensor,
    activation: Activation = "none",
    *,
    slope: float = 0.0,
    plus: Tensor | None = None,
    own: bool = False,
) -> Tensor:
    """activation(layer(x)) or layer(x) + plus, (B, C, H, W) → (B, C', H', W'), in one pass where `can_fuse`.

    Args:
        layer: with any padding.
        x: its input.
        activation: not together with `plus`.
        slope: of the leaky ReLU.
        plus: of the result's shape.
        own: nobody else wants `plus` any more: the result may take its memory.
    """
    if not can_fuse(x):
        y = pointwise.apply(layer, x)
        return activate(y, activation, slope) if plus is None else plus + y
    padding = layer.padding
    if layer.padding_mode != "zeros":
        x, padding = F.pad(x, layer._reversed_padding_repeated_twice, mode=layer.padding_mode), (0, 0)
    weight, bias = prepare_weights(layer, "", working_type(x), lambda: weights_of(layer))
    return convolve_with(
        x, weight, bias, activation, slope=slope, plus=plus, own=own,
        padding=padding, stride=layer.stride, dilation=layer.dilation, groups=layer.groups,
    )  # fmt: skip


def convolve_exactly(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """layer(x) of a picture x that `can_fuse`, (B, C, H, W) → (B, C', H, W), without rounding it where autocast would.

    Eight bits of mantissa are half a step of 255 in bright places. What they leave goes into the same convolution beside them.
    """
    if working_type(x) != torch.bfloat16:
        return convolve(layer, x)
    coarse = x.to(torch.bfloat16)
    both = torch.cat([coarse, (x - coarse).to(torch.bfloat16)], dim=1)  # (B, 2·C, H, W)
    weight, bias = prepare_weights(
        layer, "twice", torch.bfloat16, lambda: (torch.cat([layer.weight, layer.weight], dim=1), layer.bias)
    )
    assert not isinstance(layer.padding, str)
    return convolve_with(both, weight, bias, padding=layer.padding)


def convolve_joined(layer: nn.Conv2d, one: Tensor, other: Tensor) -> Tensor:
    """A 1×1 convolution of two inputs side by side, (B, C₁, H, W) and (B, C₂, H, W) → (B, C', H, W), without joining them."""
    if not can_fuse(one):
        result: Tensor = layer(torch.cat([one, other], dim=1))
        return result
    cut, dtype = one.shape[1], working_type(one)
    weight, bias = prepare_weights(layer, "one", dtype, lambda: (layer.weight[:, :cut], layer.bias))
    first = convolve_with(one, weight, bias)
    weight, _ = prepare_weights(layer, "other", dtype, lambda: (layer.weight[:, cut:], None))
    return convolve_with(other, weight, None, plus=first, own=True)


def weights_of(layer: nn.Conv2d) -> Weights:
    """The layer's weights, its mask taken in if it has one."""
    mask = getattr(layer, "mask", None)
    return (layer.weight if mask is None else layer.weight * mask), layer.bias


def convolve_with(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    activation: Activation = "none",
    *,
    slope: float = 0.0,
    plus: Tensor | None = None,
    own: bool = False,
    minus: Tensor | None = None,
    times: Tensor | None = None,
    padding: Iterable[int] | str = (0, 0),
    stride: Iterable[int] = (1, 1),
    dilation: Iterable[int] = (1, 1),
    groups: int = 1,
) -> Tensor:
    """`convolve` with weights from `prepare_weights`, for x that `can_fuse`; of `activation`, `plus`, `minus` and `times` one at most.

    With `own` the result takes the memory of `plus`, on a CPU; not in int8 where the kernel is larger than a pixel. On a CPU a sum is
    rounded once, but that with a `plus` that is not our own twice where the kernel is larger than a pixel; on a GPU each twice.
    """
    assert not isinstance(padding, str)
    dtype = weight.dtype
    x = ready(x, dtype)
    where = list(padding), list(stride), list(dilation), groups
    if kernels.can_run(x):
        from unnoise.layers.triton.convolution import convolve_and_finish

        kind = "plus" if plus is not None else "minus" if minus is not None else "times" if times is not None else "none"
        added = next((ready(other, dtype) for other in (plus, minus, times) if other is not None), None)
        return convolve_and_finish(x, weight, bias, activation, slope, added, kind, *where)
    in_place = own and weight.shape[-1] == 1  # whose sums are to take the memory of `plus`, which leaves little to gain
    if minus is times is None and not in_place and is_better_in_int8(x, weight, groups):
        y = _in_int8(x, weight, bias, activation, slope, plus, where)
        if y is not None:
            return y
    weight = in_library_layout(x, weight, *where)
    if plus is not None and own and plus.dtype == dtype and are_rows(plus):
        bias = None if bias is None else bias.to(dtype)
        return torch.ops.mkldnn._convolution_pointwise_.binary(plus, x, weight, bias, *where, "add", None, None, [], None)
    if plus is not None and weight.shape[-1] > 1:
        # Measured: a sum within a 3×3 convolution costs more than one after it.
        return torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *where, "none", [], "").add_(ready(plus, dtype))
    if plus is None and minus is None and times is None:
        scalars, algorithm = ([slope] if activation == "leaky_relu" else []), ("none" if activation == "gelu" else "")
        return torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *where, activation, scalars, algorithm)
    other, what = (plus, "add") if plus is not None else (minus, "sub") if minus is not None else (times, "mul")
    assert other is not None
    bias = None if bias is None else bias.to(dtype)  # here torch asks for one type
    return torch.ops.mkldnn._convolution_pointwise.binary(
        x, ready(other, dtype), weight, bias, *where, what, None, None, [], None
    )


def _in_int8(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: Activation, slope: float, plus: Tensor | None, where: Where
) -> Tensor | None:
    """`convolve_with` in int8; None where that is not to be."""
    padding, stride, dilation, _ = where
    if stride != [1, 1]:
        return None
    in_library: Literal["none", "relu"] = "relu" if activation == "relu" else "none"

    def finish(y: Tensor, images: slice, rows: slice) -> None:
        if plus is not None:
            y.add_(plus[images, :, rows])
        elif activation != in_library:
            activate(y, activation, slope)

    return convolve_in_int8(
        lambda images, rows: x[images, :, rows], x.shape, weight, bias, in_library, finish, padding, dilation
    )


def in_sequence(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    """layers(x), each convolution that a ReLU follows together with it."""
    for layer, activation in paired(layers):
        x = convolve(layer, x, activation) if isinstance(layer, nn.Conv2d) else layer(x)
    return x


def paired(layers: Iterable[nn.Module]) -> list[tuple[nn.Module, Activation]]:
    """The layers, each convolution with the ReLU that follows it, if one does."""
    result: list[tuple[nn.Module, Activation]] = []
    for layer in layers:
        if isinstance(layer, nn.ReLU) and result and isinstance(result[-1][0], nn.Conv2d) and result[-1][1] == "none":
            result[-1] = result[-1][0], "relu"
        else:
            result.append((layer, "none"))
    return result


def activate(x: Tensor, activation: Activation, slope: float = 0.0) -> Tensor:
    """The activation by itself, in place where it can be."""
    if activation == "relu":
        return F.relu(x, inplace=True)
    if activation == "leaky_relu":
        return F.leaky_relu(x, slope, inplace=True)
    if activation == "gelu":
        return pointwise.gelu(x)
    return x.sigmoid() if activation == "sigmoid" else x


def ready(x: Tensor, dtype: torch.dtype) -> Tensor:
    """x in that type, channels last, (B, C, H, W); x itself where it is so."""
    return x.to(dtype).contiguous(memory_format=torch.channels_last)
