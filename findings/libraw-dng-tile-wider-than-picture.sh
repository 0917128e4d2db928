#!/usr/bin/env bash
# LibRaw (rawpy 0.28.0) takes the rows of a DNG from the wrong places where its one tile is wider than the picture; only the first is
# right. Expected: the part of the tile outside the picture is left out, as TIFF 6.0 says and as it is with several tiles.
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

MATRIX = (32406, -15372, -4986, -9689, 18758, 415, 557, -2040, 10570)  # XYZ to the camera's colours, in 10,000ths
TAGS = [
    (50706, 1, 4, (1, 4, 0, 0), True),  # DNGVersion
    (50708, 2, 0, "Camera of no maker", True),  # UniqueCameraModel
    (50721, 10, 9, [part for value in MATRIX for part in (value, 10000)], True),  # ColorMatrix1
    (50778, 3, 1, 21, True),  # CalibrationIlluminant1: D65
    (33421, 3, 2, (2, 2), True),  # CFARepeatPatternDim
    (33422, 1, 4, (0, 1, 1, 2), True),  # CFAPattern
    (50714, 3, 1, 0, True),  # BlackLevel
    (50717, 4, 1, 16383, True),  # WhiteLevel
]


def right_rows(height, width, tile):
    """How many rows LibRaw and tifffile each read as they were given."""
    mosaic = np.random.default_rng(0).integers(0, 16384, (height, width)).astype(np.uint16)
    tifffile.imwrite("a.dng", mosaic, photometric=32803, tile=tile, extratags=TAGS, metadata=None)
    with rawpy.imread("a.dng") as raw:
        libraw = raw.raw_image
        return [int((pixels == mosaic).all(axis=1).sum()) for pixels in (libraw, tifffile.imread("a.dng"))]


print("rawpy", rawpy.__version__, "LibRaw", rawpy.libraw_version, "tifffile", tifffile.__version__)
found = {}
for height, width, tile in ((250, 300, None), (250, 300, (128, 128)), (250, 300, (256, 256)), (250, 300, (256, 304)), (64, 96, (128, 128))):
    found[width, tile] = right_rows(height, width, tile)
    libraw, other = found[width, tile]
    print(f"{width} x {height} pixels, tiles {tile}: {libraw} of {height} rows right in LibRaw, {other} in tifffile")
several = [found[300, tile] for tile in (None, (128, 128), (256, 256))]
sys.exit(several != [[250, 250]] * 3 or found[300, (256, 304)] != [1, 250] or found[96, (128, 128)] != [1, 64])
PYTHON
