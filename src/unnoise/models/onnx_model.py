"""Models that onnxruntime or OpenVINO runs: shipped ones by their graph and weights, and files that `unnoise export` wrote."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from unnoise.errors import UnnoiseError, UnnoiseWarning, UsageError
from unnoise.inference.graph_network import GraphNetwork
from unnoise.models.card import Card
from unnoise.models.stored_networks import Engine, damaged_model, network_class, read_header, stored_network
from unnoise.recipes.applied import AppliedRecipe

if TYPE_CHECKING:
    from unnoise.models.model import Model


def load(path: Path, device: str | None = None, engine: Engine = "onnx", network: GraphNetwork | None = None) -> Model:
    """Read a model for onnxruntime or OpenVINO: a `.safetensors` file whose network ships as a graph, or an `.onnx` file.

    Args:
        path: the file.
        device: where the network runs; None: the CPU.
        engine: what runs it.
        network: that of a `.safetensors` file, if it was read already; see `stored_networks.begin`.

    Raises:
        UsageError: there is no such file.
        UnnoiseError: the file is damaged, or its network needs torch.

    >>> load(Path("none.onnx"))
    Traceback (most recent call last):
    unnoise.errors.UsageError: There is no model file none.onnx.
    """
    if not path.is_file():
        raise UsageError(f"There is no model file {path}.")
    return _exported(path, device, engine) if path.suffix == ".onnx" else _stored(path, device, engine, network)


def _stored(path: Path, device: str | None, engine: Engine, network: GraphNetwork | None) -> Model:
    recipe, card = parts_of(read_header(path), path)
    return _model(network or stored_network(path, device, engine), recipe, card, path)


def _exported(path: Path, device: str | None, engine: Engine) -> Model:
    network = network_class(engine)(path, None, device, str(path))
    if "recipe" not in network.facts:
        raise UnnoiseError(f"{path} does not say how it is applied; write it anew with 'unnoise export'.")
    if not network.facts.get("scheme"):
        raise UnnoiseError(f"{path} holds the network alone; write it anew without --network-only.")
    recipe, card = parts_of(network.facts, path)
    return _model(network, recipe, card, path)


def parts_of(header: Mapping[str, str], path: Path) -> tuple[AppliedRecipe, Card]:
    """Recipe and card of a model file's header. Raises `UnnoiseError` if they are damaged.

    >>> from unnoise.models.select import WEIGHTS
    >>> recipe, card = parts_of(read_header(WEIGHTS / "fast.safetensors"), WEIGHTS / "fast.safetensors")
    """
    try:
        return AppliedRecipe.model_validate_json(header["recipe"]), Card.model_validate_json(header["card"])
    except (KeyError, ValidationError) as error:
        raise damaged_model(path) from error


def _model(network: GraphNetwork, recipe: AppliedRecipe, card: Card, path: Path) -> Model:
    from unnoise.models.model import Model

    if card.warning:
        warnings.warn(f"{path}: {card.warning}", UnnoiseWarning, stacklevel=2)
    return Model(network, recipe, card)
