"""The noise level of a residual, and noise made from it, are the same for arrays of every kind."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photometry.array_kinds import assert_kinds_agree
from unnoise.inference.blending import blend, blend_guarded
from unnoise.noise.residual_level import ResidualLevel
from unnoise.noise.residual_noise import interpolate, noise_level, probe
from unnoise.rng import sequence_for

few = settings(max_examples=10, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def _noisy_and_clean(seed: int, count: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A ramp whose noise grows from 0.02 to 0.07, (B, C, H, W) in float32."""
    generator = np.random.default_rng(seed)
    channels, height, width = generator.integers(1, 4), *generator.integers(1, 150, 2)
    clean = (np.linspace(0, 1, width) * np.ones((count, channels, height, width))).astype(np.float32)
    noise = (0.02 + 0.05 * clean) * generator.standard_normal(clean.shape)
    return clean + noise.astype(np.float32), clean


@few
@given(seeds, st.integers(1, 2))
def test_noise_level_of_every_kind_of_array(seed: int, count: int) -> None:
    noisy, clean = _noisy_and_clean(seed, count)
    assert_kinds_agree(noise_level, noisy - clean, clean)


@few
@given(seeds, st.integers(1, 2))
def test_a_probe_draws_the_same_numbers_in_every_kind_of_array(seed: int, count: int) -> None:
    noisy, clean = _noisy_and_clean(seed, count)
    assert_kinds_agree(lambda residual, level: probe(residual, level, sequence_for(level, seed)), noisy - clean, 0.1 + clean)


@few
@given(seeds)
def test_the_level_of_a_whole_picture_and_detail(seed: int) -> None:
    noisy, clean = _noisy_and_clean(seed)
    assert_kinds_agree(lambda x, y: ResidualLevel.measure(x, y).at(y), noisy, clean)
    assert_kinds_agree(lambda x, y: blend(x, y, 0.7, 0.75), noisy, clean)
    assert_kinds_agree(lambda x, y: blend_guarded(x, y, 0.7, 0.0, None), noisy, clean)


@given(st.integers(2, 9), st.integers(1, 20), seeds)
def test_interpolation_is_numpy_s(knots: int, count: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    places, values = np.sort(generator.random((3, knots)), axis=-1), generator.random((3, knots))
    x = generator.uniform(-0.2, 1.2, (3, count))
    expected = [np.interp(*row) for row in zip(x, places, values, strict=True)]
    np.testing.assert_allclose(interpolate(x, places, values), expected, rtol=1e-9, atol=1e-9)


def test_the_level_without_torch_is_right() -> None:
    code = """
import sys
import numpy as np
from unnoise.noise.residual_level import ResidualLevel
clean = np.linspace(0, 1, 256, dtype=np.float32) * np.ones((1, 1, 256, 1), np.float32)
noise = 0.05 * np.random.default_rng(0).standard_normal(clean.shape).astype(np.float32)
print(float(ResidualLevel.in_windows(clean + noise, clean).at(clean).mean()))
assert 'torch' not in sys.modules
"""
    found: Any = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert float(found) == pytest.approx(0.05, rel=0.05)
