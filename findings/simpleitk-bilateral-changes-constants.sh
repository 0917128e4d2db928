#!/usr/bin/env bash
# SimpleITK 2.5.7: Bilateral of a constant picture of 200 in whole numbers gives 199: 199.99… is cut off, and noise loses half a level.
# Expected: 200, as for floats and in Mean, Median and DiscreteGaussian.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import SimpleITK

FILTERS = {
    "Bilateral": lambda image: SimpleITK.Bilateral(image, 2.0, 20.0),
    "Mean": lambda image: SimpleITK.Mean(image, [1, 1]),
    "Median": lambda image: SimpleITK.Median(image, [1, 1]),
    "DiscreteGaussian": lambda image: SimpleITK.DiscreteGaussian(image, 4.0),
}
print("SimpleITK", SimpleITK.Version_VersionString())
noisy = np.random.default_rng(0).normal(100, 10, (64, 64)).round()
found = {}
for name, filtered in FILTERS.items():
    for kind in (np.uint8, np.uint16, np.float32):
        result = SimpleITK.GetArrayFromImage(filtered(SimpleITK.GetImageFromArray(np.full((40, 40), 200, kind))))
        after = SimpleITK.GetArrayFromImage(filtered(SimpleITK.GetImageFromArray(noisy.astype(kind))))
        found[name, kind.__name__] = sorted({round(float(value), 3) for value in result.ravel()}), float(after.mean() - noisy.mean())
        values, shift = found[name, kind.__name__]
        print(f"{name} of 200 in {kind.__name__}: {values}; the mean of noise changes by {shift:+.2f}")
bilateral = [found["Bilateral", kind] for kind in ("uint8", "uint16")]
others = [values for key, (values, _) in found.items() if key[0] != "Bilateral" or key[1] == "float32"]
sys.exit(not (all(values == [199.0] and -0.6 < shift < -0.4 for values, shift in bilateral) and all(values == [200.0] for values in others)))
PYTHON
