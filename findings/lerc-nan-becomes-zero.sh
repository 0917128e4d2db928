#!/usr/bin/env bash
# A NaN in a float TIFF that tifffile 2026.3.3 compresses with LERC comes back as 0, as if it had been measured.
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

picture = np.random.default_rng(0).normal(5, 1, (16, 16)).astype(np.float32)
picture[0, 0], picture[0, 1] = np.nan, np.inf
tifffile.imwrite("gap.tif", picture, compression="lerc")
result = tifffile.imread("gap.tif")
print("tifffile", tifffile.__version__, "imagecodecs", imagecodecs.__version__)
print("given:    ", picture[0, :3].tolist())
print("read back:", result[0, :3].tolist())
others = np.array_equal(result.ravel()[1:], picture.ravel()[1:])
print("NaN became 0:", result[0, 0] == 0, "- all other values exact, the infinity too:", others)
sys.exit(not (result[0, 0] == 0 and others))
PYTHON
