#!/usr/bin/env bash
# imagecodecs 2026.3.6: jpeg2k_encode without a level is exact for integers below 2**24, and silently gives quite
# others above, off by the whole range. Expected: exact, or a refusal, up to 32 bits; htj2k_encode of the same array is exact.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check imagecodecs==2026.3.6 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import imagecodecs
import numpy as np

print("imagecodecs", imagecodecs.__version__)
found = {}
for bits in (16, 24, 25, 26, 28, 31):
    picture = np.random.default_rng(0).integers(0, 2**bits, (64, 64)).astype(np.uint32)
    for name in ("jpeg2k", "htj2k"):
        encode, decode = (getattr(imagecodecs, f"{name}_{what}") for what in ("encode", "decode"))
        error = np.abs(decode(encode(picture)).astype(np.int64) - picture.astype(np.int64)).max()
        found[name, bits] = bool(error == 0)
        print(f"{name}, values below 2**{bits}: the largest error is {error}")
exact = {key for key, same in found.items() if same}
sys.exit(exact != {("jpeg2k", 16), ("jpeg2k", 24)} | {("htj2k", bits) for _, bits in found})
PYTHON
