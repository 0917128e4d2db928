#!/usr/bin/env bash
# libvips 8.18.7 (pyvips-binary) gives zeros, without an error even under fail_on="error", for tiled TIFFs in codecs that it lacks
# (ZSTD, LZMA, JPEG XL, PNG …). The same pixels in strips are refused as they should be. tifffile reads both.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pyvips==3.2.0 pyvips-binary==8.18.7 tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import pyvips
import tifffile

pyvips.cache_set_max(0)
print("libvips", ".".join(str(pyvips.version(part)) for part in range(3)), "tifffile", tifffile.__version__)
rows, columns = np.mgrid[:64, :96]
given = np.stack([rows * 3, columns * 2, rows + columns + 1], axis=-1).astype(np.uint8)
as_expected = True
for codec in ("zstd", "lzma", "jpegxl", "png"):
    for tile in ((32, 32), None):
        tifffile.imwrite("a.tif", given, photometric="rgb", compression=codec, tile=tile)
        assert np.abs(tifffile.imread("a.tif").astype(int) - given).max() <= 4
        try:
            seen = pyvips.Image.new_from_file("a.tif", fail_on="error").numpy()
            result = f"no error, values {seen.min()} to {seen.max()} (given: {given.min()} to {given.max()})"
            zeros = not seen.any()
        except pyvips.Error as error:
            result, zeros = "error: " + str(error).strip().splitlines()[-1].strip(), False
        print(f"{codec:7} {'tiles' if tile else 'strips'}: {result}")
        as_expected = as_expected and zeros == bool(tile)
sys.exit(not as_expected)
PYTHON
