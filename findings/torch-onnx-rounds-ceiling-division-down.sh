#!/usr/bin/env bash
# torch 2.13.0: torch.onnx.export turns -(-n // 2), with n a dynamic side, into a division that rounds down. Odd sides come out
# one shorter than in torch, without a warning or an error.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip=("$folder/venv/bin/pip" install --quiet --disable-pip-version-check)
"${pip[@]}" torch==2.13.0+cpu 2>/dev/null || "${pip[@]}" torch==2.13.0+cpu --extra-index-url https://download.pytorch.org/whl/cpu
"${pip[@]}" onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import logging
import sys
import warnings

import numpy as np
import onnxruntime
import torch

logging.disable(logging.CRITICAL)
warnings.filterwarnings("ignore")


class FirstHalf(torch.nn.Module):
    """The left half of a picture, with the middle column."""

    def forward(self, x):
        return x[..., : -(-x.shape[-1] // 2)]


module, any_width = FirstHalf(), torch.export.Dim("width", min=2, max=4096)
torch.onnx.export(module, (torch.zeros(1, 1, 4, 13),), "half.onnx", dynamo=True, dynamic_shapes=({3: any_width},), verbose=False)
session = onnxruntime.InferenceSession("half.onnx")
found = {}
for width in (12, 13, 21, 24):
    x = np.zeros((1, 1, 4, width), np.float32)
    expected = module(torch.from_numpy(x)).shape[-1]
    found[width] = session.run(None, {session.get_inputs()[0].name: x})[0].shape[-1]
    print(f"width {width}: torch gives {expected} columns, the exported graph {found[width]}")
print("torch", torch.__version__, "onnxruntime", onnxruntime.__version__)
sys.exit(found != {12: 6, 13: 6, 21: 10, 24: 12})
PYTHON
