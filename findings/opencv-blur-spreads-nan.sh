#!/usr/bin/env bash
# OpenCV 5.0.0: one NaN pixel makes all below it NaN in cv2.blur, and from 7 x 7 on all to the right of it too, as sums are kept
# running. Expected: NaN in the windows that hold it, as in cv2.GaussianBlur and filter2D with the same kernel.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import cv2
import numpy as np

SIDE, ROW, COLUMN = 64, 20, 30
picture = np.random.default_rng(0).random((SIDE, SIDE)).astype(np.float32)
picture[ROW, COLUMN] = np.nan
print("OpenCV", cv2.__version__)
found, expected = {}, {}
for side in (3, 5, 7, 9):
    half = side // 2
    nan = np.isnan(cv2.blur(picture, (side, side)))
    local = np.isnan(cv2.filter2D(picture, -1, np.full((side, side), 1 / side**2)))
    right = SIDE if side >= 7 else COLUMN + half + 1
    expected[side] = (SIDE - ROW + half) * (right - COLUMN + half), side**2
    found[side] = int(nan.sum()), int(local.sum())
    gaussian = int(np.isnan(cv2.GaussianBlur(picture, (side, side), 1)).sum())
    print(f"{side} x {side}: blur {found[side][0]} pixels NaN, filter2D {found[side][1]}, GaussianBlur {gaussian}")
sys.exit(found != expected)
PYTHON
