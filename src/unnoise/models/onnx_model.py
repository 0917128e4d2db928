"""Models that onnxruntime or OpenVINO runs: shipped ones by their graph and weights, and files that `unnoise export` wrote."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from unnoise.errors import UnnoiseError, UnnoiseWarning, UsageError
from unnoise.inference.byte_weights import STEPS_ENDING
from unnoise.inference.graph_network import ByteGraph, GraphNetwork
from unnoise.models.card import Card
from unnoise.recipes.applied import AppliedRecipe
from unnoise.registry import torch_missing

if TYPE_CHECKING:
    from unnoise.models.model import Model

GRAPHS = Path(__file__).parent / "graphs"
"""Graphs of the shipped networks, without weights. Several models share one."""
NETWORK_NAME = re.compile(r"[a-z0-9-]{1,60}")
ENGINES = "auto", "torch", "onnx", "openvino"
Engine = Literal["torch", "onnx", "openvino"]
SINGLE_PASS = frozenset(
    {
        "blind2unblind",
        "distillation",
        "frame-to-frame",
        "neighbor2neighbor",
        "noise2noise",
        "noise2same",
        "noise2void",
        "recorrupted",
        "spatially-adaptive",
        "supervised",
        "zs-n2n",
    }
)
"""Schemes that apply the network once and do nothing else, so their graphs are the network's."""
LEFT_OUT_ENDINGS = ".log_maximum", ".top", ".mask"
"""Weights that no graph has: what only quantization or training reads, and constants."""


def choose_engine(name: str) -> Engine:
    """The engine of that name; *auto*: torch if it is installed, else OpenVINO if that is, else onnxruntime.

    Raises:
        UsageError: there is no such engine, or it is not installed.

    >>> choose_engine("onnx")
    'onnx'
    """
    if name not in ENGINES:
        raise UsageError(f"There is no engine '{name}'; choose one of {', '.join(ENGINES)}.")
    if name == "auto":
        return "torch" if is_installed("torch") else "openvino" if is_installed("openvino") else "onnx"
    if name == "torch" and not is_installed("torch"):
        raise UsageError(f"{str(torch_missing()).rstrip('.')}; or give --engine onnx, which does without.")
    if name == "openvino" and not is_installed("openvino"):
        raise UsageError("OpenVINO is not installed; run: pip install openvino, or give --engine onnx, which does without.")
    return cast(Engine, name)


def is_installed(library: str) -> bool:
    """Whether a library can be imported, without importing it.

    >>> is_installed("numpy")
    True
    """
    try:
        return find_spec(library) is not None
    except ModuleNotFoundError:
        return False


def graph_name(denoiser: str, sizes: Mapping[str, Any], scheme: Mapping[str, Any], *, in_bytes: bool = False) -> str:
    """The name of the file of a network's graph with its scheme; `in_bytes`: of the one whose weights and maps are bytes.

    >>> graph_name("dncnn", {"layers": 3}, {"name": "distillation", "even": True})
    'dncnn-e09a3969e0.onnx'
    """
    fields = {} if scheme.get("name") in SINGLE_PASS else dict(scheme)
    text = json.dumps({"denoiser": denoiser, "sizes": sizes, "scheme": fields}, sort_keys=True)
    return f"{denoiser}-{hashlib.sha256(text.encode()).hexdigest()[:10]}{'-bytes' if in_bytes else ''}.onnx"


def load(path: Path, device: str | None = None, engine: Engine = "onnx") -> Model:
    """Read a model for onnxruntime or OpenVINO: a `.safetensors` file whose network ships as a graph, or an `.onnx` file.

    Raises:
        UsageError: there is no such file.
        UnnoiseError: the file is damaged, or its network needs torch.

    >>> load(Path("none.onnx"))
    Traceback (most recent call last):
    unnoise.errors.UsageError: There is no model file none.onnx.
    """
    if not path.is_file():
        raise UsageError(f"There is no model file {path}.")
    return _exported(path, device, engine) if path.suffix == ".onnx" else _stored(path, device, engine)


def read_header(path: Path) -> dict[str, str]:
    """The header of a model file. Raises `UnnoiseError` if it is none.

    >>> from unnoise.models.select import WEIGHTS
    >>> read_header(WEIGHTS / "fast.safetensors")["denoiser"]
    'tmbsn-student-rounded'
    """
    try:
        with safe_open(path, framework="np") as file:
            header: dict[str, str] = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise UnnoiseError(f"{path} is damaged or no model file (.safetensors); get it again, or give another.") from error
    if header.get("format") != "unnoise model 1":
        raise UnnoiseError(
            f"{path} is no model of unnoise (its header lacks 'unnoise model 1'); make one with 'unnoise import'."
        )
    return header


