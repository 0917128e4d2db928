#!/usr/bin/env bash
# OpenEXR 3.5.3 writes a transposed array in the order of its memory: the file holds other pixels, without an error.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check OpenEXR==3.5.3 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import OpenEXR


def written_and_read(array):
    with OpenEXR.File({}, {"flux": array}) as file:
        file.write("picture.exr")
    with OpenEXR.File("picture.exr") as file:
        return file.channels()["flux"].pixels.copy()


stored = np.arange(12, dtype=np.float32).reshape(4, 3)
turned = stored.T  # (3, 4), a view: its columns lie one after the other in memory
result = written_and_read(turned)
print("OpenEXR", OpenEXR.__version__)
print("first row given:    ", turned[0].tolist())
print("first row read back:", result[0].tolist())
in_memory_order = np.array_equal(result, stored.reshape(3, 4))
copied_first = np.array_equal(written_and_read(np.ascontiguousarray(turned)), turned)
print("memory order, not the array's order:", in_memory_order, "- right after np.ascontiguousarray:", copied_first)
sys.exit(not (in_memory_order and copied_first))
PYTHON
