#!/usr/bin/env bash
# onnxruntime 1.32.0 takes the bytes of a big-endian NumPy array (as FITS files give) for little-endian ones, without an error.
# Expected: the same result as for the same numbers in native order, or a refusal, as onnx and torch have.
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

node = helper.make_node("Identity", ["x"], ["y"])
inputs, outputs = ([helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"])] for name in "xy")
model = helper.make_model(helper.make_graph([node], "identity", inputs, outputs), opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
print("onnxruntime", onnxruntime.__version__, "onnx", onnx.__version__)
given = np.array([1, 2, 3], np.float32)
results = {}
for name, array in {"native": given, "every second of six": np.repeat(given, 2)[::2], "big-endian": given.astype(">f4")}.items():
    (results[name],) = session.run(None, {"x": array})
    print(f"{name}: {array.tolist()} comes back as {results[name].tolist()}")
try:
    onnx.numpy_helper.from_array(given.astype(">f4"))
    refused = False
except ValueError as error:
    refused = True
    print("onnx:", error)
swapped = np.array_equal(results["big-endian"].view(np.uint32), given.view(np.uint32).byteswap())
others = all(np.array_equal(results[name], given) for name in ("native", "every second of six"))
sys.exit(not (swapped and others and refused))
PYTHON
