#!/usr/bin/env bash
# LibRaw (rawpy 0.28.0) scales a float32 DNG by its brightest value, so one hot pixel darkens all; a float16 DNG without a WhiteLevel it develops to black.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rawpy==0.28.0 tifffile==2026.3.3 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import rawpy
import tifffile

rows, columns = np.mgrid[:64, :96]
LINEAR = np.stack([0.1 + columns / 200, 0.2 + rows / 200, 0.15 + (rows + columns) / 600], -1)
MATRIX = (32406, -15372, -4986, -9689, 18758, 415, 557, -2040, 10570)  # XYZ to the camera's colours, in 10,000ths


def developed(pixels, white=(50717, 4, 1, 1, True)):  # WhiteLevel: 1.0, as DNG has it for floats
    tags = [
        (50706, 1, 4, (1, 4, 0, 0), True),  # DNGVersion
        (50708, 2, 0, "Camera of no maker", True),  # UniqueCameraModel
        (50721, 10, 9, [part for value in MATRIX for part in (value, 10000)], True),  # ColorMatrix1
        (50778, 3, 1, 21, True),  # CalibrationIlluminant1: D65
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),  # AsShotNeutral
        *([white] if white else []),
    ]
    tifffile.imwrite("float.dng", pixels, photometric=34892, planarconfig="contig", extratags=tags, metadata=None)
    with rawpy.imread("float.dng") as raw:
        options = dict(gamma=(1, 1), no_auto_bright=True, use_camera_wb=True, output_bps=16, output_color=rawpy.ColorSpace.raw)
        return raw.postprocess(**options)[10, 10].astype(float)


single, half = LINEAR.astype(np.float32), LINEAR.astype(np.float16)
hot = single.copy()
hot[40, 40] = 8
plain, beside_hot, from_half = developed(single), developed(hot), developed(half)
bare_single, bare_half = developed(single, None), developed(half, None)
print("rawpy", rawpy.__version__, "LibRaw", rawpy.libraw_version)
print("by the white level of 1:", (LINEAR[10, 10] * 65535).round().tolist())
print("float32:                ", plain.tolist())
print("one pixel of 8.0 added: ", beside_hot.tolist())
print("float16:                ", from_half.tolist())
print("float32, no WhiteLevel: ", bare_single.tolist())
print("float16, no WhiteLevel: ", bare_half.tolist())
scaled = np.allclose(plain / beside_hot, 8, rtol=0.01)
sys.exit(not (scaled and np.allclose(from_half, plain, rtol=0.01) and bare_single.all() and not bare_half.any()))
PYTHON
