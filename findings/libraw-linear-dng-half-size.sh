#!/usr/bin/env bash
# LibRaw (rawpy 0.28.0) ignores half_size for a linear DNG, and shows its three samples a pixel as four.
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

HEIGHT, WIDTH, WHITE = 64, 96, 16383
rows, columns = np.mgrid[:HEIGHT, :WIDTH]
LINEAR = np.stack([2000 + 80 * columns, 4000 + 90 * rows, 3000 + 25 * (rows + columns)], -1).astype(np.uint16)
MATRIX = (32406, -15372, -4986, -9689, 18758, 415, 557, -2040, 10570)  # XYZ to the camera's colours, in 10,000ths


def linear_dng(path, black, white):
    """A DNG of three samples a pixel (LinearRaw), with a neutral of 1/2, 1, 2/3."""
    per_sample = [(50713, 3, 2, (1, 1), True)] if len(black) > 1 else []
    tags = [
        (50706, 1, 4, (1, 4, 0, 0), True),  # DNGVersion
        (50708, 2, 0, "Camera of no maker", True),  # UniqueCameraModel
        (50721, 10, 9, [part for value in MATRIX for part in (value, 10000)], True),  # ColorMatrix1
        (50778, 3, 1, 21, True),  # CalibrationIlluminant1: D65
        (50728, 5, 3, (1, 2, 1, 1, 2, 3), True),  # AsShotNeutral
        *per_sample,  # BlackLevelRepeatDim
        (50714, 3, len(black), black if len(black) > 1 else black[0], True),  # BlackLevel
        (50717, 4, len(white), white if len(white) > 1 else white[0], True),  # WhiteLevel
    ]
    tifffile.imwrite(path, LINEAR, photometric=34892, planarconfig="contig", extratags=tags, metadata=None)


def developed(path, **options):
    with rawpy.imread(path) as raw:
        pixels = raw.postprocess(
            gamma=(1, 1), no_auto_bright=True, use_camera_wb=True, output_bps=16, output_color=rawpy.ColorSpace.raw, **options
        )
        return pixels, raw.raw_image.shape, list(raw.camera_whitebalance)


linear_dng("linear.dng", (512,), (WHITE,))
whole, raw_shape, _ = developed("linear.dng")
half, _, _ = developed("linear.dng", half_size=True)
print("rawpy", rawpy.__version__, "LibRaw", rawpy.libraw_version)
print("written:", LINEAR.shape, "- raw_image:", raw_shape, "- developed:", whole.shape, "- with half_size:", half.shape)
sys.exit(not (raw_shape == (HEIGHT, WIDTH, 4) and half.shape == whole.shape == LINEAR.shape))
PYTHON
