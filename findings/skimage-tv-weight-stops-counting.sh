#!/usr/bin/env bash
# scikit-image 0.26.0: denoise_tv_chambolle says "the greater the weight, the more denoising". With its own eps and max_num_iter, weights
# from 1 to 100 give nearly the same picture, without a warning: the steps end long before the minimum, which is a constant picture.
# Seen on a slope with noise: 0.98 of its range is left by weight 1, 0.86 by weight 100, and nothing by weight 100 with 20,000 steps.
# So a search for the weight that removes a given variance may not begin at large ones.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scikit-image==0.26.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import skimage
from skimage.restoration import denoise_tv_chambolle

across = np.linspace(0, 1, 64)
picture = np.add.outer(across, across) / 2 + 0.02 * np.random.default_rng(0).normal(size=(64, 64))


def left(weight, **options):
    """Range of the result from the 1st to the 99th percentile, over that of the picture."""
    result = denoise_tv_chambolle(picture, weight, **options)
    return np.subtract(*np.percentile(result, (99, 1))) / np.subtract(*np.percentile(picture, (99, 1)))


one, hundred = left(1), left(100)
longer = left(100, eps=1e-12, max_num_iter=20_000)
print("scikit-image", skimage.__version__)
print(f"range that is left, weight 1: {one:.3f}; weight 100: {hundred:.3f}; weight 100 with 20,000 steps: {longer:.3f}")
sys.exit(not (one > 0.95 and hundred > 0.8 and longer < 0.01))
PYTHON
