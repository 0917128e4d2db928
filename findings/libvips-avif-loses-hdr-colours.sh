#!/usr/bin/env bash
# libvips 8.18.7: an AVIF in BT.2020 and PQ (nclx 9/16/9) of 10 bits comes out of heifload and heifsave with 12 bits and no word of its
# colours, while its values stay those of PQ: viewers show it as sRGB, dull and grey.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pyvips==3.2.0 pyvips-binary==8.18.7 imagecodecs==2026.3.6 pillow_heif==1.8.1 pillow==13.0.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import imagecodecs
import numpy as np
import pillow_heif
import pyvips

pyvips.cache_set_max(0)
print("libvips", ".".join(str(pyvips.version(part)) for part in range(3)), "pillow-heif", pillow_heif.__version__)
rows, columns = np.mgrid[:64, :96]
given = np.stack([columns * 10, rows * 15, (rows + columns) * 6], axis=-1).astype(np.uint16)
first = bytes(imagecodecs.avif_encode(given, 95, bitspersample=10, pixelformat="444", primaries=9, transfer=16, matrix=9))
second = bytes(pyvips.Image.heifload_buffer(first).heifsave_buffer(compression="av1", Q=95))


def told(encoded: bytes) -> tuple[object, int]:
    said = pillow_heif.open_heif(encoded, convert_hdr_to_8bit=False).info
    nclx = said.get("nclx_profile")
    keys = ("color_primaries", "transfer_characteristics", "matrix_coefficients")
    return nclx and tuple(nclx[key] for key in keys), said["bit_depth"]


before, after = (imagecodecs.avif_decode(encoded) for encoded in (first, second))
difference = np.abs(before / 1023 - after / (4095 if after.max() > 1023 else 1023)).mean()
print("given:    nclx and bits", *told(first))
print("returned: nclx and bits", *told(second))
print("mean difference of the coded values, of 1:", round(float(difference), 4))
sys.exit(not (told(first) == ((9, 16, 9), 10) and told(second) == (None, 12) and difference < 0.02))
PYTHON
