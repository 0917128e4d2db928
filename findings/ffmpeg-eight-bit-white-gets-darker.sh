#!/usr/bin/env bash
# FFmpeg 8.1 (PyAV 18.1.0): RGB of 8 bits turned into RGB of 16 bits or floats makes white 65283 of 65535, or 0.996: it multiplies by
# about 256. Grey to grey of 16 bits or floats is right. Expected: 65535 and 1, that is 257 times the value, in both.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import av
import numpy as np

print("PyAV", av.__version__, "libswscale", ".".join(str(part) for part in av.library_versions["libswscale"]))


def converted(value, source, target):
    """What a picture of one value becomes."""
    shape = (32, 32, 3) if source == "rgb24" else (32, 32)
    frame = av.VideoFrame.from_ndarray(np.full(shape, value, np.uint8), format=source)
    return float(np.median(frame.reformat(format=target).to_ndarray()))


found = {}
for source, target in (("gray", "gray16le"), ("gray", "grayf32le"), ("gray", "rgb48le"), ("rgb24", "rgb48le"), ("rgb24", "gbrp16le"), ("rgb24", "gbrpf32le")):
    found[source, target] = [converted(value, source, target) for value in (0, 100, 255)]
    print(f"{source} 0, 100 and 255 to {target}: {found[source, target]}")
right = found["gray", "gray16le"] == [0, 25700, 65535] and found["gray", "grayf32le"][2] == 1
dark = found["rgb24", "rgb48le"] == found["rgb24", "gbrp16le"] == [0, 25599, 65283] and found["gray", "rgb48le"][2] == 65280
sys.exit(not (right and dark and 0.996 < found["rgb24", "gbrpf32le"][2] < 0.9963))
PYTHON
