"""How much memory the maps of a graph take at one time, for the size of tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from unnoise.registry import require

SIDE_PIXELS = 256
"""Side of the picture that is measured."""


def bytes_per_pixel(model: onnx.ModelProto, channels: int) -> float:
    """The most bytes of all maps that are alive at one time, for each pixel of the input.

    The graph is run once with all its maps as outputs, and their sizes are added up in the order of the nodes.

    Args:
        model: with its weights.
        channels: of the input.

    Example:
        >>> from onnx import parser
        >>> text = '<ir_version: 10, opset_import: ["" : 18]> g (float[1, 1, H, W] x) => (float[1, 1, H, W] y) { y = Relu(x) }'
        >>> bytes_per_pixel(parser.parse_model(text), 1)
        8.0
    """
    runtime: Any = require("onnxruntime", "Export")
    seen = onnx.ModelProto()
    seen.CopyFrom(model)
    known = {each.name for each in model.graph.output}
    names = [name for node in model.graph.node for name in node.output if name and name not in known]
    seen.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    settings = runtime.SessionOptions()
    settings.log_severity_level = 3
    settings.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(seen.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    given = model.graph.input[0].name
    noisy = np.zeros((1, channels, SIDE_PIXELS, SIDE_PIXELS), np.float32)
    wanted = [*known, *names]
    sizes = {name: value.nbytes for name, value in zip(wanted, session.run(wanted, {given: noisy}), strict=True)}
    sizes[given] = noisy.nbytes
    last = {name: number for number, node in enumerate(model.graph.node) for name in node.input}
    alive, most = {given}, 0
    for number, node in enumerate(model.graph.node):
        alive |= set(node.output)
        most = max(most, sum(sizes.get(name, 0) for name in alive))
        alive = {name for name in alive if last.get(name, -1) > number or name in known}
    return most / SIDE_PIXELS**2
