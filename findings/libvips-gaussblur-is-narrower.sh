#!/usr/bin/env bash
# libvips 8.18.7: gaussblur(sigma) blurs by 0.73 to 0.85 of sigma, in float pictures too, as it leaves out what lies below 20 % of the
# peak (min_ampl). Expected: a standard deviation of sigma to within 5 %, as SciPy and Pillow have.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyvips==3.2.0 pyvips-binary==8.18.7 scipy==1.17.1 pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import PIL
import pyvips
import scipy
from PIL import Image, ImageFilter

SIDE = 101


def deviation(picture):
    """The standard deviation of the picture's light along one axis, in pixels."""
    light = np.asarray(picture, np.float64).sum(axis=1) / np.asarray(picture, np.float64).sum()
    offsets = np.arange(SIDE) - SIDE // 2
    return float(np.sqrt((light * offsets**2).sum()))


point = np.zeros((SIDE, SIDE), np.float32)
point[SIDE // 2, SIDE // 2] = 1e6
square = np.zeros((SIDE, SIDE), np.uint8)
square[40:61, 40:61] = 255
print("libvips", ".".join(str(pyvips.version(part)) for part in range(3)), "SciPy", scipy.__version__, "Pillow", PIL.__version__)
found = []
for sigma in (1, 2, 3, 5):
    vips = pyvips.Image.new_from_array(point)
    result = {
        "libvips": deviation(vips.gaussblur(sigma).numpy()),
        "libvips, precision float": deviation(vips.gaussblur(sigma, precision="float").numpy()),
        "libvips, min_ampl 0.01": deviation(vips.gaussblur(sigma, min_ampl=0.01).numpy()),
        "SciPy": deviation(scipy.ndimage.gaussian_filter(point, sigma)),
    }
    blurred = Image.fromarray(square).filter(ImageFilter.GaussianBlur(sigma))
    result["Pillow"] = float(np.sqrt(deviation(blurred) ** 2 - deviation(square) ** 2))
    found.append([value / sigma for value in result.values()])
    print(f"sigma {sigma}:", ", ".join(f"{name} {value:.2f}" for name, value in result.items()))
found = np.array(found)
sys.exit(not (((0.73 < found[:, :2]) & (found[:, :2] < 0.86)).all() and (abs(found[:, 2:] - 1) < 0.05).all()))
PYTHON
