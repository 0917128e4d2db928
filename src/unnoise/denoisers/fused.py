"""Convolutions with what follows them in one pass over memory, at inference: on a CPU by torch's library (oneDNN), on an NVIDIA GPU by
cuDNN and kernels of our own (`unnoise.kernels`).

Elsewhere, and wherever a gradient is wanted, they are torch's ordinary operations. Both forms are the same mathematics; what the
caller folds into the weights is exact up to rounding. Measured in `docs/results/speed.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal, TypeVar
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise import kernels
from unnoise.denoisers import pointwise

T = TypeVar("T")
Activation = Literal["none", "relu", "leaky_relu", "gelu", "sigmoid"]
Weights = tuple[Tensor, Tensor | None]
"""A kernel (C', C / groups, k, k) and a bias (C')."""

FORMS = 4
"""Orders in memory that are kept of one kernel, the latest ones."""


@dataclass
class _Kept:
    """Weights as they were prepared, and the tensors of the network that they were made from."""

    sources: list[_Source] = field(default_factory=list)
    weights: WeakKeyDictionary[nn.Module, dict[Hashable, Any]] = field(default_factory=WeakKeyDictionary)
    packed: dict[int, tuple[Tensor, dict[tuple[int, ...], Tensor]]] = field(default_factory=dict)
    """By the identity of a kernel in `weights`: the kernel, and its packed forms by the shape of what it is applied to."""


_Source = tuple[Tensor, int, int]
"""A parameter or buffer, how often it has been changed in place, and where its values lie."""

_kept: ContextVar[_Kept | None] = ContextVar("_kept", default=None)
_of_networks: WeakKeyDictionary[nn.Module, _Kept] = WeakKeyDictionary()


@contextmanager
def weights_kept(network: nn.Module | None = None) -> Iterator[None]:
    """Prepare each layer's weights once while this lasts; none may change meanwhile.

    Args:
        network: what is prepared for its layers is kept on until it is gone or its weights change, so that a second picture finds
            it there. Changes that go past torch's count of them, as through `tensor.data`, are not seen.
    """
    token = _kept.set(_Kept() if network is None else _kept_of(network))
    try:
        yield
    finally:
        _kept.reset(token)


def _kept_of(network: nn.Module) -> _Kept:
    tensors = list(chain(network.parameters(), network.buffers()))
    if any(tensor.is_inference() for tensor in tensors):
        return _Kept()  # torch does not count their changes
    sources = [(tensor, tensor._version, tensor.data_ptr()) for tensor in tensors]
    known = _of_networks.get(network)
    if known is None or not _are_the_same(known.sources, sources):
        known = _of_networks[network] = _Kept(sources)
    return known


def _are_the_same(some: list[_Source], others: list[_Source]) -> bool:
    return len(some) == len(others) and all(a[0] is b[0] and a[1:] == b[1:] for a, b in zip(some, others, strict=True))


def prepared(owner: nn.Module, name: str, dtype: torch.dtype, make: Callable[[], Weights]) -> Weights:
    """The weights that `make` makes for `owner` under `name`, in `dtype` and channels last; the bias in float32 at least."""

    def ready() -> Weights:
        weight, bias = make()
        weight = weight.to(dtype).contiguous(memory_format=torch.channels_last)
        if (lasting := _kept.get()) is not None:
            lasting.packed[id(weight)] = weight, {}
        return weight, bias

    return kept(owner, (name, dtype), ready)


def kept(owner: nn.Module, key: Hashable, make: Callable[[], T]) -> T:
    """What `make` makes of the weights of `owner`: once for each `key` while `weights_kept` lasts, else anew."""
    lasting = _kept.get()
    if lasting is None:
        return make()
    made: dict[Hashable, Any] = lasting.weights.setdefault(owner, {})
    if key not in made:
        made[key] = make()
    result: T = made[key]
    return result


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
    layer: nn.Conv2d, x: Tensor, activation: Activation = "none", *, slope: float = 0.0, plus: Tensor | None = None
) -> Tensor:
    """activation(layer(x)) or layer(x) + plus, (B, C, H, W) → (B, C', H', W'), in one pass where `can_fuse`.

    Args:
        layer: with any padding.
        x: its input.
        activation: not together with `plus`.
        slope: of the leaky ReLU.
        plus: of the result's shape.
    """
    if not can_fuse(x):
        y = pointwise.apply(layer, x)
        return activate(y, activation, slope) if plus is None else plus + y
    padding = layer.padding
    if layer.padding_mode != "zeros":
        x, padding = F.pad(x, layer._reversed_padding_repeated_twice, mode=layer.padding_mode), (0, 0)
    weight, bias = prepared(layer, "", working_type(x), lambda: weights_of(layer))
    return convolve_with(
        x, weight, bias, activation, slope=slope, plus=plus,
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
    weight, bias = prepared(
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
    weight, bias = prepared(layer, "one", dtype, lambda: (layer.weight[:, :cut], layer.bias))
    first = convolve_with(one, weight, bias)
    weight, _ = prepared(layer, "other", dtype, lambda: (layer.weight[:, cut:], None))
    return convolve_with(other, weight, None, plus=first)


def can_double(x: Tensor) -> bool:
    """Whether `convolve_doubled` is worth its while for x: on a CPU, in training too, not while being exported."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling() and working_type(x) in (torch.float32, torch.bfloat16)


def convolve_doubled(layer: nn.Conv2d, x: Tensor, skip: Tensor | None = None, *, upward: bool = False) -> Tensor:
    """A 3×3 convolution of x with its sides doubled (nearest neighbour), a skip beside it: (B, C, h, w) → (B, C', 2h, 2w).

    Doubling and kernel together are one transposed convolution with a 4×4 kernel and 16 / 36 of the products, exactly.

    Args:
        layer: with padding 1, of zeros or replicated.
        x: what is doubled, for which `can_double`.
        skip: (B, S, 2h, 2w), which enters the layer after x.
        upward: the layer's zeros are two rows above the picture and none below, in place of one and one.
    """
    cut, replicated = x.shape[1], layer.padding_mode == "replicate"
    if not can_fuse(x):
        return double_and_convolve(x, layer.weight, layer.bias, skip, upward=upward, replicated=replicated)
    dtype = working_type(x)
    x = _ready(x, dtype)
    kernel, bias = prepared(layer, "doubled", dtype, lambda: (_doubled(layer.weight[:, :cut]), layer.bias))
    if replicated:
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    crop = (3, 3) if replicated else (0 if upward else 1, 1)
    y = F.conv_transpose2d(x, kernel, None if bias is None else bias.to(dtype), stride=2, padding=crop)
    if skip is not None:
        weight, _ = prepared(layer, "skip", dtype, lambda: (layer.weight[:, cut:], None))
        if replicated:
            skip = F.pad(skip, (1, 1, 1, 1), mode="replicate")
        y = convolve_with(skip, weight, None, plus=y, padding=(0, 0) if replicated else (2, 1) if upward else (1, 1))
    return y[..., :-2, :] if upward else y


def double_and_convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, skip: Tensor | None, *, upward: bool = False, replicated: bool = False
) -> Tensor:
    """`convolve_doubled` of torch's own operations, for gradients too, with zeros and copies where the maps are small.

    Args:
        x, skip, upward: as there.
        weight, bias: of the layer.
        replicated: the layer replicates borders in place of zeros.
    """
    cut = x.shape[1]
    with torch.autocast(x.device.type, enabled=False):  # sums of weights are not to be rounded
        kernel = _doubled(weight[:, :cut]).contiguous(memory_format=torch.channels_last)
    if replicated:
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    elif upward:
        x = F.pad(x, (0, 0, 1, 0))
    crop = (3, 3) if replicated else (2 if upward else 1, 1)
    y = F.conv_transpose2d(x, kernel, bias, stride=2, padding=crop)
    if skip is None:
        return y
    skip = skip.to(y.dtype)
    if replicated:
        skip = F.pad(skip, (1, 1, 1, 1), mode="replicate")
    elif upward:
        skip = F.pad(skip, (0, 0, 2, 0))
    return y + F.conv2d(skip, weight[:, cut:], None, padding=(0, 0) if replicated else (0, 1) if upward else (1, 1))


