"""A cache of weights in the form that a device wants, kept with their network until the weights change."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import chain
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from unnoise.deprecated.module_names import renamed

T = TypeVar("T")
Weights = tuple[Tensor, Tensor | None]
"""A kernel (C', C / groups, k, k) and a bias (C')."""

MAX_LAYOUTS = 4
"""How many memory layouts of one kernel are kept, the latest ones."""


@dataclass
class _WeightCache:
    """Prepared weights, and the tensors of the network that they were made from."""

    sources: list[_Source] = field(default_factory=list)
    weights: WeakKeyDictionary[nn.Module, dict[Hashable, Any]] = field(default_factory=WeakKeyDictionary)
    by_kernel: dict[int, tuple[Tensor, dict[Hashable, Any]]] = field(default_factory=dict)
    """By the identity of a prepared kernel: the kernel, and what was made from it."""


_Source = tuple[Tensor, int, int]
"""A parameter or buffer, its count of changes in place, and the address of its values."""

_active: ContextVar[_WeightCache | None] = ContextVar("_kept", default=None)
_lock = Lock()
_by_network: WeakKeyDictionary[nn.Module, _WeightCache] = WeakKeyDictionary()


@contextmanager
def cached_weights(network: nn.Module | None = None) -> Iterator[None]:
    """Prepare each layer's weights once within this context. No weight may change meanwhile.

    Args:
        network: keep what is prepared beyond the context, until the network is gone or a weight changes. A second
            picture then finds it ready. Changes past torch's own count, as through `tensor.data`, are not noticed.
            None: keep it in the context only.

    Example:
        >>> from unnoise.layers.fused_convolution import convolve
        >>> layer = nn.Conv2d(3, 8, 3)
        >>> with torch.inference_mode(), cached_weights(layer):
        ...     convolve(layer, torch.rand(1, 3, 9, 9)).shape
        torch.Size([1, 8, 7, 7])
    """
    token = _active.set(_WeightCache() if network is None else _cache_of(network))
    try:
        yield
    finally:
        _active.reset(token)


def _cache_of(network: nn.Module) -> _WeightCache:
    tensors = list(chain(network.parameters(), network.buffers()))
    if any(tensor.is_inference() for tensor in tensors):
        return _WeightCache()  # torch does not count changes of inference tensors
    sources = [(tensor, tensor._version, tensor.data_ptr()) for tensor in tensors]
    known = _by_network.get(network)
    if known is None or not _same_sources(known.sources, sources):
        known = _by_network[network] = _WeightCache(sources)
    return known


def _same_sources(some: list[_Source], others: list[_Source]) -> bool:
    return len(some) == len(others) and all(a[0] is b[0] and a[1:] == b[1:] for a, b in zip(some, others, strict=True))


def prepare_weights(owner: nn.Module, name: str, dtype: torch.dtype, make: Callable[[], Weights]) -> Weights:
    """The weights that `make` gives, in a type and channels last. `cached_weights` keeps them.

    Args:
        owner: the module whose weights they are made from.
        name: tells several sets of one owner apart.
        dtype: of the kernel; the bias keeps float32 at least.
        make: gives the kernel (C', C / groups, k, k) and the bias (C') or None.

    >>> layer = nn.Conv2d(3, 4, 3)
    >>> weight, bias = prepare_weights(layer, "own", torch.bfloat16, lambda: (layer.weight, layer.bias))
    >>> weight.dtype, bias.dtype
    (torch.bfloat16, torch.float32)
    """

    def ready() -> Weights:
        weight, bias = make()
        weight = weight.to(dtype).contiguous(memory_format=torch.channels_last)
        if (lasting := _active.get()) is not None:
            lasting.by_kernel[id(weight)] = weight, {}
        return weight, bias

    return cached(owner, (name, dtype), ready)


def cached(owner: nn.Module, key: Hashable, make: Callable[[], T]) -> T:
    """What `make` gives from the weights of `owner`: once for each `key` within `cached_weights`, otherwise at each
    call.

    >>> layer = nn.Conv2d(3, 4, 3)
    >>> with cached_weights():
    ...     cached(layer, "sum", lambda: layer.weight.sum()) is cached(layer, "sum", lambda: layer.weight.sum())
    True
    """
    lasting = _active.get()
    if lasting is None:
        return make()
    return _get_or_make(lasting.weights.setdefault(owner, {}), key, make)


def in_library_layout(
    x: Tensor, weight: Tensor, padding: list[int], stride: list[int], dilation: list[int], groups: int
) -> Tensor:
    """The kernel in the memory layout that oneDNN wants for this x. `cached_weights` keeps it.

    Each shape may want its own layout. With a wrong one oneDNN may reorder the kernel at each call, which can take a
    hundred times as long as the convolution (measured on a processor with AMX).

    >>> weight = torch.zeros(4, 3, 3, 3)
    >>> in_library_layout(torch.zeros(1, 3, 8, 8), weight, [1, 1], [1, 1], [1, 1], 1) is weight  # nothing is cached
    True
    """
    if not _is_cached(weight):
        return weight
    shape = list(x.shape)
    return get_or_make_layout(
        cached_for_kernel(weight, "layouts", dict[Hashable, Tensor]),
        tuple(shape),
        lambda: torch.ops.mkldnn._reorder_convolution_weight(weight, padding, stride, dilation, groups, shape),
    )


def cached_for_kernel(weight: Tensor, key: Hashable, make: Callable[[], T]) -> T:
    """What `make` gives from a prepared kernel: once for each `key` within `cached_weights`, otherwise at each call.

    >>> layer = nn.Conv2d(3, 4, 3)
    >>> with cached_weights():
    ...     weight, _ = prepare_weights(layer, "own", torch.float32, lambda: (layer.weight, layer.bias))
    ...     cached_for_kernel(weight, "copy", weight.clone) is cached_for_kernel(weight, "copy", weight.clone)
    True
    """
    lasting = _active.get()
    if lasting is None or id(weight) not in lasting.by_kernel:
        return make()
    return _get_or_make(lasting.by_kernel[id(weight)][1], key, make)


def get_or_make_layout(
    layouts: dict[Hashable, Tensor], key: Hashable, make: Callable[[], Tensor], most: int = MAX_LAYOUTS
) -> Tensor:
    """A memory layout of a kernel; `layouts` keeps the latest ones, at most `most`.

    >>> layouts = {}
    >>> for size in range(3):
    ...     _ = get_or_make_layout(layouts, size, lambda: torch.zeros(1), most=2)
    >>> list(layouts)
    [1, 2]
    """
    made = layouts.get(key)
    if made is None:
        made = make()
        with _lock:  # another thread may take a layout away before we look again
            layouts[key] = made
            while len(layouts) > most:
                del layouts[next(iter(layouts))]
    return made


def _is_cached(weight: Tensor) -> bool:
    lasting = _active.get()
    return lasting is not None and id(weight) in lasting.by_kernel


def _get_or_make(made: dict[Hashable, Any], key: Hashable, make: Callable[[], T]) -> T:
    if key not in made:
        made[key] = make()
    result: T = made[key]
    return result


__getattr__ = renamed(__name__, {"weights_kept": "cached_weights", "prepared": "prepare_weights"})
