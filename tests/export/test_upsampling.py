"""Folded graphs give what the graphs gave, with fewer products; all others stay as they are."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from unnoise.export.upsampling import fold_upsampling

LOW, SKIP, HIDDEN, OUT = 3, 2, 5, 2


def graph(scales: tuple[float, ...] = (1, 1, 2, 2), activation: str = "LeakyRelu", out: int = OUT) -> onnx.ModelProto:
    """Doubling, a skipped map, and two convolutions, (1, 3, H, W) and (1, 2, 2H, 2W) → (1, out, 2H, 2W)."""
    generator = np.random.default_rng(0)

    def constant(name: str, *shape: int) -> TensorProto:
        return numpy_helper.from_array(generator.normal(size=shape).astype(np.float32), name)

    same = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nearest = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    nodes = [
        helper.make_node("Resize", ["low", "", "scales"], ["doubled"], **nearest),
        helper.make_node("Concat", ["doubled", "skip"], ["joined"], axis=1),
        helper.make_node("Conv", ["joined", "w1", "b1"], ["hidden"], **same),
        helper.make_node(activation, ["hidden"], ["active"]),
        helper.make_node("Conv", ["active", "w2", "b2"], ["result"], **same),
    ]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, height, width])
        for name, channels, height, width in (("low", LOW, "h", "w"), ("skip", SKIP, "H", "W"), ("result", out, "H", "W"))
    ]
    constants = [
        numpy_helper.from_array(np.array(scales, np.float32), "scales"),
        constant("w1", HIDDEN, LOW + SKIP, 3, 3),
        constant("b1", HIDDEN),
        constant("w2", out, HIDDEN, 3, 3),
        constant("b2", out),
    ]
    made = helper.make_graph(nodes, "small", values[:2], values[2:], constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(model: onnx.ModelProto, height: int, width: int) -> NDArray[np.float32]:
    generator = np.random.default_rng(1)
    given = {
        "low": generator.random((1, LOW, height, width), np.float32),
        "skip": generator.random((1, SKIP, 2 * height, 2 * width), np.float32),
    }
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    result: NDArray[np.float32] = session.run(None, given)[0]
    return result


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 3), (8, 8)])
@pytest.mark.parametrize(("activation", "out"), [("LeakyRelu", OUT), ("Relu", OUT), ("Tanh", OUT), ("LeakyRelu", 6)])
def test_a_folded_graph_gives_the_same(size: tuple[int, int], activation: str, out: int) -> None:
    plain = graph(activation=activation, out=out)
    folded = fold_upsampling(graph(activation=activation, out=out))
    onnx.checker.check_model(folded, full_check=True)
    kinds = [node.op_type for node in folded.graph.node]
    assert "Resize" not in kinds
    assert kinds.count("DepthToSpace") == 1
    stays_apart = activation != "Tanh" and out == OUT  # the large map is never made
    assert ("Concat" in [node.op_type for node in folded.graph.node if "phases" in node.output[0]]) != stays_apart
    np.testing.assert_allclose(run(folded, *size), run(plain, *size), atol=2e-5)


def test_other_enlargements_stay_as_they_are() -> None:
    tripled = graph(scales=(1, 1, 3, 3))
    assert fold_upsampling(graph(scales=(1, 1, 3, 3))) == tripled
