#!/usr/bin/env bash
# scikit-image 0.26.0: denoise_wavelet turns a picture without noise (constant, or one step) into NaN everywhere: its noise is 0, and
# PyWavelets 1.9.0 gives NaN for soft thresholding 0 by 0. Expected: the picture itself.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scikit-image==0.26.0 PyWavelets==1.9.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings

import numpy as np
import pywt
import skimage
from skimage.restoration import denoise_wavelet, estimate_sigma

warnings.simplefilter("ignore")  # of a division by zero
step = np.full((64, 64), 0.5)
step[:, 32:] = 0.75
noisy = step + np.random.default_rng(0).normal(0, 0.05, step.shape)
print("scikit-image", skimage.__version__, "PyWavelets", pywt.__version__)
found = {}
for name, picture in {"constant": np.full((64, 64), 0.5), "step": step, "noisy": noisy}.items():
    for sigma in (None, 0.0):
        result = denoise_wavelet(picture, sigma=sigma, rescale_sigma=True)
        found[name, sigma] = float(np.isnan(result).mean())
        print(f"{name}, sigma {sigma}: {100 * found[name, sigma]:.0f} % NaN; estimate_sigma: {estimate_sigma(picture)}")
thresholded = {mode: pywt.threshold(np.zeros(1), 0.0, mode)[0] for mode in ("soft", "garrote", "hard")}
print("PyWavelets, 0 thresholded by 0:", thresholded)
without_noise = all(found[name, sigma] == 1 for name in ("constant", "step") for sigma in (None, 0.0))
zero_by_zero = np.isnan(thresholded["soft"]) and thresholded["hard"] == 0
sys.exit(not (without_noise and zero_by_zero and found["noisy", None] == 0))
PYTHON
