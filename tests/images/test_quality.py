"""Lossy files come back about as large as they were, at matching quality, unless another is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips

from images.test_kept_values import scene
from images.test_stacks import copy
from unnoise.errors import UsageError
from unnoise.images import Picture, read, write


def encode(path: Path, pixels: np.ndarray, quality: int) -> None:
    """By encoders with settings of their own, as other programs have."""
    if path.suffix == ".heic":
        heif = pytest.importorskip("pillow_heif", reason="HEIC needs the extra heic")
        heif.encode("RGB", pixels.shape[1::-1], pixels.tobytes(), path, quality=quality, chroma=420)
        return
    image = pyvips.Image.new_from_array(pixels, interpretation="srgb")
    options: dict[str, Any] = {"Q": quality}
    if path.suffix == ".avif":
        options |= {"compression": "av1", "effort": 6, "subsample_mode": "on"}
    image.write_to_file(str(path), **options)


@pytest.mark.parametrize("size", [(96, 128), (300, 280)])
@pytest.mark.parametrize("quality", [40, 85])
@pytest.mark.parametrize("suffix", [".webp", ".avif", ".heic", ".jpg"])
def test_a_lossy_file_keeps_its_size(tmp_path: Path, suffix: str, quality: int, size: tuple[int, int]) -> None:
    encode(tmp_path / f"a{suffix}", scene(size), quality)
    copy(tmp_path / f"a{suffix}", tmp_path / f"b{suffix}")
    old, new = ((tmp_path / f"{name}{suffix}").stat().st_size for name in "ab")
    assert 0.75 * old < new < 1.3 * old
    first, second = (read(tmp_path / f"{name}{suffix}").pixels.astype(float) for name in "ab")
    lost = np.abs(first - scene(size)).mean()
    assert np.abs(second - first).mean() < 0.8 * lost + 0.5


@pytest.mark.parametrize("alpha", [False, True])
def test_a_grey_avif_keeps_its_size(tmp_path: Path, alpha: bool) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    grey = scene((96, 128))[..., 0]
    pixels = np.stack([grey, grey, grey, *([255 - grey // 8] if alpha else [])], axis=-1)
    (tmp_path / "a.avif").write_bytes(imagecodecs.avif_encode(pixels, 60, pixelformat="400"))
    copy(tmp_path / "a.avif", tmp_path / "b.avif")
    old, new = ((tmp_path / name).read_bytes() for name in ("a.avif", "b.avif"))
    assert 0.75 * len(old) < len(new) < 1.3 * len(old)
    assert imagecodecs.avif_decode(new).shape == imagecodecs.avif_decode(old).shape
    write(tmp_path / "c.avif", read(tmp_path / "a.avif"), lossless=True)
    np.testing.assert_array_equal(imagecodecs.avif_decode((tmp_path / "c.avif").read_bytes()), read(tmp_path / "a.avif").pixels)


@pytest.mark.parametrize("suffix", [".webp", ".avif", ".heic"])
def test_without_loss(tmp_path: Path, suffix: str) -> None:
    if suffix == ".heic":
        pytest.importorskip("pillow_heif", reason="HEIC needs the extra heic")
    pixels = scene((64, 96))
    write(tmp_path / f"a{suffix}", Picture(pixels), lossless=True)
    np.testing.assert_array_equal(read(tmp_path / f"a{suffix}").pixels, pixels)
    copy(tmp_path / f"a{suffix}", tmp_path / f"b{suffix}")  # and what was made without loss stays so
    np.testing.assert_array_equal(read(tmp_path / f"b{suffix}").pixels, pixels)
    write(tmp_path / f"c{suffix}", read(tmp_path / f"a{suffix}"), quality=30)
    assert (tmp_path / f"c{suffix}").stat().st_size < (tmp_path / f"a{suffix}").stat().st_size / 3


def test_a_lossy_webp_with_alpha(tmp_path: Path) -> None:
    pixels = np.concatenate([scene((64, 96)), np.arange(64 * 96).reshape(64, 96, 1) // 25], axis=-1).astype(np.uint8)
    image = pyvips.Image.new_from_array(pixels, interpretation="srgb")
    image.webpsave(str(tmp_path / "a.webp"), Q=70)
    copy(tmp_path / "a.webp", tmp_path / "b.webp")
    old, new = ((tmp_path / name).stat().st_size for name in ("a.webp", "b.webp"))
    assert new < 1.5 * old
    np.testing.assert_array_equal(read(tmp_path / "b.webp").pixels[..., 3], read(tmp_path / "a.webp").pixels[..., 3])
    image = pytest.importorskip("PIL.Image").open(tmp_path / "b.webp")
    assert (image.size, image.mode) == ((96, 64), "RGBA")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a.jpg", {"quality": 0}, r"The quality 0 is outside 1 … 100"),
        ("a.avif", {"quality": 101}, "The quality 101 is outside"),
        ("a.webp", {"quality": 80, "lossless": True}, "give one of them"),
        ("a.jpg", {"lossless": True}, "JPEG files always lose a little"),
    ],
)
def test_what_cannot_be_asked_for(tmp_path: Path, name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        write(tmp_path / name, Picture(scene((8, 8))), **options)
    assert not list(tmp_path.iterdir())
