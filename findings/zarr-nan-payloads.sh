#!/usr/bin/env bash
# zarr 3.1.6 leaves out a chunk of NaNs when the fill value is NaN, whatever the NaNs' payloads are; a chunk of -0.0 it keeps.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check zarr==3.1.6 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import zarr


def chunk_files(path):
    return sorted(name for name in zarr.storage.LocalStore(path).root.rglob("*") if name.is_file() and name.name != "zarr.json")


def stored(path, fill, bits):
    values = np.full((4, 4), bits, np.uint32).view(np.float32)
    array = zarr.create_array(store=path, shape=(4, 4), chunks=(4, 4), dtype="float32", fill_value=fill)
    array[:] = values
    return hex(int(zarr.open_array(path)[:].view(np.uint32)[0, 0])), len(chunk_files(path))


nan, files_of_nan = stored("nan.zarr", np.nan, 0x7FC00123)  # 0x123 could say why there is no value
zero, files_of_zero = stored("zero.zarr", 0.0, 0x80000000)
print("zarr", zarr.__version__)
print(f"NaN with payload 0x7fc00123, fill NaN: {files_of_nan} chunk written, read back as {nan}")
print(f"-0.0, fill 0.0: {files_of_zero} chunk written, read back as {zero}")
sys.exit(not (files_of_nan == 0 and nan == "0x7fc00000" and files_of_zero == 1 and zero == "0x80000000"))
PYTHON
