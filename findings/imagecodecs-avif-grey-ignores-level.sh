#!/usr/bin/env bash
# imagecodecs 2026.3.6: avif_encode ignores `level` for arrays of one channel and always writes them without loss;
# three equal channels with pixelformat="400" give a grey AVIF that obeys it.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check imagecodecs==2026.3.6 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import imagecodecs
import numpy as np

print("imagecodecs", imagecodecs.__version__, imagecodecs.avif_version())
noise = np.random.default_rng(0).integers(0, 40, (128, 128))
grey = (np.add.outer(np.arange(128), np.arange(128)) // 2 + noise).astype(np.uint8)
sizes, errors, bypass = [], [], []
for level in (10, 50, 90):
    encoded = imagecodecs.avif_encode(grey, level)
    sizes.append(len(encoded))
    errors.append(int(np.abs(imagecodecs.avif_decode(encoded).astype(int) - grey).max()))
    three = imagecodecs.avif_encode(np.stack([grey] * 3, axis=-1), level, pixelformat="400")
    assert imagecodecs.avif_decode(three).shape == grey.shape
    bypass.append(len(three))
print("levels 10, 50, 90 of (H, W):", sizes, "bytes, largest errors", errors)
print("levels 10, 50, 90 of three equal channels as 400:", bypass, "bytes")
sys.exit(not (len(set(sizes)) == 1 and errors == [0, 0, 0] and bypass[0] < bypass[1] < bypass[2] < sizes[0]))
PYTHON
