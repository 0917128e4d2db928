"""The networks of model files as graphs, and the engines that run them. It needs little, so that a network can be prepared
while all else is imported."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from unnoise.errors import UnnoiseError, UsageError
from unnoise.inference.byte_weights import STEPS_ENDING
from unnoise.inference.graph_network import ByteGraph, GraphNetwork
from unnoise.models.shipped_files import WEIGHTS
from unnoise.registry import torch_missing

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


def stored_network(path: Path, device: str | None = None, engine: Engine = "onnx") -> GraphNetwork:
    """The network of a model file, if it ships as a graph.

    Raises:
        UsageError: the network needs torch.
        UnnoiseError: the file is damaged.

    >>> stored_network(WEIGHTS / "fast.safetensors").engine
    'onnx'
    """
    header = read_header(path)
    try:
        scheme = dict(json.loads(header["recipe"])["scheme"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise damaged_model(path) from error
    sizes = _sizes_of(header, path)
    graph = GRAPHS / graph_name(header.get("denoiser", ""), sizes, scheme)
    if not graph.is_file():
        raise UsageError(
            f"The network of {path.name} ({header.get('denoiser')}) runs by PyTorch alone; install it, or where it is installed "
            f"run 'unnoise export {path.name} -o {path.stem}.onnx' and give that file."
        )
    weights, steps = _arrays(path)
    byte_graph = GRAPHS / graph_name(header.get("denoiser", ""), sizes, scheme, in_bytes=True)
    in_bytes = ByteGraph(byte_graph, steps) if byte_graph.is_file() and steps else None
    return network_class(engine)(graph, weights, device, str(path), in_bytes)


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


def network_class(engine: Engine) -> type[GraphNetwork]:
    """The class of networks that an engine runs.

    >>> network_class("onnx").runtime
    'onnxruntime'
    """
    if engine == "openvino":
        from unnoise.inference.openvino_network import OpenvinoNetwork

        return OpenvinoNetwork
    from unnoise.inference.onnx_network import OnnxNetwork

    return OnnxNetwork


def begin(name: str, engine: str, precision: str | None) -> GraphNetwork | None:
    """The network of a shipped model, which a thread of its own prepares meanwhile; `shipped.load` takes it.

    Returns:
        None: torch runs it, no such model ships, or something is wrong, which loading will tell.

    >>> begin("none", "onnx", None) is None
    True
    """
    path = WEIGHTS / f"{name}.safetensors"
    with suppress(UnnoiseError, OSError):
        if path.is_file() and (chosen := choose_engine(engine)) != "torch":
            network = stored_network(path, engine=chosen)
            network.begin(precision)
            return network
    return None
