#!/usr/bin/env bash
# libvips 8.18.7: shrink, the mean of blocks, brightens uint8 pictures by 0.5 of 255 in blocks of 2 x 2 and darkens them by 0.7 in
# blocks of 3 x 3. Expected: at most 0.13, what rounding the mean of 2 x 2 upwards gives; blocks of 3 x 3 and 5 x 5 are right in uint16.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyvips==3.2.0 pyvips-binary==8.18.7 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import pyvips

SIDE = 960  # a multiple of each factor
picture = np.random.default_rng(0).normal(100, 10, (SIDE, SIDE)).clip(0, 255).astype(np.uint8)
print("libvips", ".".join(str(pyvips.version(part)) for part in range(3)))
found = {}
for factor in (2, 3, 4, 5):
    blocks = picture.reshape(SIDE // factor, factor, SIDE // factor, factor).mean(axis=(1, 3))
    rounded = np.floor(blocks + 0.5).mean() - picture.mean()
    shifts = {
        kind.__name__: float(pyvips.Image.new_from_array(picture.astype(kind)).shrink(factor, factor).numpy().mean() - picture.mean())
        for kind in (np.uint8, np.uint16, np.float32)
    }
    found[factor] = shifts
    print(f"blocks of {factor} x {factor}:", ", ".join(f"{kind} {shift:+.2f}" for kind, shift in shifts.items()), f"; rounded once {rounded:+.2f}")
as_described = 0.4 < found[2]["uint8"] < 0.6 and -0.8 < found[3]["uint8"] < -0.5 and -0.6 < found[5]["uint8"] < -0.3
right = abs(found[3]["uint16"]) < 0.05 and abs(found[5]["uint16"]) < 0.05 and all(abs(shifts["float32"]) < 0.01 for shifts in found.values())
sys.exit(not (as_described and right))
PYTHON
