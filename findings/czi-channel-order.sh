#!/usr/bin/env bash
# pylibCZIrw 6.1.0 takes and gives colours as BGR, czifile 2019.7.2.3 gives the same file as RGB: between the two red and blue are exchanged.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pylibCZIrw==6.1.0 czifile==2019.7.2.3 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import czifile
import numpy as np
from importlib.metadata import version
from pylibCZIrw import czi

given = np.zeros((32, 48, 3), np.uint8)
given[..., 0], given[..., 1], given[..., 2] = 200, 100, 50
with czi.create_czi("picture.czi") as file:
    file.write(given)
with czi.open_czi("picture.czi") as file:
    same_library = file.read()[0, 0].tolist()
other_library = np.squeeze(czifile.imread("picture.czi"))[0, 0].tolist()
print("pylibCZIrw", version("pylibCZIrw"), "czifile", czifile.__version__)
print("given to pylibCZIrw:    ", given[0, 0].tolist())
print("read back by pylibCZIrw:", same_library)
print("read by czifile:        ", other_library)
sys.exit(not (same_library == [200, 100, 50] and other_library == [50, 100, 200]))
PYTHON
