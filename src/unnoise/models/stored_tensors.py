"""Checks of tensors in foreign files, before anything is computed with them: is there a stored byte for each element?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from unnoise.errors import UnnoiseError
from unnoise.files.limits import (
    NETWORK_TENSORS,
    PARAMETER_FACTOR,
    SHARED_BYTES_FACTOR,
    SPARE_PARAMETERS,
    SPARE_TENSORS,
    TRAINING_FACTOR,
)
from unnoise.files.memory import free_bytes


class TooManyParametersError(RuntimeError):
    """A network registers many more weights than its file holds.

    >>> issubclass(TooManyParametersError, RuntimeError)
    True
    """


def find_unstored(held: Any, file_bytes: int) -> str | None:
    """What is wrong with the tensors in a file's content.

    A tensor of stride 0 claims any number of elements with a few bytes. To compute with it takes the memory for all.

    Args:
        held: tensors in dictionaries, lists and tuples.
        file_bytes: size of the file.

    Returns:
        A phrase; None: all is well.

    >>> import torch
    >>> find_unstored({"bias": torch.zeros(3)}, 100)
    >>> find_unstored({"bias": torch.zeros(1).expand(10**12)}, 100)
    'a tensor has more elements than stored bytes'
    """
    waiting, seen, total = [held], set[int](), 0
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, Tensor):
            size = inner.numel() * inner.element_size()
            total += size
            if inner.layout is not torch.strided or inner.untyped_storage().nbytes() < size:
                return "a tensor has more elements than stored bytes"
        elif isinstance(inner, Mapping | list | tuple) and id(inner) not in seen:
            seen.add(id(inner))
            waiting += inner.values() if isinstance(inner, Mapping) else inner
    if total > SHARED_BYTES_FACTOR * file_bytes:
        return "its tensors have many more bytes than the file"
    return None


@contextmanager
def bounded_parameters(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Within this context, a network that registers many more weights than a file holds raises an error.

    Raises:
        TooManyParametersError: as soon as the bound is exceeded.

    >>> with bounded_parameters({"weight": torch.zeros(3, 3)}):
    ...     print(nn.Linear(3, 3).weight.numel())
    9
    """
    most = PARAMETER_FACTOR * sum(value.numel() for value in weights.values()) + SPARE_PARAMETERS
    most_tensors = PARAMETER_FACTOR * len(weights) + SPARE_TENSORS
    with _counted(most, most_tensors, TooManyParametersError("the network has many more weights than its file")):
        yield


@contextmanager
def bounded_by_memory(name: str) -> Iterator[None]:
    """Within this context, a network that a recipe describes raises an error if memory has no room to train it.

    Args:
        name: the recipe, for the sentence.

    Raises:
        UnnoiseError: as soon as the bound is exceeded.

    >>> with bounded_by_memory("mine"):
    ...     print(nn.Linear(3, 3).weight.numel())
    9
    """
    room, tensors = free_bytes(), NETWORK_TENSORS.value()
    too_large = UnnoiseError(
        f"The network of the recipe {name} is too large: {room / 2**30:,.1f} GiB of memory are free for its training, and "
        f"{NETWORK_TENSORS.variable} allows {tensors:,} tensors; give smaller sizes, as with --set denoiser.NAME=VALUE."
    )
    with _counted(room // (TRAINING_FACTOR * torch.float32.itemsize), tensors, too_large):
        yield


@contextmanager
def _counted(most: int, most_tensors: int, error: Exception) -> Iterator[None]:
    """Within this context, raise an error once networks have registered more weights, or more tensors, than this."""
    elements = tensors = 0

    def count(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal elements, tensors
        elements, tensors = elements + (0 if parameter is None else parameter.numel()), tensors + 1
        if elements > most or tensors > most_tensors:
            raise error

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()
