#!/usr/bin/env bash
# netpbmfile 2026.1.29 reads a PFM with its rows upside down: the format stores the bottom row first, as Pillow knows.
# Expected: the top row first, as for its other formats.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check netpbmfile==2026.1.29 pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import netpbmfile
import numpy as np
import PIL
from PIL import Image

picture = np.arange(12, dtype="<f4").reshape(3, 4)
with open("a.pfm", "wb") as file:
    file.write(b"Pf\n4 3\n-1.0\n" + picture[::-1].tobytes())
print("netpbmfile", netpbmfile.__version__, "Pillow", PIL.__version__)
by_netpbmfile = netpbmfile.imread("a.pfm")
with Image.open("a.pfm") as image:
    by_pillow = np.asarray(image)
print("picture:", picture.tolist(), "- Pillow:", by_pillow.tolist(), "- netpbmfile:", by_netpbmfile.tolist())
sys.exit(not (np.array_equal(by_pillow, picture) and np.array_equal(by_netpbmfile, picture[::-1])))
PYTHON
