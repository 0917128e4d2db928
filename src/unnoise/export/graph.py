"""The ONNX graph of a network and of the scheme that applies it."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from importlib import import_module

import onnx
import torch
from onnx import compose
from torch import Tensor, nn
from torch.export import Dim

from unnoise.denoisers.base import Denoiser
from unnoise.errors import UnnoiseError, UsageError
from unnoise.export.padding import IR_VERSION, OPSET, Padding, after, before
from unnoise.export.upsampling import fold_upsampling
from unnoise.schemes.base import Scheme
from unnoise.schemes.pd_blind_spot import PDBlindSpot
from unnoise.schemes.risk_averaged import RiskAveraged
from unnoise.schemes.single_pass import SinglePass
from unnoise.schemes.tunable_blind_spot import TunableBlindSpot

EXAMPLE_SIDES = 3, 5
"""Height and width of the picture that is traced, in units of what sides must divide by."""
EXAMPLE_PIXELS = 24
"""This unit where any side will do."""


class _Applied(nn.Module):
    """A network applied by a scheme; without a scheme the network alone."""

    def __init__(self, network: Denoiser, scheme: Scheme | None) -> None:
        super().__init__()
        self.network, self.scheme = network, scheme

    def forward(self, shown: Tensor) -> Tensor:
        result: Tensor = self.network(shown) if self.scheme is None else self.scheme.restore(self.network, shown)
        return result


@dataclass(frozen=True)
class Traced:
    """What is traced, and how a picture is extended for it."""

    module: nn.Module
    padding: Padding

    @property
    def multiple(self) -> int:
        """Sides of the traced picture divide by it."""
        return 1 if self.padding.mode in ("none", "repeat") else self.padding.to


def make_graph(network: Denoiser, scheme: Scheme | None, *, folded: bool = True) -> onnx.ModelProto:
    """The graph from a noisy to a restored picture, (1, C, H, W) → (1, C, H, W), for any H, W ≥ 1, in float32.

    Args:
        network: on the CPU, in float32.
        scheme: applies it, on values in 0..1; None: the network alone, in its own value range.
        folded: whether convolutions of doubled maps take fewer products (`export.upsampling`).

    Raises:
        UsageError: the scheme cannot be a graph.
        UnnoiseError: torch cannot export the network.

    Example:
        >>> from unnoise import denoisers
        >>> graph = make_graph(denoisers.create("dncnn", channels=1, features=2, layers=3), None)
        >>> [each.name for each in (*graph.graph.input, *graph.graph.output)]
        ['noisy', 'restored']
    """
    traced = trace_of(network, scheme)
    channels = network.sizes.get("channels", 3)
    values = (0.0, 1.0) if scheme is None else network.value_range
    core = _core(traced, channels)
    graph = compose.merge_models(before(channels, traced.padding, values), core, io_map=[("shown", "core_shown")])
    if traced.padding.is_needed:
        end = after(channels, traced.padding, values)
        end = compose.add_prefix(end, "end_", rename_inputs=False, rename_outputs=False)
        graph = _with_picture(graph, end)
    else:
        end = compose.add_prefix(after(channels, traced.padding, values), "end_", rename_inputs=False, rename_outputs=False)
        graph = compose.merge_models(graph, end, io_map=[("core_result", "result")])
    if folded:
        graph = fold_upsampling(graph)
    onnx.checker.check_model(graph, full_check=True)
    return graph


def in_float16(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with weights and arithmetic in float16; input and output stay float32.

    Example:
        >>> from onnx import parser
        >>> text = '<ir_version: 10, opset_import: ["" : 18]> g (float[1] x) => (float[1] y) { y = Relu(x) }'
        >>> sorted(node.op_type for node in in_float16(parser.parse_model(text)).graph.node)
        ['Cast', 'Cast', 'Relu']
    """
    converter = import_module("onnxruntime.transformers.float16")
    halved: onnx.ModelProto = converter.convert_float_to_float16(graph, keep_io_types=True, disable_shape_infer=False)
    return halved


