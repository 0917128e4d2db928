#!/usr/bin/env bash
# mrcfile 1.5.4: validate calls a float16 file (mode 12) that mrcfile itself wrote invalid, as it takes the spread of the pixels in
# float16, where it overflows to infinity. The header holds the right one. Expected: valid, as the same pixels in float32 are.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mrcfile==1.5.4 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import importlib.metadata
import io
import sys

import mrcfile
import numpy as np

print("mrcfile", importlib.metadata.version("mrcfile"))
pixels = np.random.default_rng(0).normal(1000, 50, (512, 512)).astype(np.float16)
found = {}
for kind in (np.float16, np.float32):
    with mrcfile.new("a.mrc", overwrite=True) as file:
        file.set_data(pixels.astype(kind))
        rms = float(file.header.rms)
    said = io.StringIO()
    found[kind.__name__] = mrcfile.validate("a.mrc", print_file=said), 49 < rms < 51, "RMS deviation is inf" in said.getvalue()
    print(f"{kind.__name__}, RMS of the header {rms:.2f}: valid {found[kind.__name__][0]}.", said.getvalue().strip().splitlines()[-1])
sys.exit(found != {"float16": (False, True, True), "float32": (True, True, False)})
PYTHON
