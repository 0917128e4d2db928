#!/usr/bin/env bash
# torch 2.13.0: random values and masks of tensors on the device meta, which have no memory, import torch's compiler and sympy:
# over 800 modules. A convolution with its default initialization does not; torch.nn.init.normal_ and torch.triu do.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip=("$folder/venv/bin/pip" install --quiet --disable-pip-version-check)
"${pip[@]}" torch==2.13.0+cpu 2>/dev/null || "${pip[@]}" torch==2.13.0+cpu --extra-index-url https://download.pytorch.org/whl/cpu
"${pip[@]}" numpy==2.4.6
cd "$folder"
cat >case.py <<'PYTHON'
import resource
import sys

import torch

before, memory = len(sys.modules), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with torch.device("meta"):
    if sys.argv[1] == "convolution":
        torch.nn.Conv2d(64, 64, 3)
    elif sys.argv[1] == "normal":
        torch.nn.init.normal_(torch.empty(2))
    else:
        torch.ones(3, 3).triu()
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) // 1024
print(sys.argv[1], len(sys.modules) - before, "modules", grown, "MiB", "torch._dynamo" in sys.modules, "sympy" in sys.modules)
PYTHON
"$folder/venv/bin/python" -c 'import torch; print("torch", torch.__version__)'
status=0
for case in convolution normal triu; do
    line=$("$folder/venv/bin/python" case.py "$case")
    echo "$line"
    case "$line" in
        "convolution "[0-9]" modules"*False\ False) ;;
        normal*True\ True | triu*True) ;;
        *) status=1 ;;
    esac
done
exit $status
