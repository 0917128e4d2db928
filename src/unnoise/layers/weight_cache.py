"""Weights brought once into the form that a device wants them in, and kept with their network until they change."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

T = TypeVar("T")
Weights = tuple[Tensor, Tensor | None]
"""A kernel (C', C / groups, k, k) and a bias (C')."""

FORMS = 4
"""Orders in memory that are kept of one kernel, the latest ones."""


@dataclass
class _Kept:
    """Weights as they were prepared, and the tensors of the network that they were made from."""

    sources: list[_Source] = field(default_factory=list)
    weights: WeakKeyDictionary[nn.Module, dict[Hashable, Any]] = field(default_factory=WeakKeyDictionary)
    by_kernel: dict[int, tuple[Tensor, dict[Hashable, Any]]] = field(default_factory=dict)
    """By the identity of a kernel in `weights`: the kernel, and what was made of it."""


_Source = tuple[Tensor, int, int]
"""A parameter or buffer, how often it has been changed in place, and where its values lie."""

_kept: ContextVar[_Kept | None] = ContextVar("_kept", default=None)
_of_networks: WeakKeyDictionary[nn.Module, _Kept] = WeakKeyDictionary()


@contextmanager
def cached_weights(network: nn.Module | None = None) -> Iterator[None]:
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


def prepare_weights(owner: nn.Module, name: str, dtype: torch.dtype, make: Callable[[], Weights]) -> Weights:
    """The weights that `make` makes for `owner` under `name`, in `dtype` and channels last; the bias in float32 at least."""

    def ready() -> Weights:
        weight, bias = make()
        weight = weight.to(dtype).contiguous(memory_format=torch.channels_last)
        if (lasting := _kept.get()) is not None:
            lasting.by_kernel[id(weight)] = weight, {}
        return weight, bias

    return cached(owner, (name, dtype), ready)


def cached(owner: nn.Module, key: Hashable, make: Callable[[], T]) -> T:
    """What `make` makes of the weights of `owner`: once for each `key` while `cached_weights` lasts, else anew."""
    lasting = _kept.get()
    if lasting is None:
        return make()
    return _once(lasting.weights.setdefault(owner, {}), key, make)


def in_library_layout(
    x: Tensor, weight: Tensor, padding: list[int], stride: list[int], dilation: list[int], groups: int
) -> Tensor:
    """The weight in the order in which the library wants it for such an x, found once while `cached_weights` lasts.

    Another shape may want another order, and where it gets a wrong one, the library may put it right at each call, in a hundred times
    the time of the convolution (measured on a processor with AMX).
    """
    if not _is_kept(weight):
        return weight
    shape = list(x.shape)
    return get_or_make(
        cached_for_kernel(weight, "orders", dict[Hashable, Tensor]),
        tuple(shape),
        lambda: torch.ops.mkldnn._reorder_convolution_weight(weight, padding, stride, dilation, groups, shape),
    )


def cached_for_kernel(weight: Tensor, key: Hashable, make: Callable[[], T]) -> T:
    """What `make` makes of a kernel that `prepare_weights` gave: once for each `key` while `cached_weights` lasts, else anew."""
    lasting = _kept.get()
    if lasting is None or id(weight) not in lasting.by_kernel:
        return make()
    return _once(lasting.by_kernel[id(weight)][1], key, make)


def get_or_make(orders: dict[Hashable, Tensor], key: Hashable, make: Callable[[], Tensor], most: int = FORMS) -> Tensor:
    """The order in memory of a kernel that `make` makes, of which `orders` keeps the latest, `most` at most."""
    if key not in orders:
        while len(orders) >= most:
            del orders[next(iter(orders))]
        orders[key] = make()
    return orders[key]


def _is_kept(weight: Tensor) -> bool:
    lasting = _kept.get()
    return lasting is not None and id(weight) in lasting.by_kernel


def _once(made: dict[Hashable, Any], key: Hashable, make: Callable[[], T]) -> T:
    if key not in made:
        made[key] = make()
    result: T = made[key]
    return result