def _doubled(weight: Tensor) -> Tensor:
    """The 4×4 kernel of the transposed convolution, (C', C, 3, 3) → (C, C', 4, 4): the 3×3 one spread over each 2×2 of equal pixels."""
    spread = weight.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    return torch.einsum("ak,bl,oikl->ioab", spread, spread, weight)


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
    minus: Tensor | None = None,
    times: Tensor | None = None,
    padding: Iterable[int] | str = (0, 0),
    stride: Iterable[int] = (1, 1),
    dilation: Iterable[int] = (1, 1),
    groups: int = 1,
) -> Tensor:
    """`convolve` with weights from `prepared`, for x that `can_fuse`; of `activation`, `plus`, `minus` and `times` one at most.

    On a CPU the sum with `minus` is rounded once, that with `plus` twice where the kernel is larger than a pixel; on a GPU each twice.
    """
    assert not isinstance(padding, str)
    dtype = weight.dtype
    x = _ready(x, dtype)
    where = list(padding), list(stride), list(dilation), groups
    if kernels.can_run(x):
        from unnoise.kernels.convolution import convolve_and_finish

        kind = "plus" if plus is not None else "minus" if minus is not None else "times" if times is not None else "none"
        added = next((_ready(other, dtype) for other in (plus, minus, times) if other is not None), None)
        return convolve_and_finish(x, weight, bias, activation, slope, added, kind, *where)
    weight = _packed(x, weight, *where)
    if plus is not None and weight.shape[-1] > 1:
        # Measured: a sum within a 3×3 convolution costs more than one after it.
        return torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *where, "none", [], "").add_(_ready(plus, dtype))
    if plus is None and minus is None and times is None:
        scalars, algorithm = ([slope] if activation == "leaky_relu" else []), ("none" if activation == "gelu" else "")
        return torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *where, activation, scalars, algorithm)
    other, what = (plus, "add") if plus is not None else (minus, "sub") if minus is not None else (times, "mul")
    assert other is not None
    bias = None if bias is None else bias.to(dtype)  # here torch asks for one type
    return torch.ops.mkldnn._convolution_pointwise.binary(
        x, _ready(other, dtype), weight, bias, *where, what, None, None, [], None
    )


