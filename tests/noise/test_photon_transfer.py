"""Gain, offset and read noise come out as they went in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import unnoise
from unnoise.errors import UsageError
from unnoise.models.inspection import read_dark
from unnoise.noise.photon_transfer import measure_dark


def _shot(light: NDArray[np.float64], gain: float, offset: float, read: float, seed: int) -> NDArray[np.uint16]:
    draw = np.random.default_rng(seed)
    return (offset + gain * (draw.poisson(light) + draw.normal(0, read, light.shape))).round().clip(0, 65535).astype(np.uint16)


LIGHT = 10 + 300 * np.linspace(0, 1, 256)[None].repeat(256, 0)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.5, 8), st.integers(60, 600), st.floats(2, 8), st.integers(0, 10**6))
def test_they_come_out_as_they_went_in(gain: float, offset: int, read: float, seed: int) -> None:
    offset += round(4 * gain * read)  # black cuts nothing off
    dark = [_shot(0 * LIGHT, gain, offset, read, seed + n) for n in range(2)]
    report = unnoise.inspect(_shot(LIGHT, gain, offset, read, seed + 2), dark=np.stack(dark))
    found = report.photon_transfer
    assert found is not None
    assert found.holds
    assert found.gain == pytest.approx(gain, rel=0.12)
    assert found.offset == pytest.approx(offset, abs=0.3 + 0.05 * gain * read)
    assert found.read_noise == pytest.approx(np.hypot(gain * read, 0.29), rel=0.05)
    assert found.read_electrons == pytest.approx(read, rel=0.2)


def test_several_dark_frames_leave_fixed_patterns_out() -> None:
    pattern = np.random.default_rng(9).normal(0, 20, (128, 128))
    frames = [100 + pattern + np.random.default_rng(seed).normal(0, 5, (128, 128)) for seed in range(3)]
    frames[0][3, 4] = 60000  # a hot pixel
    assert measure_dark(frames).read_noise == pytest.approx(5, rel=0.03)
    assert measure_dark(frames[1:2]).read_noise == pytest.approx(np.hypot(5, 20), rel=0.03)
    assert measure_dark(frames).offset == pytest.approx(100, abs=0.6)


def test_a_picture_without_light_has_no_gain() -> None:
    dark = _shot(0 * LIGHT, 2, 100, 3, 0)
    report = unnoise.inspect(_shot(0 * LIGHT, 2, 100, 3, 1), dark=dark)
    assert report.photon_transfer is None
    assert any("gain cannot be told" in note for note in report.notes)


def test_noise_that_is_not_that_of_photons_is_said() -> None:
    """Here it falls with brightness."""
    draw = np.random.default_rng(0)
    picture = (100 + 2 * LIGHT + draw.normal(0, 1, LIGHT.shape) * np.linspace(30, 5, 256)).round().astype(np.uint16)
    found = unnoise.inspect(picture, dark=_shot(0 * LIGHT, 2, 100, 3, 1)).photon_transfer
    assert found is None or not found.holds


def test_a_color_picture_is_no_dark_frame() -> None:
    with pytest.raises(UsageError, match="dark frame is a grey picture"):
        read_dark(np.zeros((8, 8, 3), np.uint8))
