"""Graphs whose maps and weights are bytes: QDQ form, pairs of `QuantizeLinear` and `DequantizeLinear`.

Runtimes that multiply bytes take the convolution between two pairs for one of bytes, as OpenVINO does; others compute it in
float32. The steps are those that the network learned or was given by `unnoise quantize` (`layers/quantized/`). Each channel
has its own step there, and a graph has one for a whole map: leaky ReLU, pooling and doubling commute with a factor, so the
weights before and after a map absorb the channels' factors.
"""

from __future__ import annotations

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from unnoise.denoisers.base import Denoiser
from unnoise.errors import UsageError
from unnoise.layers.quantized.byte_maps import LEVELS_ABOVE_ZERO, LEVELS_BELOW_ZERO
from unnoise.layers.quantized.quantized_convolution import QuantizedConvolution

MOST_OF_WEIGHTS = 127
"""Weights are whole numbers from −127 to 127."""
WEIGHT_PREFIX = "core_network."
STEP, ZERO = "map_step", "map_zero"
"""Names of the constants that all maps share: the step, and the byte that stands for 0."""


def in_int8(graph: onnx.ModelProto, network: Denoiser) -> onnx.ModelProto:
    """A graph of a network with quantization steps, in QDQ form. Input and output stay float32.

    What touches the image stays float32, too: the first layer's weights, the last layer, and the map before it.

    Args:
        graph: as `export.graph.make_graph` makes it, without folded upsampling.
        network: the same network.

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
    layers = {
        f"{WEIGHT_PREFIX}{name}.conv.weight": layer
        for name, layer in network.named_modules()
        if isinstance(layer, QuantizedConvolution)
    }
    if not layers:
        raise UsageError(
            f"A {type(network).__name__} has no quantization steps, so it has no int8 form; "
            "run 'unnoise quantize' on a student of TM-BSN, or take --precision float16."
        )
    constants = {each.name: each for each in graph.graph.initializer}
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
            weight, bias = _normalized(layer)
            if len(node.input) > 2:  # torch leaves biases out that are all zero
                constants[node.input[2]].CopyFrom(numpy_helper.from_array(bias, node.input[2]))
            if layer.sources:
                made.append(_quantized_weight(graph, node, weight))
            else:
                constants[node.input[1]].CopyFrom(numpy_helper.from_array(weight, node.input[1]))
            waiting = node.output[0] if layer.log_maximum is not None else ""
        made.append(node)
        if waiting and node.op_type == "LeakyRelu" and node.input[0] == waiting:
            name = node.output[0]
            made.append(helper.make_node("QuantizeLinear", [name, STEP, ZERO], [f"{name}_bytes"]))
            made.append(helper.make_node("DequantizeLinear", [f"{name}_bytes", STEP, ZERO], [f"{name}_restored"]))
            byte_maps[name] = f"{name}_restored"
    used = {name for node in made for name in node.input}
    kept = [each for each in graph.graph.initializer if each.name in used]
    del graph.graph.node[:], graph.graph.initializer[:], graph.graph.value_info[:]
    graph.graph.node.extend(made)
    graph.graph.initializer.extend(kept)
    onnx.checker.check_model(graph, full_check=True)
    return graph


@torch.no_grad()
def _normalized(layer: QuantizedConvolution) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (C', C, 3, 3) and biases (C') from and to maps whose channels have their largest value at 1."""
    weight, bias = layer.conv.weight.float(), layer.conv.bias
    assert bias is not None
    incoming = [each.log_maximum.exp() for each in layer.sources if each.log_maximum is not None]
    if incoming:
        weight = weight * torch.cat(incoming).float()[:, None, None]
    bias = bias.float()
    if layer.log_maximum is not None:
        outgoing = layer.log_maximum.exp().float()
        weight, bias = weight / outgoing[:, None, None, None], bias / outgoing
    return weight.numpy(), bias.numpy()


def _quantized_weight(graph: onnx.ModelProto, node: NodeProto, weight: NDArray[np.float32]) -> NodeProto:
    """The node that makes a convolution's weights of bytes; the convolution then takes its result."""
    name = node.input[1]
    step = np.abs(weight).max((1, 2, 3)).clip(min=1e-12) / MOST_OF_WEIGHTS  # (C')
    whole = np.rint(weight / step[:, None, None, None]).astype(np.int8)
    parts: dict[str, NDArray[np.generic]] = {
        "bytes": whole,
        "step": step.astype(np.float32),
        "zero": np.zeros(len(step), np.int8),
    }
    tensors: list[TensorProto] = [numpy_helper.from_array(value, f"{name}_{part}") for part, value in parts.items()]
    graph.graph.initializer.extend(tensors)
    node.input[1] = f"{name}_restored"
    return helper.make_node("DequantizeLinear", [each.name for each in tensors], [node.input[1]], axis=0)
