#!/usr/bin/env bash
# libvips 8.18.7 (pyvips-binary) reads grey JPEG tiles of 16 x 16 pixels in a TIFF wrongly, by up to half the range and without an error.
# Larger tiles and strips are right. tifffile and Pillow read all of them as they were written.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pyvips==3.2.0 pyvips-binary==8.18.7 tifffile==2026.3.3 imagecodecs==2026.3.6 pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import PIL
import pyvips
import tifffile
from PIL import Image

pyvips.cache_set_max(0)
versions = ".".join(str(pyvips.version(part)) for part in range(3))
print("libvips", versions, "tifffile", tifffile.__version__, "Pillow", PIL.__version__)
given = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
wrong = {}
for tile in ((16, 16), (16, 32), (32, 16), (32, 32), None):
    tifffile.imwrite("a.tif", given, photometric="minisblack", compression="jpeg", tile=tile)
    read = {
        "tifffile": tifffile.imread("a.tif"),
        "Pillow": np.asarray(Image.open("a.tif")),
        "libvips": pyvips.Image.new_from_file("a.tif", fail_on="error").numpy(),
    }
    errors = {name: int(np.abs(pixels.astype(int) - given).max()) for name, pixels in read.items()}
    print("tile", tile, "largest errors of 255:", errors)
    assert errors["tifffile"] < 20 and errors["Pillow"] < 20
    wrong[tile] = errors["libvips"] > 60
sys.exit(not (wrong[16, 16] and not wrong[32, 32] and not wrong[None]))
PYTHON
