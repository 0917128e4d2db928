#!/usr/bin/env bash
# onnxruntime 1.32.0 on a CPU: a NaN survives MaxPool only in the last place of a window, and ReduceMax and ReduceMin only in the first.
# Expected: NaN wherever a window holds one, as in NumPy and in onnxruntime's own Max, Relu and Clip.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper


def run(operator, *arrays, **attributes):
    names = "abc"[: len(arrays)]
    node = helper.make_node(operator, list(names), ["y"], **attributes)
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape) for name, array in zip(names, arrays)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph([node], operator, inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip(names, arrays)))[0]


print("onnxruntime", onnxruntime.__version__, "onnx", onnx.__version__)
picture = np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)
zero = np.zeros((), np.float32)
found = {}
for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):  # one window of 2 x 2 at the top left
    with_nan = picture.copy()
    with_nan[0, 0, row, column] = np.nan
    pooled = run("MaxPool", with_nan, kernel_shape=[2, 2], strides=[2, 2])[0, 0, 0, 0]
    largest, smallest = run("ReduceMax", with_nan, keepdims=0), run("ReduceMin", with_nan, keepdims=0)
    kept = [bool(np.isnan(run(*call)).sum() == 1) for call in (("Max", with_nan, zero), ("Relu", with_nan), ("Clip", with_nan, zero))]
    found[row, column] = [bool(np.isnan(value)) for value in (pooled, largest, smallest)]
    print(f"NaN at {row, column}: MaxPool {pooled}, ReduceMax {largest}, ReduceMin {smallest}; Max, Relu and Clip keep it: {kept}")
    if not all(kept):
        sys.exit(1)
sys.exit(found != {place: [place == (1, 1), place == (0, 0), place == (0, 0)] for place in found})
PYTHON
