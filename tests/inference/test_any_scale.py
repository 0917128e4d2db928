"""Measurements on any scale are restored as well as any other, by arrays and by files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unnoise
from unnoise.batch.one_file import denoise_file

_Y, _X = np.mgrid[0:64, 0:72] / 72
CLEAN = (np.sin(6 * _X) * np.cos(5 * _Y) + 1) / 2
NOISY = CLEAN + np.random.default_rng(0).normal(0, 0.08, CLEAN.shape)


def _error(pixels: Any, scale: float = 1.0, offset: float = 0.0) -> float:
    return float(np.sqrt(np.mean(((np.asarray(pixels, np.float64) - offset) / scale - CLEAN) ** 2)))


@pytest.fixture(scope="module")
def model() -> unnoise.Model:
    return unnoise.load("fast")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-30, 1e-7, 1e8, 1e30])
def test_any_scale(model: unnoise.Model, dtype: type, scale: float) -> None:
    usual = _error(model.denoise(NOISY.astype(dtype)))
    assert usual < 0.3 * _error(NOISY)
    noisy = (NOISY * scale).astype(dtype)
    restored = model.denoise(noisy)
    assert restored.dtype == dtype
    assert abs(_error(restored, scale) - usual) < 0.02 * usual
    assert torch.equal(model.denoise(torch.from_numpy(noisy)), torch.from_numpy(restored))


@pytest.mark.parametrize("offset", [-1e12, 1e6, 1e9])
def test_far_from_zero(model: unnoise.Model, offset: float) -> None:
    assert _error(model.denoise(NOISY + offset), offset=offset) < 0.3 * _error(NOISY)


@pytest.mark.parametrize(("scale", "offset"), [(1e-12, 0.0), (1.0, 1e9)])
def test_files_as_arrays(model: unnoise.Model, scale: float, offset: float, tmp_path: Path) -> None:
    noisy = NOISY * scale + offset
    np.save(tmp_path / "a.npy", noisy)
    denoise_file(model, tmp_path / "a.npy", tmp_path / "b.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), model.denoise(noisy))
    denoise_file(model, tmp_path / "a.npy", tmp_path / "same.npy", strength=0)
    np.testing.assert_array_equal(np.load(tmp_path / "same.npy"), noisy)


@pytest.mark.parametrize("value", [0.0, -5.0, 1234567.890123, 1e-20, 1000.0])
def test_what_is_the_same_everywhere_stays_so(model: unnoise.Model, value: float) -> None:
    flat = np.full((20, 30), value)
    np.testing.assert_array_equal(model.denoise(flat), flat)


@pytest.mark.parametrize("value", [0, 300, 65535])
def test_so_does_an_empty_page_of_whole_numbers(model: unnoise.Model, value: int) -> None:
    flat = np.full((20, 30), value, np.uint16)
    np.testing.assert_array_equal(model.denoise(flat), flat)


def test_a_report_names_the_level_in_the_picture_s_own_values(model: unnoise.Model) -> None:
    scale = 2.0**-40
    _, usual = model.denoise(NOISY, report=True)
    _, small = model.denoise(NOISY * scale, report=True)
    assert small.judgement.level == pytest.approx(usual.judgement.level * scale, rel=0.05)


def test_values_near_the_end_of_float32(model: unnoise.Model) -> None:
    pixels = np.zeros((20, 30), np.float32)
    pixels[5:] = np.finfo(np.float32).max
    assert np.isfinite(model.denoise(pixels)).all()
