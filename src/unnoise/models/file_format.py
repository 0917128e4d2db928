"""The file format of models: safetensors. The header holds the network's name and sizes, the recipe and the card."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from unnoise import denoisers, recipes
from unnoise.denoisers.base import Denoiser
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.atomic import atomic_write
from unnoise.files.limits import SMALL_SIZE
from unnoise.images.formats import is_picture
from unnoise.models.card import Card
from unnoise.models.stored_tensors import bounded_parameters
from unnoise.recipes.schema import Recipe

T = TypeVar("T")

FORMAT = "unnoise model 1"
ALWAYS_ALLOWED_SIZE = 10_000
"""A size of a network (a width or a count) up to this is always allowed. A larger one must not exceed the number of
weights."""


def write(path: Path, network: Denoiser, recipe: Recipe, card: Card, *, half: bool = False) -> None:
    """Write a model atomically.

    Args:
        path: the file.
        network, recipe, card: the model.
        half: whether the weights are stored as float16.

    Raises:
        UnnoiseError: the file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "model.safetensors"
    ...     write(path, denoisers.create("dncnn", features=4, layers=3), recipes.load("ap-bsn"), Card())
    ...     is_model(path)
    True
    """
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
    """Read what `write` wrote, onto the CPU in float32.

    Raises:
        UsageError: the file does not exist.
        UnnoiseError: the file is damaged, or is no model of unnoise.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> write(path, denoisers.create("dncnn", features=4, layers=3), recipes.load("ap-bsn"), Card(steps=7))
    >>> read(path)[2].steps
    7
    """
    if not path.is_file():
        raise UsageError(f"There is no model file {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        if is_picture(path):
            raise UnnoiseError(f"{path} is a picture, not a model; give a model's name or its .safetensors file.") from error
        raise UnnoiseError(f"{path} is damaged or no model file (.safetensors); get it again, or give another.") from error
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
    """Whether the header of a file says that unnoise wrote it. The file's name does not matter.

    >>> is_model(Path("none.safetensors"))
    False
    """
    try:
        with safe_open(path, framework="np") as file:
            return str((file.metadata() or {}).get("format")).startswith(FORMAT.rstrip("0123456789"))
    except (SafetensorError, OSError):
        return False


def check_finite(weights: Mapping[str, Tensor], path: Path) -> None:
    """Check the weights of a file. Raises `UnnoiseError` if any is NaN or infinite, since no picture would result.

    >>> import torch
    >>> check_finite({"bias": torch.zeros(3)}, Path("model.safetensors"))
    """
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
    except Exception as error:  # foreign bytes can fail in any way
        raise UnnoiseError(
            f"{path} is damaged, or of another version of unnoise: what its header has as '{key}' cannot be read; get it again."
        ) from error


def _made(name: str, sizes: dict[str, Any], weights: Mapping[str, Tensor]) -> Denoiser | None:
    """Create a network of these sizes with the weights; None: the weights do not fit."""
    largest = max(ALWAYS_ALLOWED_SIZE, sum(value.numel() for value in weights.values()))
    if any(size > largest for size in _numbers(sizes)):  # to create the network would take all memory, or very long
        return None
    try:
        if any(size > SMALL_SIZE for size in _numbers(sizes)):
            with torch.device("meta"), bounded_parameters(weights):  # takes no memory
                shapes = denoisers.create(name, **sizes)
                shapes.load_state_dict({key: value.to("meta") for key, value in weights.items()})
        with bounded_parameters(weights):
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
    """Recover the system's error from the text of a safetensors error."""
    number = re.search(r"os error (\d+)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(str(error))
