"""OpenEXR: attributes, depth, transparency and numbers of objects stay, and a lossy compression is not repeated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from images.science.samples import exr_of, make
from images.science.test_all_formats import redrawn
from unnoise import images
from unnoise.errors import UsageError


def test_all_but_light_stays(tmp_path: Path) -> None:
    source = make(tmp_path, "layers.exr")
    redrawn(source, tmp_path / "out.exr", lambda pixels: pixels * 0.5)
    before, after = (OpenEXR.File(str(path), separate_channels=True).parts for path in (source, tmp_path / "out.exr"))
    for old, new in zip(before, after, strict=True):
        assert {
            key: str(value) for key, value in old.header.items() if key not in ("chunkCount", "compression", "channels")
        } == {
            key: str(value)
            for key, value in new.header.items()
            if key not in ("chunkCount", "comments", "compression", "channels")
        }
        assert new.header["comments"].startswith("Denoised by unnoise")
        assert old.name() == new.name()
        assert list(old.channels) == list(new.channels)
        for name in set(old.channels) & {"Z", "id"}:
            np.testing.assert_array_equal(old.channels[name].pixels, new.channels[name].pixels, strict=True)
    assert [part.header["compression"].name for part in after] == ["ZIP_COMPRESSION", "PIZ_COMPRESSION"]


def test_a_file_without_light_is_refused(tmp_path: Path) -> None:
    exr_of(("ZIP", {"Z": np.ones((4, 5), np.float32)}))(tmp_path / "depth.exr")
    with pytest.raises(UsageError, match=r"depth\.exr has no channel of light"):
        images.open(tmp_path / "depth.exr")
