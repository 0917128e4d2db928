#!/usr/bin/env bash
# tifffile 2026.3.3 writes a boolean array (H, W, 3) as an RGB TIFF of one bit that it does not read back as it was: it packs eight
# pixels of one channel into a byte, channels in turn, where TIFF 6.0 has the three bits of each pixel side by side. (H, W) is right.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import tifffile

print("tifffile", tifffile.__version__)
rng = np.random.default_rng(0)
same = {}
for name, shape in {"minisblack": (16, 24), "rgb": (16, 24, 3)}.items():
    given = rng.integers(0, 2, shape).astype(bool)
    tifffile.imwrite("a.tif", given, photometric=name)
    with tifffile.TiffFile("a.tif") as file:
        page = file.pages[0]
        again = page.asarray()
        bits = np.unpackbits(np.fromfile("a.tif", np.uint8)[page.dataoffsets[0] :][: page.databytecounts[0]])
    in_turn = bits.reshape(16, 3, 3, 8).transpose(0, 1, 3, 2).reshape(16, 24, 3) if name == "rgb" else bits.reshape(16, 24)
    by_samples = bits.reshape(shape)
    same[name] = bool((again == given).all())
    print(f"{name}: read back the same: {same[name]}; packed pixel by pixel: {bool((by_samples == given).all())}")
    print(f"    packed by eight pixels of each channel in turn: {bool((in_turn == given).all())}")
sys.exit(same != {"minisblack": True, "rgb": False})
PYTHON
