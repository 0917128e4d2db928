#!/usr/bin/env bash
# OpenCV 5.0.0 (wheel for x86-64): bilateralFilter of a grey uint8 picture cuts fractions off at diameters 3 and 5, which darkens it by
# half a level; from 7 on, in colour, in floats and without Intel's IPP it rounds. Expected: the same rule for all, and the same mean.
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

grey = np.random.default_rng(0).normal(100, 10, (256, 256)).clip(0, 255).astype(np.uint8)
print("OpenCV", cv2.__version__, "IPP", cv2.ipp.useIPP())


def shift(picture, diameter, ipp=True):
    cv2.ipp.setUseIPP(ipp)
    return float(cv2.bilateralFilter(picture, diameter, 20, 2).mean() - picture.mean())


found = {}
for diameter in (3, 5, 7, 9):
    found[diameter] = shift(grey, diameter)
    others = [shift(np.dstack([grey] * 3), diameter), shift(grey.astype(np.float32), diameter), shift(grey, diameter, ipp=False)]
    print(f"diameter {diameter}: grey {found[diameter]:+.2f}; colour, float, grey without IPP:", *(f"{value:+.2f}" for value in others))
    if max(abs(value) for value in others) > 0.05:
        sys.exit(1)
sys.exit(any(abs(value - (-0.5 if diameter < 7 else 0)) > 0.05 for diameter, value in found.items()))
PYTHON