def _stored(path: Path, device: str | None, engine: Engine) -> Model:
    header = read_header(path)
    recipe, card = parts_of(header, path)
    sizes = _sizes_of(header, path)
    graph = GRAPHS / graph_name(header.get("denoiser", ""), sizes, recipe.scheme)
    if not graph.is_file():
        raise UsageError(
            f"The network of {path.name} ({header.get('denoiser')}) runs by PyTorch alone; install it, or where it is installed "
            f"run 'unnoise export {path.name} -o {path.stem}.onnx' and give that file."
        )
    weights, steps = _arrays(path)
    byte_graph = GRAPHS / graph_name(header.get("denoiser", ""), sizes, recipe.scheme, in_bytes=True)
    in_bytes = ByteGraph(byte_graph, steps) if byte_graph.is_file() and steps else None
    return _model(_network(engine)(graph, weights, device, str(path), in_bytes), recipe, card, path)


def _exported(path: Path, device: str | None, engine: Engine) -> Model:
    network = _network(engine)(path, None, device, str(path))
    if "recipe" not in network.facts:
        raise UnnoiseError(f"{path} does not say how it is applied; write it anew with 'unnoise export'.")
    if not network.facts.get("scheme"):
        raise UnnoiseError(f"{path} holds the network alone; write it anew without --network-only.")
    recipe, card = parts_of(network.facts, path)
    return _model(network, recipe, card, path)


def _network(engine: Engine) -> type[GraphNetwork]:
    """The class of networks that an engine runs."""
    if engine == "openvino":
        from unnoise.inference.openvino_network import OpenvinoNetwork

        return OpenvinoNetwork
    from unnoise.inference.onnx_network import OnnxNetwork

    return OnnxNetwork


def parts_of(header: Mapping[str, str], path: Path) -> tuple[AppliedRecipe, Card]:
    """Recipe and card of a model file's header. Raises `UnnoiseError` if they are damaged.

    >>> from unnoise.models.select import WEIGHTS
    >>> recipe, card = parts_of(read_header(WEIGHTS / "fast.safetensors"), WEIGHTS / "fast.safetensors")
    """
    try:
        return AppliedRecipe.model_validate_json(header["recipe"]), Card.model_validate_json(header["card"])
    except (KeyError, ValidationError) as error:
        raise damaged_model(path) from error


def _sizes_of(header: Mapping[str, str], path: Path) -> dict[str, Any]:
    try:
        sizes = json.loads(header.get("sizes", "{}"))
    except (ValueError, RecursionError) as error:
        raise damaged_model(path) from error
    if not (isinstance(sizes, dict) and NETWORK_NAME.fullmatch(header.get("denoiser", ""))):
        raise damaged_model(path)
    return sizes


def damaged_model(path: Path) -> UnnoiseError:
    """What is raised of a model file whose header is damaged.

    >>> str(damaged_model(Path("a.safetensors")))
    'a.safetensors is damaged, or of another version of unnoise; get it again.'
    """
    return UnnoiseError(f"{path} is damaged, or of another version of unnoise; get it again.")


def _arrays(path: Path) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
    """The weights of a model file, and the steps of its int8 network."""
    try:
        with safe_open(path, framework="np") as file:
            weights, steps = (
                {name: file.get_tensor(name).astype(np.float32) for name in file.keys() if wanted(name)}  # noqa: SIM118 (not a dict)
                for wanted in (lambda name: not name.endswith(LEFT_OUT_ENDINGS), lambda name: name.endswith(STEPS_ENDING))
            )
    except (AttributeError, TypeError) as error:  # of types that numpy has not
        raise UnnoiseError(
            f"The weights in {path} are of a type that is not read without PyTorch; install it, or give another model."
        ) from error
    for name, value in (weights | steps).items():
        if not np.isfinite(value).all():
            raise UnnoiseError(
                f"The weights in {path} are not all finite numbers ('{name}'); get the file again, or train anew."
            )
    return weights, steps


def _model(network: GraphNetwork, recipe: AppliedRecipe, card: Card, path: Path) -> Model:
    from unnoise.models.model import Model

    if card.warning:
        warnings.warn(f"{path}: {card.warning}", UnnoiseWarning, stacklevel=2)
    return Model(network, recipe, card)
