#!/usr/bin/env bash
# numcodecs 0.16.6: BitRound turns a NaN whose bits are all ones, a common mark of missing values, into 0, and others into infinity.
# Expected: NaN stays NaN; it does for the usual payload.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numcodecs==0.16.6 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numcodecs
import numpy as np

BITS = {"usual": 0x7FC00000, "all ones": 0xFFFFFFFF, "all ones, positive": 0x7FFFFFFF, "smallest payload": 0x7F800001}
print("numcodecs", numcodecs.__version__)
found = {}
for keepbits in (3, 8, 16):
    codec = numcodecs.BitRound(keepbits=keepbits)
    for name, bits in BITS.items():
        given = np.array([bits], np.uint32).view(np.float32)
        assert np.isnan(given).all()
        found[keepbits, name] = float(codec.decode(codec.encode(given))[0])
        print(f"keepbits {keepbits}, NaN {name}, {bits:#010x}: {found[keepbits, name]}")
expected = {"usual": "nan", "all ones": "0.0", "all ones, positive": "-0.0", "smallest payload": "inf"}
sys.exit(any(str(value) != expected[name] for (_, name), value in found.items()))
PYTHON
