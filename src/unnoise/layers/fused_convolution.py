"""Convolutions fused with what follows them, in one pass over memory, at inference.

A CPU runs them by torch's library (oneDNN), an NVIDIA GPU by cuDNN and the kernels of `unnoise.layers.triton`.
Elsewhere, and wherever a gradient is wanted, they are torch's ordinary operations. Both forms compute the same, up to
rounding. Measured in `docs/results/speed.md`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.deprecated.module_names import renamed
from unnoise.layers import pointwise
from unnoise.layers import triton as kernels
from unnoise.layers.pointwise import is_channels_last
from unnoise.layers.quantized.dynamic import convolve_in_int8, is_better_in_int8
from unnoise.layers.weight_cache import Weights, in_library_layout, prepare_weights

Activation = Literal["none", "relu", "leaky_relu", "gelu", "sigmoid"]
Geometry = tuple[list[int], list[int], list[int], int]
"""Padding, stride, dilation and groups."""


def compute_dtype(x: Tensor) -> torch.dtype:
    """The type that a convolution of x computes in: autocast's, or that of x.

    Example:
        >>> with torch.autocast("cpu", torch.bfloat16):
        ...     compute_dtype(torch.rand(1))
        torch.bfloat16
    """
    return torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype


GPU_DTYPES = (torch.bfloat16,)
"""The types that the GPU kernels support. A user who asks for float32 on a GPU gets the ordinary layers."""


def can_fuse(x: Tensor) -> bool:
    """Whether convolutions of x run fused.

    They do on a CPU in float32 or bfloat16, and on an NVIDIA GPU in bfloat16. They do not where a gradient is wanted,
    nor while a graph is exported.

    Example:
        >>> can_fuse(torch.rand(1, 3, 8, 8))  # gradients are enabled here
        False
    """
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    if kernels.can_run(x):
        return compute_dtype(x) in GPU_DTYPES
    return (
        x.device.type == "cpu" and compute_dtype(x) in (torch.float32, torch.bfloat16) and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    )


def can_fuse_on_cpu(x: Tensor) -> bool:
    """Whether `can_fuse` holds on a CPU, where some work is faster in pieces that fit the caches.

    >>> with torch.inference_mode():
    ...     can_fuse_on_cpu(torch.zeros(1, 3, 8, 8))
    True
    """
    return can_fuse(x) and not kernels.can_run(x)


def convolve(
    layer: nn.Conv2d,
    x: Tensor,
    activation: Activation = "none",
    *,
    slope: float = 0.0,
    plus: Tensor | None = None,
    inplace: bool = False,
) -> Tensor:
    """activation(layer(x)) or layer(x) + plus: (B, C, H, W) → (B, C', H', W'), in one pass where `can_fuse`.

    Args:
        layer: with any padding.
        x: (B, C, H, W).
        activation: not together with `plus`.
        slope: negative slope of the leaky ReLU.
        plus: added to the result, of its shape.
        inplace: the result may overwrite `plus`, because nobody else needs it.

    Example:
        >>> layer = nn.Conv2d(3, 8, 3, padding=1)
        >>> convolve(layer, torch.rand(1, 3, 5, 5), "relu").min() >= 0
        tensor(True)
    """
    if not can_fuse(x):
        y = pointwise.apply_convolution(layer, x)
        return activate(y, activation, slope) if plus is None else plus + y
    padding = layer.padding
    if layer.padding_mode != "zeros":
        x, padding = F.pad(x, layer._reversed_padding_repeated_twice, mode=layer.padding_mode), (0, 0)
    weight, bias = prepare_weights(layer, "", compute_dtype(x), lambda: effective_weights(layer))
    return convolve_with_weights(
        x, weight, bias, activation, slope=slope, plus=plus, inplace=inplace,
        padding=padding, stride=layer.stride, dilation=layer.dilation, groups=layer.groups,
    )  # fmt: skip


def convolve_unrounded(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """layer(x) for an x that `can_fuse`, without the rounding of x to bfloat16 under autocast: (B, C, H, W) → (B, C',
    H, W).

    The 8 bits of a bfloat16 mantissa are half a step of 255 in bright regions. The part of x that bfloat16 rounds off
    enters the same convolution as additional channels.

    >>> layer, x = nn.Conv2d(3, 4, 3, padding=1), torch.rand(1, 3, 8, 8)
    >>> with torch.inference_mode():
    ...     torch.allclose(convolve_unrounded(layer, x), layer(x), atol=1e-6)
    True
    """
    if compute_dtype(x) != torch.bfloat16:
        return convolve(layer, x)
    coarse = x.to(torch.bfloat16)
    both = torch.cat([coarse, (x - coarse).to(torch.bfloat16)], dim=1)  # (B, 2·C, H, W)
    weight, bias = prepare_weights(
        layer, "twice", torch.bfloat16, lambda: (torch.cat([layer.weight, layer.weight], dim=1), layer.bias)
    )
    assert not isinstance(layer.padding, str)
    return convolve_with_weights(both, weight, bias, padding=layer.padding)


def convolve_concatenated(layer: nn.Conv2d, one: Tensor, other: Tensor) -> Tensor:
    """A 1×1 convolution of two concatenated inputs, (B, C₁, H, W) and (B, C₂, H, W) → (B, C', H, W), without
    concatenating them.

    Example:
        >>> layer = nn.Conv2d(3, 4, 1)
        >>> convolve_concatenated(layer, torch.rand(1, 1, 2, 2), torch.rand(1, 2, 2, 2)).shape
        torch.Size([1, 4, 2, 2])
    """
    if not can_fuse(one):
        result: Tensor = layer(torch.cat([one, other], dim=1))
        return result
    cut, dtype = one.shape[1], compute_dtype(one)
    weight, bias = prepare_weights(layer, "one", dtype, lambda: (layer.weight[:, :cut], layer.bias))
    first = convolve_with_weights(one, weight, bias)
    weight, _ = prepare_weights(layer, "other", dtype, lambda: (layer.weight[:, cut:], None))
    return convolve_with_weights(other, weight, None, plus=first, inplace=True)


def effective_weights(layer: nn.Conv2d) -> Weights:
    """The layer's kernel and bias; a mask of the layer is multiplied into the kernel.

    >>> weight, bias = effective_weights(nn.Conv2d(3, 4, 1, bias=False))
    >>> weight.shape, bias
    (torch.Size([4, 3, 1, 1]), None)
    """
    mask = getattr(layer, "mask", None)
    return (layer.weight if mask is None else layer.weight * mask), layer.bias


def convolve_with_weights(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    activation: Activation = "none",
    *,
    slope: float = 0.0,
    plus: Tensor | None = None,
    inplace: bool = False,
    minus: Tensor | None = None,
    times: Tensor | None = None,
    padding: Iterable[int] | str = (0, 0),
    stride: Iterable[int] = (1, 1),
    dilation: Iterable[int] = (1, 1),
    groups: int = 1,
) -> Tensor:
    """`convolve` with weights from `prepare_weights`, for an x that `can_fuse`: (B, C, H, W) → (B, C', H', W').

    At most one of `activation`, `plus`, `minus` and `times` may be given. With `inplace` the result overwrites `plus`
    on a CPU, except in int8 with kernels larger than 1×1. A CPU rounds a sum once, but twice where a kernel larger than
    1×1 is not in place. A GPU rounds it twice.

    Args:
        x: (B, C, H, W).
        weight, bias: as `prepare_weights` gives them.
        activation: follows the convolution.
        slope: negative slope of the leaky ReLU.
        plus, minus, times: added to, subtracted from or multiplied with the result; of its shape.
        inplace: see above.
        padding, stride, dilation, groups: as in `torch.nn.Conv2d`, for zeros as padding.

    >>> x, weight = -torch.ones(1, 1, 2, 2), torch.ones(1, 1, 1, 1)
    >>> with torch.inference_mode():
    ...     convolve_with_weights(x, weight, torch.tensor([0.5]), "relu").max()
    tensor(0.)
    """
    assert not isinstance(padding, str)
    dtype = weight.dtype
    x = to_channels_last(x, dtype)
    where = list(padding), list(stride), list(dilation), groups
    if kernels.can_run(x):
        from unnoise.layers.triton.convolution import convolve_with_epilogue

        kind = "plus" if plus is not None else "minus" if minus is not None else "times" if times is not None else "none"
        added = next((to_channels_last(other, dtype) for other in (plus, minus, times) if other is not None), None)
        return convolve_with_epilogue(x, weight, bias, activation, slope, added, kind, *where)
    in_place = inplace and weight.shape[-1] == 1  # int8 gains little where the sum overwrites `plus`
    if minus is times is None and not in_place and is_better_in_int8(x, weight, groups):
        y = _convolve_in_int8(x, weight, bias, activation, slope, plus, where)
        if y is not None:
            return y
    weight = in_library_layout(x, weight, *where)
    if plus is not None and inplace and plus.dtype == dtype and is_channels_last(plus):
        bias = None if bias is None else bias.to(dtype)
        return torch.ops.mkldnn._convolution_pointwise_.binary(plus, x, weight, bias, *where, "add", None, None, [], None)
    if plus is not None and weight.shape[-1] > 1:
        # A sum fused into a 3×3 convolution costs more than one after it (measured).
        return torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *where, "none", [], "").add_(
            to_channels_last(plus, dtype)
        )
    if plus is None and minus is None and times is None:
        scalars, algorithm = ([slope] if activation == "leaky_relu" else []), ("none" if activation == "gelu" else "")
        return torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *where, activation, scalars, algorithm)
    other, what = (plus, "add") if plus is not None else (minus, "sub") if minus is not None else (times, "mul")
    assert other is not None
    bias = None if bias is None else bias.to(dtype)  # torch wants one type here
    return torch.ops.mkldnn._convolution_pointwise.binary(
        x, to_channels_last(other, dtype), weight, bias, *where, what, None, None, [], None
    )


def _convolve_in_int8(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: Activation, slope: float, plus: Tensor | None, where: Geometry
) -> Tensor | None:
    """`convolve_with_weights` in int8; None where int8 is not possible."""
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


def run_sequential(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    """layers(x), where each convolution and the ReLU after it run in one pass.

    Example:
        >>> run_sequential([nn.Conv2d(3, 4, 1), nn.ReLU()], torch.rand(1, 3, 2, 2)).shape
        torch.Size([1, 4, 2, 2])
    """
    for layer, activation in pair_activations(layers):
        x = convolve(layer, x, activation) if isinstance(layer, nn.Conv2d) else layer(x)
    return x


def pair_activations(layers: Iterable[nn.Module]) -> list[tuple[nn.Module, Activation]]:
    """Pair each convolution with the ReLU after it; other layers stand alone.

    Example:
        >>> [activation for _, activation in pair_activations([nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Sigmoid()])]
        ['relu', 'none']
    """
    result: list[tuple[nn.Module, Activation]] = []
    for layer in layers:
        if isinstance(layer, nn.ReLU) and result and isinstance(result[-1][0], nn.Conv2d) and result[-1][1] == "none":
            result[-1] = result[-1][0], "relu"
        else:
            result.append((layer, "none"))
    return result


def activate(x: Tensor, activation: Activation, slope: float = 0.0) -> Tensor:
    """Apply an activation, in place where possible.

    >>> activate(torch.tensor([-1.0, 2.0]), "leaky_relu", slope=0.1)
    tensor([-0.1000,  2.0000])
    """
    if activation == "relu":
        return F.relu(x, inplace=True)
    if activation == "leaky_relu":
        return F.leaky_relu(x, slope, inplace=True)
    if activation == "gelu":
        return pointwise.gelu(x)
    return x.sigmoid() if activation == "sigmoid" else x


def to_channels_last(x: Tensor, dtype: torch.dtype) -> Tensor:
    """x, (B, C, H, W), in a type and channels last; x itself where it already is.

    >>> to_channels_last(torch.zeros(1, 3, 4, 4), torch.bfloat16).is_contiguous(memory_format=torch.channels_last)
    True
    """
    return x.to(dtype).contiguous(memory_format=torch.channels_last)


__getattr__ = renamed(
    __name__,
    {
        "convolve_with": "convolve_with_weights",
        "in_sequence": "run_sequential",
        "weights_of": "effective_weights",
        "working_type": "compute_dtype",
    },
)
