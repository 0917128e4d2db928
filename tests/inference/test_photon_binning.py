"""Places of very few photons come from means of 2×2 pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, zoom
from skimage import data

import unnoise
from unnoise.inference import pipeline
from unnoise.inference.photon_binning import BINNED_PHOTONS, FULL_PHOTONS, binned, mix_binned, photon_step
from unnoise.regions import RegionSource


def counts(photons: float, seed: int = 0, side: int = 96) -> Any:
    generator = np.random.default_rng(seed)
    scene = gaussian_filter(generator.random((side, side)), 5)
    scene = (scene - scene.min()) / np.ptp(scene)
    return generator.poisson(photons * (0.2 + scene)).astype(np.float32)


@pytest.mark.parametrize("gain", [1.0, 0.25, 12.0])
@pytest.mark.parametrize("photons", [0.3, 1.0, 2.0])
def test_the_value_of_a_photon_is_found(photons: float, gain: float) -> None:
    assert photon_step(RegionSource.of(gain * counts(photons)[None, None])) == pytest.approx(gain)


def _masks() -> dict[str, Any]:
    row, column = np.mgrid[:96, :96]
    generator = np.random.default_rng(0)
    return {
        "many photons": counts(40.0),
        "offset": 100 + counts(1.0),
        "floats": counts(1.0) + generator.normal(0, 0.2, (96, 96)).astype(np.float32),
        "disc": ((row - 48) ** 2 + (column - 48) ** 2 < 900).astype(np.float32),
        "lines": (row % 12 == 0).astype(np.float32),
        "labels": (row // 24 * 4 + column // 24).astype(np.float32),
        "black": np.zeros((96, 96), np.float32),
    }


@pytest.mark.parametrize("kind", _masks())
def test_other_pictures_have_no_photons(kind: str) -> None:
    assert photon_step(RegionSource.of(_masks()[kind][None, None])) is None


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 30), st.integers(1, 30), st.data())
def test_regions_of_the_means_are_those_of_the_whole(height: int, width: int, draw: st.DataObject) -> None:
    picture = np.random.default_rng(height * width).random((1, 2, height, width))
    view = binned(RegionSource.of(picture))
    padded = np.pad(picture, ((0, 0), (0, 0), (0, height % 2), (0, width % 2)), mode="edge")
    whole = padded.reshape(1, 2, view.size[0], 2, view.size[1], 2).mean((3, 5))
    top, left = (draw.draw(st.integers(0, length - 1)) for length in view.size)
    rows, columns = slice(top, draw.draw(st.integers(top + 1, view.size[0]))), slice(left, view.size[1])
    np.testing.assert_allclose(view.read(rows, columns), whole[..., rows, columns], rtol=1e-6)


def _cut(length: int, draw: st.DataObject) -> list[slice]:
    ends = sorted({length, *draw.draw(st.lists(st.integers(1, length), max_size=4))})
    return [slice(start, stop) for start, stop in zip([0, *ends], ends, strict=False)]


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 24), st.integers(1, 24), st.booleans(), st.data())
def test_bands_of_any_height_give_what_whole_pictures_give(
    height: int, width: int, torch_too: bool, draw: st.DataObject
) -> None:
    """The reference enlarges by scipy, and mixes by the formula."""
    generator = np.random.default_rng((height, width))
    full = generator.uniform(0, 6, (2, 1, height, width))
    means = generator.uniform(0, 6, (2, 1, -(-height // 2), -(-width // 2)))
    kind = torch.from_numpy if torch_too else np.asarray
    bands = [(rows, kind(full[..., rows, :])) for rows in _cut(height, draw)]
    coming = [(rows, kind(means[..., rows, :])) for rows in _cut(means.shape[-2], draw)]
    mixed = np.concatenate([np.asarray(band) for _, band in mix_binned(bands, coming, (height, width), [2.0, None])], axis=-2)
    large = zoom(means[0, 0], 2, order=1, mode="nearest", grid_mode=True)[:height, :width]
    share = np.clip(np.log(large / 2 / BINNED_PHOTONS) / np.log(FULL_PHOTONS / BINNED_PHOTONS), 0, 1)
    np.testing.assert_allclose(mixed[0, 0], share * full[0, 0] + (1 - share) * large, atol=1e-6)
    assert np.array_equal(mixed[1], full[1])


@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_dark_scenes_of_few_photons_lose_their_noise_and_keep_their_light(dtype: Any) -> None:
    scene = (data.camera()[100:260, 150:310] / 255) ** 2.2
    clean = 3 * scene / scene.max()
    noisy = np.random.default_rng(1).poisson(clean).astype(dtype)
    restored = unnoise.load("fast").denoise(noisy, **({} if dtype == np.float32 else {"dtype": "float32"})).astype(np.float64)
    left = np.mean((restored - clean) ** 2) / np.mean((noisy.astype(np.float64) - clean) ** 2)
    assert left < 0.2  # 0.37 before
    assert restored.mean() == pytest.approx(noisy.mean(), rel=0.02)


def test_smooth_scenes_of_one_photon_gain_by_the_means(monkeypatch: pytest.MonkeyPatch) -> None:
    clean = data.moon()[100:260, 100:260] / 255
    noisy = np.random.default_rng(4).poisson(clean).astype(np.float32)
    model = unnoise.load("fast")
    mixed = np.mean((model.denoise(noisy) - clean) ** 2)
    monkeypatch.setattr(pipeline, "photon_step", lambda view: None)
    assert mixed < 0.7 * np.mean((model.denoise(noisy) - clean) ** 2)


def test_a_stack_of_one_picture_with_few_photons_and_one_with_many_is_as_one_by_one() -> None:
    pair = np.stack([counts(1.0), counts(40.0)])
    model = unnoise.load("fast")
    together = model.denoise(torch.from_numpy(pair)[:, None], precision="float32").numpy()[:, 0]
    for picture, restored in zip(pair, together, strict=True):
        np.testing.assert_allclose(model.denoise(picture, precision="float32"), restored, atol=1e-3)


def test_photons_of_several_steps_in_8_bits_are_measured() -> None:
    clean = data.camera()[100:260, 150:310] / 255
    noisy = (40 * np.random.default_rng(2).poisson(clean)).clip(0, 255).astype(np.uint8)
    restored = unnoise.load("fast").denoise(noisy, dtype="float32")
    assert np.mean((restored - 40 * clean) ** 2) < 0.1 * np.mean((noisy - 40 * clean) ** 2)


@pytest.mark.parametrize("kind", ["random", "ordered"])
def test_a_dither_of_two_values_stays(kind: str) -> None:
    scene = data.camera()[100:260, 150:310] / 255
    row, column = np.mgrid[:160, :160]
    threshold = np.random.default_rng(3).random((160, 160)) if kind == "random" else ((row * 5 + column * 3) % 16 + 0.5) / 16
    dithered = np.where(scene > threshold, 255, 0).astype(np.uint8)
    with pytest.warns(unnoise.errors.UnnoiseWarning):
        assert np.array_equal(unnoise.load("fast").denoise(dithered), dithered)


def test_photons_are_known_where_two_of_them_are_white() -> None:
    clean = data.moon()[100:260, 100:260] / 255
    noisy = np.minimum(204 * np.random.default_rng(2).poisson(clean), 255).astype(np.uint8)
    assert len(np.unique(noisy)) == 3
    restored = unnoise.load("fast").denoise(noisy, dtype="float32")
    assert np.mean((restored - 204 * clean) ** 2) < 0.1 * np.mean((noisy - 204.0 * clean) ** 2)


def test_a_dither_of_three_values_stays() -> None:
    scene = data.camera()[100:260, 150:310] / 255
    levels = np.array([0, 128, 255], np.uint8)
    place = scene * 2 + np.random.default_rng(3).uniform(-0.5, 0.5, scene.shape)
    dithered = levels[np.clip(np.rint(place), 0, 2).astype(int)]
    with pytest.warns(unnoise.errors.UnnoiseWarning):
        assert np.array_equal(unnoise.load("fast").denoise(dithered), dithered)
