#!/usr/bin/env bash
# pydicom 3.0.2: pixel_array finds no pixels in a deflated DICOM file that is given by its path, though it does in the same file read first.
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
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.pixels import pixel_array
from pydicom.uid import DeflatedExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

meta = FileMetaDataset()
meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
made = FileDataset("a.dcm", {}, file_meta=meta, preamble=b"\0" * 128)
made.SOPClassUID, made.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
made.Rows, made.Columns, made.SamplesPerPixel, made.PhotometricInterpretation = 2, 3, 1, "MONOCHROME2"
made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 16, 15, 0
pixels = np.arange(6, dtype="<u2").reshape(2, 3)
made.PixelData = pixels.tobytes()
made["PixelData"].VR = "OW"
made.save_as("a.dcm", enforce_file_format=True)

read_first = pixel_array(pydicom.dcmread("a.dcm")).tolist()
try:
    by_path = str(pixel_array("a.dcm").tolist())
except AttributeError as error:
    by_path = f"AttributeError: {error}"
print("pydicom", pydicom.__version__)
print("read first:", read_first)
print("by path:   ", by_path)
sys.exit(not (read_first == pixels.tolist() and "no 'Pixel Data'" in by_path))
PYTHON
