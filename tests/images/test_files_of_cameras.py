"""Files with all that cameras and their programs put into them, written by exiftool and read by it afterwards."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401 (registers the format)
import pytest
from PIL import Image

from images.test_stacks import copy

pytestmark = pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")
pillow_heif.register_heif_opener()

SAID = [
    *("-Make=Canon", "-Model=Canon EOS R5", "-ISO=6400", "-ExposureTime=1/125", "-FNumber=2.8", "-Copyright=somebody"),
    *("-LensModel=RF50mm F1.2 L USM", "-DateTimeOriginal=2026:01:02 03:04:05", "-SubSecTimeOriginal=37"),
    *("-OffsetTimeOriginal=+02:00", "-GPSLatitude=48.2", "-GPSLatitudeRef=N", "-GPSLongitude=16.37", "-GPSLongitudeRef=E"),
    *("-UserComment=words é", "-XMP-dc:Subject=birds", "-XMP-xmp:Rating=4", "-XMP-crs:Exposure2012=+0.35"),
    *("-IPTC:Keywords=birds", "-IPTC:City=Wien", "-Orientation#=6", "-XMP-dc:Description=" + "long " * 15_000),
]
"""The description is longer than the 64 KiB of a segment of JPEG."""
MORE = {
    ".jpg": ["-ThumbnailImage<=thumb.jpg", "-Comment=a comment", "-PhotoMechanic:Rating=3", "-Photoshop:CopyrightFlag=True"],
    ".tif": ["-Photoshop:CopyrightFlag=True"],
}
MOVES = {"IFD0:StripOffsets", "QuickTime:MediaData", "QuickTime:MediaDataOffset", "QuickTime:MediaDataSize"}
"""What tells where the pixels lie."""
UPRIGHT = {".heic", ".avif", ".jxl"}
"""Formats that turn pictures by themselves; EXIF then says that they are upright."""


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".heic", ".avif", ".jxl", ".jp2"])
def test_all_tags_stay(tmp_path: Path, suffix: str) -> None:
    pixels = np.random.default_rng(0).normal(128, 30, (96, 128, 3)).clip(0, 255).astype(np.uint8)
    picture, source = Image.fromarray(pixels), tmp_path / f"a{suffix}"
    picture.resize((64, 48)).save(tmp_path / "thumb.jpg")
    (tmp_path / "wide.icc").write_bytes(bytes(imagecodecs.cms_profile("adobergb")))
    picture.save(source)
    said = [*SAID, *MORE.get(suffix, []), "-ICC_Profile<=wide.icc"]
    subprocess.run(["exiftool", "-q", "-q", "-m", "-overwrite_original", *said, source.name], check=True, cwd=tmp_path)
    copy(source, tmp_path / f"b{suffix}")
    first, second = told(source), told(tmp_path / f"b{suffix}")
    if suffix in UPRIGHT:
        assert (first.pop("IFD0:Orientation"), second.pop("IFD0:Orientation")) == ("Rotate 90 CW", "Horizontal (normal)")
    assert second == first
    assert len(first) > 40
    assert first["XMP-dc:Description"].count("long") == 15_000


def told(path: Path) -> dict[str, Any]:
    """Tags by group and name, also unknown ones."""
    said = subprocess.run(["exiftool", "-j", "-G1", "-a", "-u", str(path)], capture_output=True, check=True).stdout
    return {
        key: value
        for key, value in json.loads(said)[0].items()
        if key.split(":")[0] not in ("System", "ExifTool", "SourceFile") and key not in MOVES
    }
