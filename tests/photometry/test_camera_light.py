"""Linear light of a camera: what networks are shown goes back exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.photometry.camera_light import ENDS, MAX_LIFT, CameraLight


class Pixels:
    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape = values, values.shape

    def region(self, rows: slice, columns: slice) -> np.ndarray:
        return self.values[rows, columns]


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 4096),
    st.integers(8000, 65535),
    st.lists(st.floats(0.1, 1), min_size=3, max_size=3),
    st.floats(0, MAX_LIFT),
    st.booleans(),
)
def test_all_values_come_back(black: int, white: int, neutral: list[float], lift: float, grey: bool) -> None:
    gains = tuple(1 / value for value in (neutral[:1] if grey else neutral))
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    values = values if grey else np.repeat(values[..., None], 3, -1)
    light = CameraLight((float(black),), float(white), gains, lift)
    shown = light.forward(values)
    assert shown.shape == (256, 256, 3)
    assert shown.dtype == np.float32
    assert shown.min() >= ENDS[0]
    assert shown.max() <= np.float32(ENDS[1])
    np.testing.assert_array_equal(light.inverse(shown, values), values)


def test_white_balance_and_lift() -> None:
    neutral = (0.5, 1.0, 0.8)
    random = np.random.default_rng(0)
    light = 0.1 * np.array(neutral) * (1 - (np.arange(256) % 2)[:, None])  # grey of a tenth, and black
    noisy = np.broadcast_to(light, (256, 256, 3)) + random.normal(size=(256, 256, 3)) * 0.003
    values = np.rint(1000 + 15000 * noisy).astype(np.uint16)
    found = CameraLight.decide(Pixels(values), (1000,), 16000, neutral)
    shown = found.forward(values)
    assert (shown < 0).mean() < 0.002
    grey = shown[:, ::2].mean((0, 1))
    assert np.ptp(grey) < 0.005
    assert grey[1] == pytest.approx(1.055 * ((0.1 + found.lift) / (1 + found.lift)) ** (1 / 2.4) - 0.055, abs=0.01)


def test_a_picture_without_noise_is_not_lifted() -> None:
    values = np.full((32, 32), 3000, np.uint16)
    assert CameraLight.decide(Pixels(values), (512,), 16383, (1.0,)).lift == 0