def in_sequence(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    """layers(x), each convolution that a ReLU follows together with it."""
    modules = list(layers)
    place = 0
    while place < len(modules):
        module, following = modules[place], modules[place + 1 : place + 2]
        if isinstance(module, nn.Conv2d):
            rectified = bool(following) and isinstance(following[0], nn.ReLU)
            x = convolve(module, x, "relu" if rectified else "none")
            place += 1 + rectified
        else:
            x = module(x)
            place += 1
    return x


def activate(x: Tensor, activation: Activation, slope: float = 0.0) -> Tensor:
    """The activation by itself, in place where it can be."""
    if activation == "relu":
        return F.relu(x, inplace=True)
    if activation == "leaky_relu":
        return F.leaky_relu(x, slope, inplace=True)
    if activation == "gelu":
        return pointwise.gelu(x)
    return x.sigmoid() if activation == "sigmoid" else x


def _packed(x: Tensor, weight: Tensor, padding: list[int], stride: list[int], dilation: list[int], groups: int) -> Tensor:
    """The weight in the order in which the library wants it for such an x, found once while `weights_kept` lasts.

    Another shape may want another order, and where it gets a wrong one, the library may put it right at each call, in a hundred times
    the time of the convolution (measured on a processor with AMX).
    """
    lasting = _kept.get()
    if lasting is None or id(weight) not in lasting.packed:
        return weight
    _, forms = lasting.packed[id(weight)]
    shape = list(x.shape)
    return for_shape(
        forms,
        x,
        lambda: torch.ops.mkldnn._reorder_convolution_weight(weight, padding, stride, dilation, groups, shape),
    )


def for_shape(forms: dict[tuple[int, ...], Tensor], x: Tensor, make: Callable[[], Tensor], most: int = FORMS) -> Tensor:
    """The form of a kernel that `make` makes for such an x, of which `forms` keeps the latest, `most` at most."""
    shape = tuple(x.shape)
    if shape not in forms:
        while len(forms) >= most:
            del forms[next(iter(forms))]
        forms[shape] = make()
    return forms[shape]


def _ready(x: Tensor, dtype: torch.dtype) -> Tensor:
    return x.to(dtype).contiguous(memory_format=torch.channels_last)
