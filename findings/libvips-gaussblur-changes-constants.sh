#!/usr/bin/env bash
# libvips 8.18.7: gaussblur of a constant uint8 picture of 200 gives 196 at sigma 1.3 and 202 at 2.5. The vector code of its integer
# convolution rounds the mask. Expected: 200, as without that code (VIPS_NOVECTOR), for uint16, and for floats.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyvips==3.2.0 pyvips-binary==8.18.7 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import os
import subprocess
import sys

import pyvips

BLUR = """
import numpy as np, pyvips
for kind in (np.uint8, np.uint16, np.float32):
    for sigma in (1.0, 1.3, 2.0, 2.5, 3.0):
        blurred = pyvips.Image.new_from_array(np.full((64, 64), 200, kind)).gaussblur(sigma).numpy()
        print(kind.__name__, sigma, int(blurred.min()), int(blurred.max()))
"""


def blurred(**environment):
    printed = subprocess.run([sys.executable, "-c", BLUR], check=True, capture_output=True, text=True, env={**os.environ, **environment})
    rows = [line.split() for line in printed.stdout.splitlines()]
    return {(kind, float(sigma)): (int(low), int(high)) for kind, sigma, low, high in rows}


print("libvips", ".".join(str(pyvips.version(part)) for part in range(3)))
fast, plain = blurred(), blurred(VIPS_NOVECTOR="1")
for (kind, sigma), (low, high) in fast.items():
    print(f"{kind} 200, sigma {sigma}: {low} to {high}; without vector code {plain[kind, sigma]}")
changed = {key for key, extremes in fast.items() if extremes != (200, 200)}
exact = all(extremes == (200, 200) for extremes in plain.values())
sys.exit(not (exact and changed and {kind for kind, _ in changed} == {"uint8"} and fast["uint8", 1.3] == (196, 196)))
PYTHON
