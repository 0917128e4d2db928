#!/usr/bin/env bash
# torch 2.13.0, CPU: the gradient of the weights of a dilated depthwise 3×3 convolution is wrong in bfloat16 for channels-last
# memory: by 100 % and more, up to 1e34 and NaN from one call to the next. Contiguous memory, and dilation 1, are right.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip=("$folder/venv/bin/pip" install --quiet --disable-pip-version-check)
"${pip[@]}" torch==2.13.0+cpu 2>/dev/null || "${pip[@]}" torch==2.13.0+cpu --extra-index-url https://download.pytorch.org/whl/cpu
"${pip[@]}" numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import torch
import torch.nn.functional as F


def gradient(x, weight, out, dtype, dilation):
    weight = weight.to(dtype).requires_grad_()
    F.conv2d(x.to(dtype), weight, padding=dilation, dilation=dilation, groups=len(weight)).backward(out.to(dtype))
    return weight.grad.float()


torch.manual_seed(0)
worst = {}
for dilation in (1, 2):
    for name, memory in (("contiguous", torch.contiguous_format), ("channels last", torch.channels_last)):
        errors = []
        for side in (8, 16, 24, 32, 48):
            x, out = (torch.randn(4, 32, side, side).contiguous(memory_format=memory) for _ in range(2))
            weight = torch.randn(32, 1, 3, 3)
            exact = gradient(x, weight.clone(), out, torch.float32, dilation)
            difference = gradient(x, weight.clone(), out, torch.bfloat16, dilation) - exact
            errors.append((difference.abs().max() / exact.abs().max()).nan_to_num(torch.inf).item())
        worst[dilation, name] = max(errors)
        print(f"dilation {dilation}, {name}: expected an error below 0.01, found {max(errors):.3g}")
print("torch", torch.__version__)
wrong = {case for case, error in worst.items() if error > 0.1}
sys.exit(wrong != {(2, "channels last")})
PYTHON
