#!/usr/bin/env bash
# imagecodecs 2026.3.6: the encoders of JPEG 2000, HTJ2K and TIFF write a big-endian array (as FITS and many TIFFs give) with its bytes
# exchanged. Expected: the same pixels, or a refusal, as PNG, JPEG-LS, lossless JPEG, LERC and JPEG XL have.
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

native = np.array([[1, 2, 3, 4], [256, 300, 4000, 5000]], np.uint16).repeat(16, 0).repeat(16, 1)
big = native.astype(">u2")
assert np.array_equal(native, big)


def outcome(name):
    encode, decode = (getattr(imagecodecs, f"{name}_{what}") for what in ("encode", "decode"))
    assert np.array_equal(decode(encode(native)), native)
    try:
        result = decode(encode(big))
    except ValueError:
        return "refused"
    return {True: "same"}.get(np.array_equal(result, native), "exchanged" if np.array_equal(result, native.byteswap()) else "other")


print("imagecodecs", imagecodecs.__version__)
found = {name: outcome(name) for name in ("jpeg2k", "htj2k", "tiff", "png", "jpegls", "ljpeg", "lerc", "jpegxl")}
for name, result in found.items():
    print(f"{name}: a big-endian array is {result}")
wrong = {name for name, result in found.items() if result == "exchanged"}
sys.exit(wrong != {"jpeg2k", "htj2k", "tiff"} or set(found.values()) != {"exchanged", "refused"})
PYTHON
