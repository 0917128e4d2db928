"""The file of a model: weights as safetensors, and in its header the network's name and sizes, the recipe and the card."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from unnoise import denoisers, recipes
from unnoise.denoisers.base import Denoiser
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.atomic import atomic_write
from unnoise.models.card import Card
from unnoise.recipes.schema import Recipe

T = TypeVar("T")

FORMAT = "unnoise model 1"
SMALL = 10_000
"""A network's size may be so large however few weights it has."""


def write(path: Path, network: Denoiser, recipe: Recipe, card: Card, *, half: bool = False) -> None:
    """Write it whole or not at all; `half`: the weights as float16. Raises `UnnoiseError` where that fails."""
    tensors = {
        key: (value.half() if half and value.is_floating_point() else value).detach().cpu().contiguous()
        for key, value in network.state_dict().items()
    }
    header = {
        "format": FORMAT,
        "denoiser": denoisers.name_of(network),
        "sizes": json.dumps(network.sizes),
        "recipe": recipe.model_dump_json(),
        "card": card.model_dump_json(),
    }
    with atomic_write(path) as temporary:
        try:
            save_file(tensors, temporary, metadata=header)
        except SafetensorError as error:
            raise _as_os_error(error) from error


def read(path: Path) -> tuple[Denoiser, Recipe, Card]:
    """What `write` wrote, on the CPU in float32.

    Raises:
        UsageError: when there is no such file.
        UnnoiseError: when the file is damaged, or is no model of unnoise.
    """
    if not path.is_file():
        raise UsageError(f"There is no model file {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise UnnoiseError(f"{path} is damaged or no safetensors file ({error}); get it again.") from error
    if header.get("format") != FORMAT:
        raise UnnoiseError(f"{path} is no model of unnoise (its header lacks '{FORMAT}'); make one with 'unnoise import'.")
    check_finite(tensors, path)
    recipe = _read(header, "recipe", lambda text: recipes.validate(json.loads(text), str(path)), path)
    card = _read(header, "card", Card.model_validate_json, path)
    sizes = _read(header, "sizes", json.loads, path)
    network = _read(header, "denoiser", lambda name: _made(name, sizes, tensors), path)
    if network is None:
        raise UnnoiseError(f"The weights in {path} do not fit its own header; get the file again.")
    return network, recipe, card


def is_model(path: Path) -> bool:
    """Whether this file says that unnoise wrote it, whatever it is called."""
    try:
        with safe_open(path, framework="np") as file:
            return str((file.metadata() or {}).get("format")).startswith(FORMAT.rstrip("0123456789"))
    except (SafetensorError, OSError):
        return False


def check_finite(weights: Mapping[str, Tensor], path: Path) -> None:
    """Raise `UnnoiseError` where some of a file's weights are NaN or infinite: no picture would come of them."""
    for key, value in weights.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise UnnoiseError(
                f"The weights in {path} are not all finite numbers ('{key}'); get the file again, or train anew."
            )


def _read(header: Mapping[str, str], key: str, read: Callable[[str], T], path: Path) -> T:
    try:
        return read(header[key])
    except MemoryError:
        raise
    except Exception as error:  # bytes that are none of ours fail in any way they like
        raise UnnoiseError(
            f"{path} is damaged, or of another version of unnoise: what its header has as '{key}' cannot be read; get it again."
        ) from error


def _made(name: str, sizes: dict[str, Any], weights: Mapping[str, Tensor]) -> Denoiser | None:
    """The network of these sizes with the weights; None: they do not fit it."""
    largest = max(SMALL, sum(value.numel() for value in weights.values()))
    if any(size > largest for size in _numbers(sizes)):  # it would take all memory, or for ever, to see that it does not fit
        return None
    try:
        network = denoisers.create(name, **sizes)
        network.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in weights.items()})
    except RuntimeError:
        return None
    return network


def _numbers(sizes: Any) -> Iterator[float]:
    if isinstance(sizes, dict | list):
        for size in sizes.values() if isinstance(sizes, dict) else sizes:
            yield from _numbers(size)
    elif isinstance(sizes, int | float):
        yield sizes


def _as_os_error(error: SafetensorError) -> OSError:
    """What the system said, which safetensors wraps in a text of its own."""
    number = re.search(r"os error (\d+)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(str(error))
