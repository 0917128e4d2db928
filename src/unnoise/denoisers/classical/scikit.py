"""Classical denoisers of scikit-image, each with the parameters that its documentation and paper give for the measured
noise level. They take noise as white."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unnoise.denoisers.classical.base import ClassicalDenoiser
from unnoise.denoisers.classical.noise import Noise
from unnoise.registry import require

PATCH = 5
"""Side of the patches of non-local means in pixels."""
PATCH_DISTANCE = 6
"""Radius of its search window in pixels."""
STRENGTH = 0.6
"""Its filter strength in standard deviations, as scikit-image's example has it for known noise with fast mode."""
SHIFTS = 4
"""Shifts in rows and in columns over which wavelet shrinkage is averaged."""
TV_STEPS = 200
TV_TOLERANCE = 1e-5
TV_FIRST, TV_DOUBLINGS = 2.5, 4
"""The weight of total variation that is tried first, in standard deviations of the noise, and how often it is doubled."""
TV_EXCESS = 0.002
"""How exactly the removed part has the noise's variance, of that variance."""
TV_WEIGHT = 1e-3
"""How exactly the weight is found, of the weight."""


class _OfScikitImage(ClassicalDenoiser):
    """A denoiser on arrays (H, W, C) or (H, W)."""

    def estimate(self, noisy: Tensor, noise: Noise) -> Tensor:
        require("skimage", f"The denoiser {type(self).__name__}")
        array = noisy.permute(1, 2, 0).cpu().double().numpy()
        restored = self._restore_array(array, noise.sigma.cpu().numpy())
        return torch.from_numpy(np.ascontiguousarray(restored)).to(noisy).permute(2, 0, 1)

    def _restore_array(self, noisy: NDArray[Any], sigma: NDArray[Any]) -> NDArray[Any]:
        """The restored array, (H, W, C) → (H, W, C), for standard deviations (C,)."""
        raise NotImplementedError


class NonLocalMeans(_OfScikitImage):
    """Non-local means: each pixel is the mean of those whose surroundings are alike.

    Buades, Coll and Morel, "A Non-Local Algorithm for Image Denoising", CVPR 2005; fast mode of Darbon et al., 2008.

    Example:
        >>> noisy = 0.5 + 0.1 * torch.randn(1, 1, 40, 40, generator=torch.Generator().manual_seed(0))
        >>> bool((NonLocalMeans(channels=1)(noisy, Noise.white(0.1, 1)) - 0.5).std() < 0.05)
        True
    """

    @property
    def receptive_field_radius(self) -> int:
        return PATCH_DISTANCE + PATCH // 2

    def _restore_array(self, noisy: NDArray[Any], sigma: NDArray[Any]) -> NDArray[Any]:
        from skimage.restoration import denoise_nl_means

        level = float(np.sqrt(np.square(sigma).mean()))
        colors = noisy.shape[2] == 3
        planes = [noisy] if colors else [noisy[..., c] for c in range(noisy.shape[2])]
        options: dict[str, Any] = {"patch_size": PATCH, "patch_distance": PATCH_DISTANCE, "fast_mode": True}
        restored = [
            denoise_nl_means(
                plane, h=STRENGTH * own, sigma=own, channel_axis=-1 if colors else None, preserve_range=True, **options
            )
            for plane, own in zip(planes, [level] if colors else sigma.tolist(), strict=True)
        ]
        return restored[0] if colors else np.stack(restored, axis=-1)


class Wavelets(_OfScikitImage):
    """Wavelet shrinkage by BayesShrink: each sub-band has the threshold that its own variance asks for.

    Chang, Yu and Vetterli, "Adaptive Wavelet Thresholding for Image Denoising and Compression", IEEE Transactions on
    Image Processing, 2000. Averaged over shifts (Coifman and Donoho, 1995), which removes its ringing. It needs
    PyWavelets too.

    Example:
        >>> noisy = 0.5 + 0.1 * torch.randn(1, 1, 40, 40, generator=torch.Generator().manual_seed(0))
        >>> bool((Wavelets(channels=1)(noisy, Noise.white(0.1, 1)) - 0.5).std() < 0.05)
        True
    """

    def _restore_array(self, noisy: NDArray[Any], sigma: NDArray[Any]) -> NDArray[Any]:
        require("pywt", "The denoiser Wavelets")
        from skimage.restoration import denoise_wavelet

        def shrink(plane: NDArray[Any], own: float) -> NDArray[Any]:
            options = {"sigma": own, "wavelet": "db2", "method": "BayesShrink", "mode": "soft", "rescale_sigma": False}
            total = np.zeros_like(plane)
            for shift in np.ndindex(SHIFTS, SHIFTS):
                shifted = denoise_wavelet(np.roll(plane, shift, (0, 1)), **options)
                total += np.roll(shifted, (-shift[0], -shift[1]), (0, 1))
            return total / SHIFTS**2

        return np.stack([shrink(noisy[..., c], float(own)) for c, own in enumerate(sigma)], axis=-1)


class TotalVariation(_OfScikitImage):
    """Total variation: the picture with least variation that differs from the noisy one by as much as the noise.

    Rudin, Osher and Fatemi, "Nonlinear Total Variation Based Noise Removal Algorithms", Physica D, 1992; the algorithm of
    Chambolle, 2004. The weight is found by a search, so that the removed part has the noise's variance.

    Example:
        >>> noisy = 0.5 + 0.1 * torch.randn(1, 1, 40, 40, generator=torch.Generator().manual_seed(0))
        >>> removed = noisy - TotalVariation(channels=1)(noisy, Noise.white(0.08, 1))
        >>> round(float(removed.std()), 2)
        0.08
    """

    def _restore_array(self, noisy: NDArray[Any], sigma: NDArray[Any]) -> NDArray[Any]:
        restoration: Any = import_module("skimage.restoration")
        optimize: Any = import_module("scipy.optimize")
        axis = -1 if noisy.shape[2] == 3 else None
        wanted = float(np.square(sigma).mean())

        def solve(plane: NDArray[Any], variance: float) -> NDArray[Any]:
            nearest, restored = np.inf, plane

            def excess(weight: float) -> float:
                nonlocal nearest, restored
                options = {"eps": TV_TOLERANCE, "max_num_iter": TV_STEPS, "channel_axis": axis}
                found = restoration.denoise_tv_chambolle(plane, weight, **options) if weight else plane
                much = float(np.square(plane - found).mean() / variance) - 1
                if abs(much) < nearest:
                    nearest, restored = abs(much), found
                return 0.0 if abs(much) < TV_EXCESS else much  # a root ends the search

            low, high = 0.0, TV_FIRST * np.sqrt(variance)
            # Large weights need more steps than there are, and remove less: so the search begins at small ones.
            for _ in range(TV_DOUBLINGS if variance else 0):
                much = excess(high)
                if much > 0:
                    optimize.brentq(excess, low, high, xtol=high * TV_WEIGHT)
                if much >= 0:
                    break
                low, high = high, 2 * high
            return restored

        if axis is not None:
            return solve(noisy, wanted)
        return np.stack([solve(noisy[..., c], float(own) ** 2) for c, own in enumerate(sigma)], axis=-1)
