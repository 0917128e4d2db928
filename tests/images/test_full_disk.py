"""A full disk: one sentence in every format, and no file is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from small_disk import run_on_small_disk

CODE = """
import os, tempfile
import numpy as np
from unnoise import images
from unnoise.errors import UnnoiseError
tempfile.tempdir = "/tmp"
(folder / "large").write_bytes(bytes(2**21 - 2**15))
noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
try:
    images.write(folder / "a{suffix}", images.Picture(noise))
except UnnoiseError as error:
    print(type(error).__name__, error)
print(os.listdir(folder))
"""


@pytest.mark.parametrize("suffix", [".npy", ".png", ".jpg", ".webp", ".avif", ".heic", ".tif", ".zarr"])
def test_a_full_disk_is_said_in_one_sentence_and_nothing_is_left(tmp_path: Path, suffix: str) -> None:
    if suffix == ".zarr":
        pytest.importorskip("zarr", reason="Zarr needs the extra zarr")
    if suffix == ".heic":
        pytest.importorskip("pillow_heif", reason="HEIC needs the extra heic")
    result = run_on_small_disk(tmp_path, CODE.format(suffix=suffix))
    assert suffix == ".zarr" or result.stderr == ""  # asyncio speaks of what zarr had begun
    assert result.stdout == (
        f"UnnoiseError {tmp_path / 'a'}{suffix} cannot be written: No space left on device; "
        "choose another place or free some space.\n['large']\n"
    )
