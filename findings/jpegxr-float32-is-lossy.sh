#!/usr/bin/env bash
# JPEG XR through tifffile 2026.3.3 is exact for uint8, uint16 and float16, but not for float32; no level makes it exact.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import imagecodecs
import numpy as np
import tifffile

rng = np.random.default_rng(0)
print("tifffile", tifffile.__version__, "imagecodecs", imagecodecs.__version__)
error = {}
for dtype in ("uint8", "uint16", "float16", "float32"):
    picture = (rng.random((64, 64, 3)) * (200 if dtype[0] == "u" else 1)).astype(dtype)
    tifffile.imwrite("picture.tif", picture, photometric="rgb", compression="jpegxr")
    error[dtype] = float(np.abs(tifffile.imread("picture.tif").astype(float) - picture.astype(float)).max())
    print(f"{dtype}: largest error {error[dtype]:.2e}")
grey = rng.random((64, 64)).astype(np.float32)
levels = {
    level: float(np.abs(imagecodecs.jpegxr_decode(imagecodecs.jpegxr_encode(grey, level=level)) - grey).max())
    for level in (None, 1.0, 100)
}
print("float32, by level:", levels)
exact = all(error[dtype] == 0 for dtype in ("uint8", "uint16", "float16"))
sys.exit(not (exact and error["float32"] > 1e-6 and min(levels.values()) > 1e-6))
PYTHON
