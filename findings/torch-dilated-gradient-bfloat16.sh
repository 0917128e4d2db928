#!/usr/bin/env bash
# torch 2.13.0, CPU with AVX-512 and bfloat16: the gradient of the weights of a dilated 3×3 convolution is NaN or far off in
# bfloat16 for channels-last memory where the number of channels is no multiple of 16, such as 24 or 40. Some calls end the
# process with a segmentation fault. Multiples of 16, float32, and dilation 1 are right.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip=("$folder/venv/bin/pip" install --quiet --disable-pip-version-check)
"${pip[@]}" torch==2.13.0+cpu 2>/dev/null || "${pip[@]}" torch==2.13.0+cpu --extra-index-url https://download.pytorch.org/whl/cpu
"${pip[@]}" numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import multiprocessing
import sys

import torch


def error(channels, dilation, results):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation).to(memory_format=torch.channels_last)
    x = torch.randn(8, channels, 64, 64).contiguous(memory_format=torch.channels_last)
    gradients = []
    for enabled in (False, True):
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            value = layer(x).float().square().mean()
        value.backward()
        gradients.append(layer.weight.grad.float().clone())
    exact, found = gradients
    results.put(((found - exact).abs().max() / exact.abs().max()).nan_to_num(torch.inf).item())


wrong = {}
for channels, dilation in ((16, 2), (24, 2), (32, 2), (40, 2), (24, 1)):
    results = multiprocessing.get_context("spawn").Queue()
    process = multiprocessing.get_context("fork").Process(target=error, args=(channels, dilation, results))
    process.start()
    process.join()
    found = results.get() if process.exitcode == 0 else float("inf")
    print(f"{channels} channels, dilation {dilation}: expected an error below 0.05, found {found:.3g}, exit {process.exitcode}")
    wrong[channels, dilation] = found > 0.5
print("torch", torch.__version__)
sys.exit({case for case, is_wrong in wrong.items() if is_wrong} != {(24, 2), (40, 2)})
PYTHON
