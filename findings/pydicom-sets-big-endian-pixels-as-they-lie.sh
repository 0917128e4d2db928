#!/usr/bin/env bash
# pydicom 3.0.2: set_pixel_data puts the bytes of a big-endian array into a little-endian data set as they are, so 1 becomes 256.
# It checks type and range of the same array by value. Expected: the same pixels, or a refusal.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset


def read_back(array):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.set_pixel_data(array, "MONOCHROME2", bits_stored=12)
    return dataset.pixel_array.tolist()


print("pydicom", pydicom.__version__)
given = np.array([[1, 2], [300, 4095]], np.uint16)
native, big = read_back(given), read_back(given.astype(">u2"))
print(f"given {given.tolist()}: in native order read back as {native}, as big-endian {big}")
# bits above the 12 stored are masked when read
sys.exit(native != given.tolist() or big != (given.byteswap() & 4095).tolist())
PYTHON
