#!/usr/bin/env bash
# Pillow 13.0.0 shows another picture for an APNG frame when the frame before was loaded. If that frame blends over and is to be
# replaced by what was there before it (dispose_op 2), it stays visible. Expected: the same pixels, whatever was looked at before.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct
import sys
import zlib

import numpy as np
import PIL
from PIL import Image

SIDE = 8
RED, GREEN, BLUE = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255)
KEEP, PREVIOUS = 0, 2  # dispose_op of the PNG specification
SOURCE, OVER = 0, 1  # blend_op


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def apng(frames):
    """Frames of one colour: (colour, side, offset in both directions, dispose_op, blend_op). The first one fills the canvas."""
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 6, 0, 0, 0))]
    parts.append(chunk(b"acTL", struct.pack(">II", len(frames), 0)))
    number = 0
    for colour, side, offset, dispose, blend in frames:
        parts.append(chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, side, side, offset, offset, 1, 10, dispose, blend)))
        pixels = zlib.compress((b"\0" + bytes(colour) * side) * side)
        parts.append(chunk(b"fdAT", struct.pack(">I", number + 1) + pixels) if number else chunk(b"IDAT", pixels))
        number += 2 if number else 1
    return b"".join([*parts, chunk(b"IEND", b"")])


def last_frame(blend, look_at_each):
    """The pixel at (1, 1) of the third frame. The second one, green, covers it and is to vanish again."""
    data = apng([(RED, SIDE, 0, KEEP, SOURCE), (GREEN, 4, 0, PREVIOUS, blend), (BLUE, 2, 4, KEEP, SOURCE)])
    with Image.open(io.BytesIO(data)) as image:
        for number in range(3):
            image.seek(number)
            if look_at_each:
                image.load()
        return tuple(int(part) for part in np.asarray(image.convert("RGBA"))[1, 1])


print("Pillow", PIL.__version__)
found = {}
for blend in (SOURCE, OVER):
    for look_at_each in (False, True):
        found[blend, look_at_each] = last_frame(blend, look_at_each)
        print(f"blend_op {blend}, frame before loaded {look_at_each}: {found[blend, look_at_each]}, expected {RED}")
sys.exit(found != {(SOURCE, False): RED, (SOURCE, True): RED, (OVER, False): RED, (OVER, True): GREEN})
PYTHON
