#!/usr/bin/env bash
# astropy 8.0.2 loses a whole row of a compressed float image (default settings) where two infinities lie two pixels apart; one infinity makes its row exact.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check astropy==8.0.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import astropy
import numpy as np
from astropy.io import fits


def row_after(columns):
    """What comes back of a row that holds infinities at these columns, beside what was given."""
    picture = np.random.default_rng(0).normal(0, 1, (4, 64)).astype(np.float32)
    picture[1, columns] = np.inf
    fits.CompImageHDU(picture).writeto("picture.fits", overwrite=True)
    return fits.getdata("picture.fits", 1)[1], picture[1]


print("astropy", astropy.__version__)
found = {}
for columns in ([], [4], [4, 5], [4, 6]):
    result, given = row_after(columns)
    found[len(columns), columns[-1] if columns else 0] = np.array_equal(result, given), int(np.isnan(result).sum())
    print(f"infinities at {columns}: exact {np.array_equal(result, given)}, NaN {np.isnan(result).sum()} of 64")
sys.exit(found != {(0, 0): (False, 0), (1, 4): (True, 0), (2, 5): (True, 0), (2, 6): (False, 64)})
PYTHON
