#!/usr/bin/env bash
# pydicom 3.0.2 gives other values than a DICOM file's words hold: it drops bits above BitsStored and extends the sign from there.
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
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

meta = FileMetaDataset()
meta.TransferSyntaxUID = ExplicitVRLittleEndian
meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
made = FileDataset("words.dcm", {}, file_meta=meta, preamble=b"\0" * 128)
made.SOPClassUID, made.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
made.Rows, made.Columns, made.SamplesPerPixel, made.PhotometricInterpretation = 1, 4, 1, "MONOCHROME2"
made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 1
words = np.array([0x0FFF, 0x07FF, 0xF001, 0x1001], "<u2")  # the last two have bits above the twelve that count
made.PixelData = words.tobytes()
made.save_as("words.dcm", enforce_file_format=True)

read = pydicom.dcmread("words.dcm")
plain, given = np.frombuffer(read.PixelData, "<i2").tolist(), read.pixel_array.ravel().tolist()
print("pydicom", pydicom.__version__)
print("words as signed 16 bits:", plain)
print("pixel_array:            ", given)
sys.exit(not (plain == [4095, 2047, -4095, 4097] and given == [-1, 2047, 1, 1]))
PYTHON
