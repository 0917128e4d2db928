"""How much memory the tensors of a pass of a network hold at one time."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only


class _Peak(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the tensors that are made and freed within this context.

    Attributes:
        bytes: the most bytes that they held at one time.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0
        self._live = 0
        self._known: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch would import its compiler, which takes more than a second

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tree_map_only(Tensor, lambda tensor: self._see(tensor, made_here=False), (args, kwargs or {}))
        result = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, lambda tensor: self._see(tensor, made_here=True), result)
        return result

    def _see(self, tensor: Tensor, *, made_here: bool) -> None:
        if tensor.layout == torch._mkldnn:  # type: ignore[attr-defined] # oneDNN's own layout of weights hides its memory
            return
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        self._known.add(key)
        size = storage.nbytes() if made_here else 0
        self._live += size
        self.bytes = max(self.bytes, self._live)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._live -= size


def peak_bytes(run: Callable[[], Any]) -> int:
    """The most bytes that the tensors made by `run` hold at one time, on any device. Scratch memory of libraries is not
    counted.

    >>> peak_bytes(lambda: torch.zeros(1000))
    4000
    """
    with _Peak() as peak:
        run()
    return peak.bytes
