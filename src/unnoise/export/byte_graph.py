"""Graphs whose maps and weights are bytes: QDQ form, pairs of `QuantizeLinear` and `DequantizeLinear`.

Runtimes that multiply bytes take the convolution between two pairs for one of bytes, as OpenVINO does; others compute it in
float32. The steps are those that the network learned or was given by `unnoise quantize` (`layers/quantized/`). Each channel
has its own step there, and a graph has one for a whole map: leaky ReLU, pooling and doubling commute with a factor, so the
weights before and after a map absorb the channels' factors (`inference/byte_weights.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper

from unnoise.denoisers.base import Denoiser
from unnoise.errors import UsageError
from unnoise.export.upsampling import fold_upsampling
from unnoise.inference.byte_weights import ByteWeight, byte_constants
from unnoise.inference.graph_weights import WEIGHT_PREFIX
from unnoise.layers.quantized.byte_maps import LEVELS_ABOVE_ZERO, LEVELS_BELOW_ZERO
from unnoise.layers.quantized.quantized_convolution import QuantizedConvolution

STEP, ZERO = "map_step", "map_zero"
"""Names of the constants that all maps share: the step, and the byte that stands for 0."""


def in_int8(graph: onnx.ModelProto, network: Denoiser, *, folded: bool = True) -> onnx.ModelProto:
    """A graph of a network with quantization steps, in QDQ form. Input and output stay float32.

    What touches the image stays float32, too: the first layer's weights, the last layer, and the map before it.

    Args:
        graph: as `export.graph.make_graph` makes it, without folded upsampling. It is overwritten.
        network: the same network.
        folded: whether convolutions of doubled maps take fewer products (`export.upsampling`); the sums of their weights
            are rounded then, not the weights themselves.

    Raises:
        UsageError: the network has no quantization steps.

    Example:
        >>> from unnoise import denoisers
        >>> from unnoise.export.graph import make_graph
        >>> student = denoisers.create("tmbsn-student-rounded", width=4).eval()
        >>> made = in_int8(make_graph(student, None, folded=False), student)
        >>> sum(node.op_type == "QuantizeLinear" for node in made.graph.node)
        14
    """
    return planned(graph, network, folded=folded)[0]


def planned(graph: onnx.ModelProto, network: Denoiser, *, folded: bool = True) -> tuple[onnx.ModelProto, list[ByteWeight]]:
    """The same, and how its constants follow from the network's weights: see `in_int8`.

    Example:
        >>> from unnoise import denoisers
        >>> from unnoise.export.graph import make_graph
        >>> student = denoisers.create("tmbsn-student-rounded", width=4).eval()
        >>> [each.layer for each in planned(make_graph(student, None, folded=False), student)[1]][:2]
        ['enc1', 'enc2']
    """
    names = {layer: name for name, layer in network.named_modules() if isinstance(layer, QuantizedConvolution)}
    if not names:
        raise UsageError(
            f"A {type(network).__name__} has no quantization steps, so it has no int8 form; "
            "run 'unnoise quantize' on a student of TM-BSN, or take --precision float16."
        )
    layers = {f"{WEIGHT_PREFIX}{name}.conv.weight": layer for layer, name in names.items()}
    _round_maps(graph, layers)
    if folded:
        graph = fold_upsampling(graph)
    plan = _take_bytes(graph, layers, names)
    state = {name: value.detach().float().numpy() for name, value in network.state_dict().items()}
    _replace_constants(graph, byte_constants(plan, state))
    onnx.checker.check_model(graph, full_check=True)
    return graph, plan


def _round_maps(graph: onnx.ModelProto, layers: Mapping[str, QuantizedConvolution]) -> None:
    """Put a pair of nodes behind each activation whose map is rounded."""
    graph.graph.initializer.append(numpy_helper.from_array(np.array(1 / LEVELS_ABOVE_ZERO, np.float32), STEP))
    graph.graph.initializer.append(numpy_helper.from_array(np.array(LEVELS_BELOW_ZERO, np.uint8), ZERO))
    made: list[NodeProto] = []
    byte_maps: dict[str, str] = {}
    waiting = ""
    """The result of a convolution whose activation is to be quantized."""
    for node in graph.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = byte_maps.get(name, name)
        layer = layers.get(node.input[1]) if node.op_type == "Conv" else None
        if layer is not None:
            waiting = node.output[0] if layer.log_maximum is not None else ""
        made.append(node)
        if waiting and node.op_type == "LeakyRelu" and node.input[0] == waiting:
            name = node.output[0]
            made.append(helper.make_node("QuantizeLinear", [name, STEP, ZERO], [f"{name}_bytes"]))
            made.append(helper.make_node("DequantizeLinear", [f"{name}_bytes", STEP, ZERO], [f"{name}_restored"]))
            byte_maps[name] = f"{name}_restored"
    del graph.graph.node[:]
    graph.graph.node.extend(made)


def _take_bytes(
    graph: onnx.ModelProto, layers: Mapping[str, QuantizedConvolution], names: Mapping[QuantizedConvolution, str]
) -> list[ByteWeight]:
    """Let convolutions take weights of bytes. Returns how these follow from those of the network."""
    constants = {each.name: each for each in graph.graph.initializer}
    makers = {name: node for node in graph.graph.node for name in node.output}
    plan: dict[str, ByteWeight] = {}
    made: list[NodeProto] = []
    for node in graph.graph.node:
        found = _source(node.input[1], constants, makers) if node.op_type == "Conv" else None
        layer = layers.get(found[0]) if found else None
        if layer is not None and found is not None:
            name = node.input[1]
            if name not in plan:
                sources = tuple(names[source] for source in layer.sources)
                plan[name] = ByteWeight(
                    name, names[layer], sources, layer.log_maximum is not None, bool(sources), *found[1], *found[2]
                )
                if sources:
                    parts = [f"{name}_{part}" for part in ("bytes", "step", "zero")]
                    made.append(helper.make_node("DequantizeLinear", parts, [f"{name}_restored"], axis=0))
                    zeros = np.zeros(layer.conv.out_channels, np.int8)
                    graph.graph.initializer.append(numpy_helper.from_array(zeros, parts[2]))
            if plan[name].is_bytes:
                node.input[1] = f"{name}_restored"
        made.append(node)
    del graph.graph.node[:]
    graph.graph.node.extend(made)
    return list(plan.values())


Sums = tuple[list[list[float]] | None, list[list[float]] | None]


def _source(
    name: str, constants: Mapping[str, onnx.TensorProto], makers: Mapping[str, NodeProto]
) -> tuple[str, tuple[int, int], Sums]:
    """The constant that a folded weight is made of, which of its input channels, and which sums."""
    channels, sums = (0, 2**31 - 1), (None, None)
    if name in makers and makers[name].op_type == "MatMul":
        half, columns = makers[name].input
        if half in makers and makers[half].op_type == "MatMul":
            rows, name = makers[half].input
            sums = tuple(numpy_helper.to_array(constants[each]).tolist() for each in (rows, columns))
    if name in makers and makers[name].op_type == "Slice":
        bounds = [int(numpy_helper.to_array(constants[each])[0]) for each in makers[name].input[1:3]]
        name, channels = makers[name].input[0], (bounds[0], bounds[1])
    return name, channels, sums


def _replace_constants(graph: onnx.ModelProto, values: Mapping[str, NDArray[np.float32] | NDArray[np.int8]]) -> None:
    """Put these constants in, and leave out what nothing reads then."""
    wanted = {each.name for each in graph.graph.output}
    kept = []
    for node in reversed(graph.graph.node):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
    others = [each for each in graph.graph.initializer if each.name in wanted and each.name not in values]
    own = [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in values.items() if name in wanted]
    del graph.graph.node[:], graph.graph.initializer[:], graph.graph.value_info[:]
    graph.graph.node.extend(reversed(kept))
    graph.graph.initializer.extend([*others, *own])
