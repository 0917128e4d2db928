#!/usr/bin/env bash
# ome-zarr 0.18.0 lets NaNs grow in the levels of a pyramid: a gap of 2 % of the picture is 39 % of the fourth level and all of the fifth.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ome-zarr==0.18.0 zarr==3.1.6 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import ome_zarr
import zarr
from importlib.metadata import version
from ome_zarr.writer import write_image

picture = np.ones((64, 64), np.float32)
picture[40:50, 40:50] = np.nan
group = zarr.open_group("gap.zarr", mode="w")
write_image(picture, group, axes="yx")
written = zarr.open_group("gap.zarr")
levels = dict(written.attrs)["ome"]["multiscales"][0]["datasets"]
share = {level["path"]: float(np.isnan(written[level["path"]][:]).mean()) for level in levels}
print("ome-zarr", version("ome-zarr"))
for path, missing in share.items():
    print(f"level {path} of {written[path].shape}: {missing:.0%} NaN")
names = list(share)
sys.exit(not (abs(share[names[0]] - 100 / 4096) < 1e-9 and share[names[3]] > 0.35 and share[names[4]] == 1))
PYTHON
