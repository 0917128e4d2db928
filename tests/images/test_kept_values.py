"""Black stays black, white stays white, 16 bits stay 16 bits, and JPEG keeps its quality."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st

from unnoise.images import Layout, Metadata, Picture, jpeg, read, to_tensor, write


def scene(size: tuple[int, int] = (96, 128)) -> np.ndarray:
    rows, columns = np.mgrid[: size[0], : size[1]]
    smooth = np.stack([np.sin(rows / 9) + np.cos(columns / 7), rows / 40 + 0 * columns, np.sin(rows * columns / 500)], axis=-1)
    noise = np.random.default_rng(0).normal(0, 0.1, smooth.shape)
    return ((smooth + noise + 2) / 5 * 255).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("quality", [40, 75, 90, 98])
@pytest.mark.parametrize("subsampled", [False, True])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_stays_as_it_was_made(tmp_path: Path, quality: int, subsampled: bool, progressive: bool) -> None:
    image = pyvips.Image.new_from_array(scene(), interpretation="srgb")
    mode = "on" if subsampled else "off"
    image.jpegsave(str(tmp_path / "a.jpg"), Q=quality, subsample_mode=mode, interlace=progressive)
    picture = read(tmp_path / "a.jpg")
    write(tmp_path / "b.jpg", picture)
    old, new = (jpeg.coding((tmp_path / name).read_bytes()) for name in ("a.jpg", "b.jpg"))
    assert (new.quality, new.subsampled, new.progressive) == (quality, subsampled, progressive) == (
        old.quality, old.subsampled, old.progressive,
    )  # fmt: skip
    # decoded, unchanged and encoded by the same steps: far nearer to the source than the source to the scene
    lost = np.abs(picture.pixels.astype(float) - scene()).mean()
    again = np.abs(read(tmp_path / "b.jpg").pixels.astype(float) - picture.pixels).mean()
    assert again < (0.6 if subsampled else 0.35) * lost + 0.15


def test_16_bits_do_not_band(tmp_path: Path) -> None:
    """A ramp over a fiftieth of the range, 5 steps of 8 bits, keeps each of its 1300 values."""
    ramp = np.arange(20000, 21300, dtype=np.uint16)[None].repeat(8, 0)
    for suffix in (".png", ".tif", ".npy"):
        write(tmp_path / f"a{suffix}", Picture(ramp))
        tensor, form = to_tensor(read(tmp_path / f"a{suffix}").pixels)
        assert len(np.unique(tensor.numpy())) == 1300
        np.testing.assert_array_equal(form.restore(tensor), ramp)


@pytest.mark.parametrize("colours", ["rgb", "cmyk", "channels"])
@given(st.floats(-1, 2, width=32))
def test_clipped_values_are_black_and_white_again(colours: str, value: float) -> None:
    for dtype in (np.uint8, np.uint16):
        white = np.iinfo(dtype).max
        channels = {"rgb": 3, "cmyk": 4, "channels": 6}[colours]
        pixels = np.full((2, 2, channels), [[[0], [white]]], dtype)
        tensor, form = to_tensor(pixels, layout=Layout(colours))  # type: ignore[arg-type]
        assert tensor.min() == 0
        assert tensor.max() == 1
        np.testing.assert_array_equal(form.restore(tensor), pixels)
        beyond = form.restore(tensor.clamp(value, value))
        assert (beyond == round(min(max(value, 0), 1) * white)).all() or np.abs(value * white % 1 - 0.5) < 0.01


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".png"])
def test_linear_light_is_taken_as_it_is(tmp_path: Path, suffix: str) -> None:
    """No curve is applied on the way in or out, and what says that the light is linear goes along."""
    linear = np.linspace(0, 1, 4096, dtype=np.float32).reshape(64, 64) ** 3
    linear = np.stack([linear, linear[::-1], linear[:, ::-1]], axis=-1)
    pixels = np.round(linear * 65535).astype(np.uint16) if suffix == ".png" else linear
    profile = bytes(pyvips.Image.profile_load("srgb"))
    write(tmp_path / f"a{suffix}", Picture(pixels, Metadata(icc=profile)))
    picture = read(tmp_path / f"a{suffix}")
    tensor, form = to_tensor(picture.pixels)
    np.testing.assert_allclose(np.moveaxis(tensor.numpy()[0], 0, -1), linear, atol=1e-5)
    np.testing.assert_array_equal(form.restore(tensor), pixels)
    assert picture.metadata.icc == (b"" if suffix == ".npy" else profile)
