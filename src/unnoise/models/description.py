"""What `unnoise models` tells of a model: its card and its network, read from the header of its file, without torch."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open

from unnoise.models import shipped
from unnoise.models.card import Card
from unnoise.models.onnx_model import parts_of
from unnoise.models.shipped_files import WEIGHTS
from unnoise.models.stored_networks import damaged_model, read_header


@dataclass(frozen=True)
class Description:
    """A model without its weights.

    >>> describe("fast").denoiser
    'tmbsn-student-rounded'
    """

    name: str
    """As it was asked for."""
    card: Card
    denoiser: str
    """The registered name of the network."""
    parameter_count: int


def describe(name: str | Path) -> Description:
    """Describe a model by its name or file, as `unnoise.models.shipped.load` takes them.

    The network of a `.safetensors` file is not made, so torch is not needed. Other models are loaded.

    Raises:
        UsageError: neither a model nor a file has this name.
        UnnoiseError: the file is damaged.

    >>> describe("default").parameter_count > 900_000
    True
    """
    path = WEIGHTS / f"{name}.safetensors"
    if not path.is_file():
        path = Path(name)
    if not (path.is_file() and path.suffix == ".safetensors"):
        model = shipped.load(name)
        return Description(str(name), model.card, model.recipe.denoiser.name, model.network.parameter_count())
    header = read_header(path)
    with safe_open(path, framework="np") as file:
        shapes = [file.get_slice(key).get_shape() for key in file.keys()]  # noqa: SIM118 (not a dict)
    _, card = parts_of(header, path)
    try:
        denoiser = str(json.loads(header["recipe"])["denoiser"]["name"])
    except (KeyError, TypeError) as error:  # that it is JSON, `parts_of` has found
        raise damaged_model(path) from error
    return Description(str(name), card, denoiser, sum(map(math.prod, shapes)))
