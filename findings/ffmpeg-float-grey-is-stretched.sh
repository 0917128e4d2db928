#!/usr/bin/env bash
# FFmpeg 8.1 (PyAV 18.1.0): grey floats in 0..1 turned into grey of 10 to 16 bits or RGB get more contrast, as if they had the range of
# television: 0.25 becomes 0.22 and 0.06 black. To grey of 8 bits, and back from 16 bits, it is right. Expected: value × 65535.
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
VALUES = (0.0, 0.06, 0.25, 0.5, 0.75, 0.95, 1.0)
WHITE = {"gray": 255, "gray10le": 1023, "gray16le": 65535, "rgb24": 255}


def converted(value, source, target):
    """What a picture of one value becomes, as a part of white."""
    kind = {"grayf32le": np.float32, "gray16le": np.uint16}[source]
    frame = av.VideoFrame.from_ndarray(np.full((32, 32), value * WHITE.get(source, 1), kind), format=source)
    return float(np.median(frame.reformat(format=target).to_ndarray())) / WHITE.get(target, 1)


found = {}
for source, target in (("gray16le", "grayf32le"), ("grayf32le", "gray"), ("grayf32le", "gray10le"), ("grayf32le", "gray16le"), ("grayf32le", "rgb24")):
    found[source, target] = np.array([converted(value, source, target) for value in VALUES])
    print(f"{source} {VALUES} to {target}:", found[source, target].round(3).tolist())
limited = np.clip((255 * np.array(VALUES) - 16) / 219, 0, 1)  # black at 16, white at 235
right = all(np.abs(found[key] - VALUES).max() < 0.003 for key in (("gray16le", "grayf32le"), ("grayf32le", "gray")))
stretched = all(np.abs(found["grayf32le", target] - limited).max() < 0.005 for target in ("gray10le", "gray16le", "rgb24"))
sys.exit(not (right and stretched))
PYTHON
