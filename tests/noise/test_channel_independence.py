"""Composites of fluorescence are told from photographs, and their channels are restored one by one."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import unnoise
from reference import data_dir
from unnoise import images
from unnoise.batch.one_file import denoise_file
from unnoise.errors import UnnoiseWarning, UsageError
from unnoise.inference.options import DenoiseOptions
from unnoise.noise.channel_independence import are_independent
from unnoise.regions import RegionSource

Array = np.ndarray[Any, Any]


def spots(rng: np.random.Generator, sigma: float, side: int = 128) -> Array:
    """Bright cells on dark ground."""
    y, x = np.mgrid[:side, :side]
    picture = np.full((side, side), 12.0)
    for row, column, light in rng.uniform(0, 1, (25, 3)):
        picture += (40 + 100 * light) * np.exp(-((y - side * row) ** 2 + (x - side * column) ** 2) / (2 * sigma**2))
    return picture


def composite(seed: int = 0, noise: float = 12) -> tuple[Array, Array]:
    """Three dyes, each with structure and noise of its own; noisy and clean."""
    rng = np.random.default_rng(seed)
    clean = np.stack([spots(rng, sigma) for sigma in (3.0, 5.0, 7.0)], -1).clip(0, 240)
    return (clean + rng.normal(0, noise, clean.shape)).clip(0, 255).round().astype(np.uint8), clean


def independent(picture: Array) -> bool:
    return are_independent(RegionSource.of(np.moveaxis(picture.astype(np.float32), -1, 0)[None]))  # type: ignore[arg-type]


def psnr(a: Array, b: Array) -> float:
    return float(-10 * np.log10(np.mean((a.astype(float) - b) ** 2) / 255**2))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(4, 16))
def test_composites_are_found_and_colored_scenes_are_not(seed: int, noise: float) -> None:
    noisy, clean = composite(seed, noise)
    assert independent(noisy)
    rng = np.random.default_rng(seed)
    light = clean.mean(2, keepdims=True) * np.array([1.0, 0.7, 0.4])
    assert not independent(light + rng.normal(0, noise, light.shape))  # common structure
    mixed = clean + rng.normal(0, noise, clean.shape) @ np.array([[1, 0.3, 0], [0.3, 1, 0.3], [0, 0.3, 1]])
    assert not independent(mixed)  # common noise
    assert not independent(np.full_like(clean, 100) + rng.normal(0, noise, clean.shape))  # nothing to tell it by


def test_bright_scenes_of_many_hues_are_photographs() -> None:
    y, x = np.mgrid[:120, :150]
    scene = np.stack([120 + 80 * np.sin(x / 17 + k) * np.cos(y / 23 - k) for k in range(3)], -1)
    assert not independent(scene + np.random.default_rng(0).normal(0, 18, scene.shape))


def test_two_dyes_with_an_empty_third_channel() -> None:
    noisy, _ = composite()
    noisy[..., 2] = 0
    assert independent(noisy)
    noisy[..., 1] = 0
    assert not independent(noisy)


@pytest.mark.data
def test_no_photograph_is_misjudged() -> None:
    files = [*sorted(data_dir("polyu").glob("*.JPG"))[::5], *sorted(data_dir("rni15").iterdir())]
    files += sorted((data_dir("sidd_val") / "noisy").iterdir())[::24]
    pictures = {file: images.read(file).pixels for file in files if file.suffix.lower() in (".jpg", ".png", ".webp")}
    colored = {file.name: pixels for file, pixels in pictures.items() if pixels.ndim == 3}
    assert len(colored) > 80
    assert [name for name, pixels in colored.items() if independent(pixels[..., :3])] == []


def test_composites_gain_by_it_and_the_choice_is_said() -> None:
    noisy, clean = composite()
    with pytest.warns(UnnoiseWarning, match="no colors of one scene"):
        auto = unnoise.denoise(noisy)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnnoiseWarning)
        separate, together = (unnoise.denoise(noisy, channels=choice) for choice in ("separate", "together"))
    assert np.array_equal(auto, separate)
    assert psnr(separate, clean) > psnr(together, clean) + 1
    swapped = unnoise.denoise(noisy[..., ::-1].copy(), channels="separate")
    assert np.array_equal(swapped[..., ::-1], separate)


def test_alpha_tensors_and_stacks() -> None:
    noisy, _ = composite()
    separate = unnoise.denoise(noisy, channels="separate")
    alpha = np.random.default_rng(0).integers(1, 256, (128, 128, 1)).astype(np.uint8)
    result = unnoise.denoise(np.concatenate([noisy, alpha], -1), channels="separate")
    assert np.array_equal(result, np.concatenate([separate, alpha], -1))
    tensor = unnoise.denoise(torch.from_numpy(noisy).permute(2, 0, 1), channels="separate")
    assert np.array_equal(tensor.permute(1, 2, 0).numpy(), separate)
    stack = unnoise.denoise(np.stack([noisy, noisy]), axes="ZYXS", channels="separate")
    assert np.abs(stack[1].astype(int) - separate).max() <= 1  # float32 sums in another order at sources


def test_files_keep_their_colors(tmp_path: Path) -> None:
    noisy, _ = composite()
    tifffile.imwrite(tmp_path / "a.tif", noisy, photometric="rgb")
    with pytest.warns(UnnoiseWarning, match=r"a.tif has channels that are no colors"):
        denoise_file(unnoise.load("default"), tmp_path / "a.tif", tmp_path / "b.tif")
    # Beside point sources a file's first pass is rounded, so a step may differ.
    difference = tifffile.imread(tmp_path / "b.tif").astype(int) - unnoise.denoise(noisy, channels="separate")
    assert np.abs(difference).max() <= 1
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].photometric == tifffile.PHOTOMETRIC.RGB  # type: ignore[union-attr]


def test_a_report_judges_the_channels_as_one_picture() -> None:
    noisy, _ = composite()
    result, report = unnoise.load("fast").denoise(noisy, channels="separate", report=True)
    assert result.shape == noisy.shape
    assert report.noisy.shape[2] == 3


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(UsageError, match="auto, separate or together, not 'rgb'"):
        DenoiseOptions(channels="rgb")
