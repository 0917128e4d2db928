#!/usr/bin/env bash
# pydicom 3.0.2: apply_color_lut takes numbers modulo 256 where a palette's colors have 8 bits, so color 300 of 512 becomes color 44.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import pydicom
from pydicom.pixels import apply_color_lut

red = (np.arange(512) // 2).astype(np.uint8)  # color n is n // 2
palette = pydicom.Dataset()
for name in ("Red", "Green", "Blue"):
    setattr(palette, f"{name}PaletteColorLookupTableDescriptor", [512, 0, 8])
    setattr(palette, f"{name}PaletteColorLookupTableData", red.tobytes())
numbers = np.array([[44, 255, 300, 511, 600]], np.uint16)  # beyond the end the last color holds (PS3.3, C.7.6.3.1.5)
wanted, given = red[np.minimum(numbers, 511)].tolist(), apply_color_lut(numbers, palette)[..., 0].tolist()
print("pydicom", pydicom.__version__)
print("numbers: ", numbers.tolist())
print("expected:", wanted)
print("given:   ", given)
sys.exit(not (wanted == [[22, 127, 150, 255, 255]] and given == [[22, 127, 22, 127, 44]]))
PYTHON