def trace_of(network: Denoiser, scheme: Scheme | None) -> Traced:
    """What of a scheme is traced, and the padding around it. Raises `UsageError` for a scheme that cannot be a graph."""
    own: Padding = (
        Padding("repeat", network.minimum_side)
        if network.minimum_side > 1
        else Padding(network.padding_mode, network.size_multiple)
    )
    if scheme is None or (isinstance(scheme, SinglePass) and type(scheme).restore is SinglePass.restore):
        return Traced(_Applied(network, None), own)
    if isinstance(scheme, TunableBlindSpot) and scheme.pad == 0:
        return Traced(_Applied(network, scheme), own)
    if isinstance(scheme, PDBlindSpot) and not own.is_needed:
        return Traced(_Applied(network, scheme), Padding("zeros", scheme.infer_stride))
    name = scheme.model_dump().get("name", type(scheme).__name__)
    raise UsageError(
        f"The scheme '{name}' cannot be exported with this network, as {_obstacle(scheme)}; add --network-only to export the "
        "network alone."
    )


def _obstacle(scheme: Scheme) -> str:
    """Why a scheme cannot be a graph."""
    if isinstance(scheme, RiskAveraged):
        return "it measures the noise of the whole picture and draws a perturbation by it"
    if isinstance(scheme, TunableBlindSpot):
        return "it reflects the picture at its border"
    if isinstance(scheme, PDBlindSpot):
        return "components are of other sizes than the picture, and this network pads them to its own"
    return "it draws random numbers or restores a picture in several passes"


def _core(traced: Traced, channels: int) -> onnx.ModelProto:
    """The traced part, from `core_shown` to `core_result`."""
    multiple = traced.multiple
    unit = EXAMPLE_PIXELS if multiple == 1 else multiple
    example = torch.rand(1, channels, *(unit * sides for sides in EXAMPLE_SIDES))
    # Layers branch on small sides. The graph holds the branch of large ones, and the check tells whether it serves all.
    least = EXAMPLE_PIXELS if multiple == 1 else 2
    height, width = Dim("height", min=least), Dim("width", min=least)
    sides = {2: height, 3: width} if multiple == 1 else {2: multiple * height, 3: multiple * width}
    try:
        with torch.no_grad(), _quiet():
            program = torch.export.export(
                traced.module.eval(),
                (example,),
                dynamic_shapes={"shown": sides},
                strict=False,
                prefer_deferred_runtime_asserts_over_guards=True,
            )
            exported = torch.onnx.export(
                program, dynamo=True, opset_version=OPSET, verbose=False, input_names=["shown"], output_names=["result"]
            )
    except Exception as error:  # torch's exporter raises errors of many kinds
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UnnoiseError(f"PyTorch {torch.__version__} cannot export this network: {reason}") from error
    assert exported is not None
    core = exported.model_proto
    core.ir_version = IR_VERSION
    _forget_origin(core)
    return compose.add_prefix(core, "core_")


def _with_picture(graph: onnx.ModelProto, end: onnx.ModelProto) -> onnx.ModelProto:
    """The graph, then the end that also takes the noisy picture: `compose` joins outputs to inputs only."""
    for node in end.graph.node:
        names = {"result": "core_result", "picture": "noisy"}
        replaced = [names.get(name, name) for name in node.input]
        del node.input[:]
        node.input.extend(replaced)
    graph.graph.node.extend(end.graph.node)
    del graph.graph.output[:]
    graph.graph.output.extend(end.graph.output)
    return graph


def _forget_origin(model: onnx.ModelProto) -> None:
    """Remove what torch notes on each node of files and lines of code: it is larger than the graph, and nobody's business."""
    del model.metadata_props[:]
    graph = model.graph
    del graph.metadata_props[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer, *graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.value_info[:]  # shapes follow from the inputs


class _quiet:  # noqa: N801
    """Within this context torch's exporter does not tell what it skips."""

    def __enter__(self) -> None:
        self.caught = warnings.catch_warnings()
        self.caught.__enter__()
        warnings.simplefilter("ignore")
        self.loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
        self.levels = [logger.level for logger in self.loggers]
        for logger in self.loggers:
            logger.setLevel(logging.ERROR)

    def __exit__(self, *args: object) -> None:
        for logger, level in zip(self.loggers, self.levels, strict=True):
            logger.setLevel(level)
        self.caught.__exit__(*args)  # type: ignore[arg-type]
