"""What holds for every format of science: the same pixels come back, the sum stays, and damage is one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from handmade import Affine, model_of
from images.science.samples import SAMPLES, arrays, make
from unnoise import images
from unnoise.batch.one_file import denoise_file
from unnoise.errors import UnnoiseError, UnnoiseWarning, UsageError
from unnoise.images.formats import suffix_of


class Mean(Affine):
    """The mean of the 3 × 3 pixels around each."""

    @property
    def receptive_field_radius(self) -> int:
        return 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)


def redrawn(source: Path, target: Path, work: Callable[[np.ndarray], np.ndarray] = lambda pixels: pixels) -> None:
    """Through by strips, as denoising does."""
    with images.open(source) as opened, images.create(target, opened) as made:
        for frame in opened:
            canvas = made.add(frame)
            for top in range(0, frame.height, 7):
                canvas[top : top + 7] = work(frame.region(slice(top, top + 7), slice(None)))


@pytest.mark.parametrize("name", SAMPLES)
def test_the_same_pixels_come_back(tmp_path: Path, name: str) -> None:
    source = make(tmp_path, name)
    target = tmp_path / f"out{suffix_of(source)}"
    redrawn(source, target)
    found, wanted = arrays(target), arrays(source)
    assert len(found) == len(wanted) > 0
    for here, there in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(here, there, strict=True)
    assert {path.name for path in tmp_path.iterdir()} == {source.name, target.name}


@pytest.mark.parametrize("name", SAMPLES)
def test_new_pixels_are_read_by_the_format_s_own_library(tmp_path: Path, name: str) -> None:
    source = make(tmp_path, name)
    target = tmp_path / f"out{suffix_of(source)}"
    redrawn(source, target, lambda pixels: (pixels / 2).astype(pixels.dtype))
    for here, there in zip(arrays(target), arrays(source), strict=True):
        steps = 1 if here.dtype.kind in "iu" else 0.8  # of a slope up to 0.5: half a step, and one beside BLANK
        exact = np.float16 if here.dtype == np.float16 else np.float64
        np.testing.assert_allclose(here.astype(exact), (there / 2).astype(exact), atol=steps, rtol=1e-6)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_sum_stays_when_it_is_denoised(tmp_path: Path, name: str) -> None:
    source = make(tmp_path, name)
    target = tmp_path / f"out{suffix_of(source)}"
    denoise_file(model_of(Mean(), normalization={}, bias_correction={}), source, target, precision="float32")
    for here, there in zip(arrays(target), arrays(source), strict=True):
        assert not np.array_equal(here, there)
        missing = ~np.isfinite(there.astype(np.float64))
        np.testing.assert_array_equal(~np.isfinite(here.astype(np.float64)), missing)
        before, after = (values[~missing].sum(dtype=np.float64) for values in (there, here))
        assert after == pytest.approx(before, rel=1e-2 if here.shape[-1] == 3 else 1e-3)  # colors keep their linear light


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_damage_is_one_sentence(tmp_path: Path, name: str) -> None:
    content = make(tmp_path, name).read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for trial in range(14):
        changed = bytearray(content)
        if trial < 6:
            del changed[len(content) * (trial + 1) // 7 :]
        else:
            for place in random.integers(0, min(len(content), 1500 if trial < 11 else len(content)), 5):
                changed[place] = random.integers(256)
        path = tmp_path / f"{trial}{suffix_of(name)}"
        path.write_bytes(changed)
        said = refusal(path, tmp_path / f"{trial}out{suffix_of(name)}")
        refused += bool(said)
        assert not said or (said.endswith(".") and "\n" not in said and str(tmp_path) in said)
    assert refused >= 5


def refusal(path: Path, target: Path) -> str:
    """Why a file is refused; empty: it is not."""
    try:
        redrawn(path, target)
    except UnnoiseError as error:
        return "half of it was written" if target.exists() else str(error)
    return ""


@pytest.mark.parametrize("name", SAMPLES)
def test_other_formats_take_the_pixels_and_say_that_the_header_stays(tmp_path: Path, name: str) -> None:
    source = make(tmp_path, name)
    with images.open(source) as opened:
        shapes = {frame.shape for frame in opened}
        count, first = len(opened), opened[0].picture().pixels
    with pytest.warns(UnnoiseWarning, match=r"out\.tif does not hold all that its source does: the .* header stays behind\.$"):
        redrawn(source, tmp_path / "out.tif")
    with images.open(tmp_path / "out.tif") as again:
        assert len(again) == count
        assert {frame.shape for frame in again} == shapes
        np.testing.assert_array_equal(again[0].picture().pixels, first)


@pytest.mark.parametrize("name", ["cube.fits", "floats.mrc", "head.nii"])
def test_a_header_is_not_made_up(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "a.npy", np.zeros((8, 9), np.float32))
    with pytest.raises(UsageError, match=r"is only written from \w+, whose header it keeps; write \.tif"):
        redrawn(tmp_path / "a.npy", tmp_path / f"out{suffix_of(name)}")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_axes_say_which_pictures_are_meant(tmp_path: Path) -> None:
    source = make(tmp_path, "cube.fits")
    with images.open(source, axes="YZX") as opened:
        assert len(opened) == 20
        np.testing.assert_array_equal(opened[4].picture().pixels, arrays(source)[0][:, 4])
    with images.open(source, axes="CYX") as opened:
        assert opened[0].shape == (20, 31, 3)
    with pytest.raises(UsageError, match=r"The axes 'ZYXT' do not fit .*cube\.fits"):
        images.open(source, axes="ZYXT")
