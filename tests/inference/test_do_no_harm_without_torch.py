"""The bound by the measured noise gives the same for NumPy arrays as for tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photometry.array_kinds import assert_kinds_agree
from unnoise.inference.bounded_removal import bounded_removal
from unnoise.inference.do_no_harm import Guard
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.noise.synthetic_images import noise_free
from unnoise.regions import RegionSource

few = settings(max_examples=4, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def _noisy(seed: int, side: int, channels: int) -> np.ndarray:
    """(1, C, H, W): a scene with an edge and a weave, white noise, and one corner without any noise."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:side, 0 : side + 13]
    scene = 0.3 + 0.3 * (columns > side // 2) + 0.05 * np.sin(rows * 1.7) * (rows > side // 2)
    noisy = scene + (0.02 + 0.03 * scene) * generator.standard_normal((1, channels, *scene.shape))
    noisy[..., :24, :24] = 0.25
    return noisy.astype(np.float32)


@few
@given(seeds, st.sampled_from([40, 128, 270]), st.sampled_from([1, 3]))
def test_the_bound_of_every_kind_of_array(seed: int, side: int, channels: int) -> None:
    noisy = _noisy(seed, side, channels)
    restored = np.full_like(noisy, 0.45)

    def bound(x: Any, y: Any) -> Any:
        noise = estimate_noise(RegionSource.of(x))
        return x if noise is None else bounded_removal(x, y, noise)

    assert_kinds_agree(bound, noisy, restored, kinds=["numpy"], tolerance=2e-5)
    assert_kinds_agree(noise_free, noisy, kinds=["numpy"])


@pytest.mark.parametrize("gray", [False, True])
def test_a_guard_of_every_kind_of_array(gray: bool) -> None:
    noisy = _noisy(3, 140, 3)
    noisy = np.repeat(noisy[:, :1], 3, axis=1) if gray else noisy

    def guarded(x: Any) -> Any:
        guard = Guard.of(RegionSource.of(x), step=1 / 255)
        assert guard.noise[0] is not None
        assert guard.grey == gray
        return guard.apply(x, 0 * x + 0.5)

    assert_kinds_agree(guarded, noisy, kinds=["numpy"], tolerance=2e-5)
