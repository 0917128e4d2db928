"""Paths of picture files: pipes, long names, names that libvips would interpret, names that are not UTF-8."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from images.handmade_pictures import png, random_pixels
from unnoise.errors import UsageError
from unnoise.images import Picture, read, write


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy", ".zarr", ".dng"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(tmp_path / f"a{suffix}")
    with pytest.raises(UsageError, match=rf"a\{suffix} is a device or a pipe"):
        read(tmp_path / f"a{suffix}")


def test_a_name_that_is_too_long_is_one_sentence(tmp_path: Path) -> None:
    for attempt_ in (read, lambda path: write(path, Picture(random_pixels("uint8", 3)))):
        with pytest.raises(UsageError, match=r"x\.png cannot be reached: File name too long"):
            attempt_(tmp_path / f"{'x' * 252}.png")


@pytest.mark.parametrize("name", ["a[page=1].png", "ä ö.png", "100%.png"])
def test_names_that_libvips_would_read_otherwise(tmp_path: Path, name: str) -> None:
    pixels = random_pixels("uint8", 3)
    (tmp_path / name).write_bytes(png(pixels))
    np.testing.assert_array_equal(read(str(tmp_path / name)).pixels, pixels)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".avif", ".heic", ".npy", ".zarr"])
def test_names_that_are_not_utf8(tmp_path: Path, suffix: str) -> None:
    for extra, kind in {"pillow_heif": ".heic", "zarr": ".zarr"}.items():
        if suffix == kind:
            pytest.importorskip(extra)
    name = os.fsdecode(b"caf\xe9") + suffix
    try:
        (tmp_path / name).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    (tmp_path / name).unlink()
    write(tmp_path / name, Picture(random_pixels("uint8", 3)))
    write(tmp_path / f"a{suffix}", Picture(random_pixels("uint8", 3)))
    np.testing.assert_array_equal(read(tmp_path / name).pixels, read(tmp_path / f"a{suffix}").pixels)
    assert sorted(os.listdir(tmp_path)) == sorted([name, f"a{suffix}"])  # noqa: PTH208 - hidden files too
