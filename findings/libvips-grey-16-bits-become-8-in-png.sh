#!/usr/bin/env bash
# libvips 8.18.7 writes a grey uint16 array of pyvips as a PNG of 8 bits in which all above 255 is white; as RGB it gets 16 bits, and as
# a JPEG it is divided by 256. Expected: 16 bits, as for RGB and in TIFF, or at least the same rule in both.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyvips==3.2.0 pyvips-binary==8.18.7 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import pyvips

print("libvips", ".".join(str(pyvips.version(part)) for part in range(3)), "pyvips", pyvips.__version__)
grey = np.array([[0, 100, 300, 40000, 65535]], np.uint16).repeat(16, axis=0).repeat(16, axis=1)


def written(array, ending):
    image = pyvips.Image.new_from_array(array)
    again = pyvips.Image.new_from_buffer(image.write_to_buffer(ending), "")
    values = again.numpy().reshape(*array.shape[:2], -1)[8, 8::16, 0]
    print(f"{array.shape[2:] or 'grey'}, {image.interpretation}, {ending}: {again.format} {values.tolist()}")
    return again.format, values.tolist()


as_png, as_jpeg, as_tiff = (written(grey, ending) for ending in (".png", ".jpg[Q=100]", ".tif"))
rgb_png = written(np.stack([grey] * 3, axis=-1), ".png")
given = [0, 100, 300, 40000, 65535]
eight_bits = as_png == ("uchar", [0, 100, 255, 255, 255]) and as_jpeg == ("uchar", [0, 0, 1, 156, 255])
sys.exit(not (eight_bits and as_tiff == rgb_png == ("ushort", given)))
PYTHON
