"""DNG results: what other raw developers make of them, at each mosaic, and what they keep of their source."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from images.camera_raw_files import BLACK, WHITE, dng_file, mosaic_of, noisy, scene, stored, with_exif
from unnoise import images
from unnoise.errors import UnnoiseWarning, UsageError

rawpy = pytest.importorskip("rawpy", reason="camera raw needs the extra raw")


def copied(source: Path, target: Path, kind: Any = "linear") -> Path:
    """What denoising at strength 0 does to a raw file."""
    with images.open(source, raw=kind) as frames, images.create(target, frames) as made:
        for frame in frames:
            made.add(frame)[...] = frame[...]
    return target


def developed(path: Path, **options: Any) -> np.ndarray:
    with rawpy.imread(str(path)) as file:
        made: np.ndarray = file.postprocess(use_camera_wb=True, no_auto_bright=True, output_bps=16, gamma=(1, 1), **options)
    return made.astype(float)


@pytest.mark.parametrize(("pattern", "side"), [("RGGB", 130), ("GBRG", 131), ("X-Trans", 520)])
def test_linear_dng_is_developed_as_its_source(tmp_path: Path, pattern: str, side: int) -> None:
    source = dng_file(tmp_path / "a.dng", stored(noisy(mosaic_of(scene(side, side + 6), pattern))), pattern)
    made = copied(source, tmp_path / "b.dng")
    first, second = developed(source), developed(made)
    assert second.shape == first.shape
    np.testing.assert_allclose(second.mean((0, 1)), first.mean((0, 1)), rtol=0.01)
    clean = developed(dng_file(tmp_path / "c.dng", stored(mosaic_of(scene(side, side + 6), pattern)), pattern))
    assert np.abs(second - first)[4:-4, 4:-4].mean() < 0.5 * np.abs(first - clean)[4:-4, 4:-4].mean()
    with rawpy.imread(str(made)) as file:
        assert file.color_desc == b"RGBG"
        assert file.raw_image.shape[2] >= 3  # no mosaic
        assert file.sizes.flip == 6  # turned by the developer, not by us


@pytest.mark.parametrize("pattern", ["RGGB", "GBRG"])
@pytest.mark.parametrize("size", [(64, 96), (65, 97)])
def test_mosaic_stays_bit_for_bit(tmp_path: Path, pattern: str, size: tuple[int, int]) -> None:
    mosaic = stored(noisy(mosaic_of(scene(*size), pattern)))
    made = copied(dng_file(tmp_path / "a.dng", mosaic, pattern), tmp_path / "b.dng", "mosaic")
    with rawpy.imread(str(made)) as file, rawpy.imread(str(tmp_path / "a.dng")) as source:
        np.testing.assert_array_equal(file.raw_image, mosaic)
        np.testing.assert_array_equal(file.raw_colors, source.raw_colors)
    np.testing.assert_array_equal(developed(made), developed(tmp_path / "a.dng"))


def test_noise_below_black_is_kept(tmp_path: Path) -> None:
    """Else the mean of dark places grows with the noise."""
    dark = np.zeros((128, 128, 3))
    source = dng_file(tmp_path / "a.dng", stored(noisy(mosaic_of(dark, "RGGB"))), "RGGB")
    with images.open(source, raw="linear") as frames:
        frame = frames[0]
        black = frame.metadata.coding.black[0]  # type: ignore[attr-defined]
        light = (frame[...].astype(float) - black) / (frame.metadata.coding.white - black)  # type: ignore[attr-defined]
    assert abs(light.mean()) < 0.0002
    assert (light < -0.002).mean() > 0.1


@pytest.mark.parametrize("levels", ["common", "own", "float", "hot"])
def test_pixels_of_all_colours(tmp_path: Path, levels: str) -> None:
    light = np.clip(scene(64, 96), 0, 1)
    black, white = np.full(3, BLACK), np.full(3, WHITE)
    said: Any = None
    if levels == "own":
        black, white = np.array([100, 200, 300]), np.array([WHITE, 12000, 10000])
        said = [(50714, 3, 3, tuple(black.tolist()), True), (50717, 4, 3, tuple(white.tolist()), True)]
    pixels: np.ndarray = np.rint(light * (white - black) + black).astype(np.uint16)
    if levels in ("float", "hot"):
        pixels, said = light.astype(np.float32), [(50717, 4, 1, 1, True)]
        if levels == "hot":
            pixels[30, 40] = 8
    source = dng_file(tmp_path / "a.dng", pixels, levels=said)
    made = copied(source, tmp_path / "b.dng")
    with images.open(made, raw="linear") as frames:
        coding: Any = frames[0].metadata.coding
        found = (frames[0][...].astype(float) - coding.black[0]) / (coding.white - coding.black[0])
    assert len(coding.black) == 1
    difference = np.abs(found - light)
    difference[30, 40] = 0
    assert difference.max() < (0.001 if levels == "hot" else 0.0001)
    if levels == "common":
        with rawpy.imread(str(made)) as file:
            np.testing.assert_array_equal(file.raw_image[..., :3], pixels)


def test_a_camera_without_colours(tmp_path: Path) -> None:
    grey = stored(scene(64, 96)[..., 1])
    source = dng_file(tmp_path / "a.dng", grey, photometric="minisblack")
    with tifffile.TiffFile(source, mode="r+b") as file:
        file.pages[0].tags[262].overwrite(34892)
    made = copied(source, tmp_path / "b.dng")
    with rawpy.imread(str(made)) as opened:
        np.testing.assert_array_equal(opened.raw_image, grey)
        assert opened.num_colors == 1


def test_preview_is_made_anew(tmp_path: Path) -> None:
    light = scene(128, 192)
    source = dng_file(tmp_path / "a.dng", stored(mosaic_of(light, "RGGB")), "RGGB")
    for kind in ("linear", "mosaic"):
        made = copied(source, tmp_path / f"{kind}.dng", kind)
        with tifffile.TiffFile(made) as file:
            preview = file.pages[0].asarray().astype(float)
        assert preview.shape == (64, 96, 3)
        grey = preview[-15:-5, -20:-5].mean((0, 1))  # a grey place
        assert np.ptp(grey) < 6
        assert preview.max() > 240  # brightened
        red = preview[18:30, 26:46].mean((0, 1))
        assert red[0] > red[1] + 30


def test_tags_of_the_source_stay(tmp_path: Path) -> None:
    opcodes = b"\0\0\0\0"
    extra = [
        (50719, 3, 2, (4, 2), True),
        (50720, 3, 2, (80, 60), True),
        (51041, 12, 2, (1e-4, 1e-6), True),  # NoiseProfile, which is no longer so
        (51009, 7, 4, opcodes, True),
        (51022, 7, 4, opcodes, True),
    ]
    source = dng_file(tmp_path / "a.dng", stored(mosaic_of(scene(64, 96), "RGGB")), "RGGB", extra)
    with pytest.warns(UnnoiseWarning, match="OpcodeList2"):
        linear = copied(source, tmp_path / "b.dng")
    mosaic = copied(source, tmp_path / "c.dng", "mosaic")
    for path in (linear, mosaic):
        with tifffile.TiffFile(path) as file:
            first, raw = file.pages[0], file.pages[0].pages[0]
            said = {tag.code: tag.value for tag in (*first.tags, *raw.tags)}
            assert first.tags[50706].value == b"\1\4\0\0"
            assert raw.tags[50719].value == (4, 2)
            assert raw.tags[50720].value == (80, 60)
            assert said[51022] == opcodes
            assert 51041 not in said
            assert (51009 in said) == (path == mosaic)
            assert (33422 in said) == (path == mosaic)


def exif_of(path: Path) -> dict[str, Any]:
    said = subprocess.run(["exiftool", "-j", "-n", "-G1", "-a", str(path)], capture_output=True, check=True)
    return dict(json.loads(said.stdout)[0])


@pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")
@pytest.mark.parametrize("kind", ["linear", "mosaic"])
def test_exiftool_reads_the_same(tmp_path: Path, kind: str) -> None:
    source = with_exif(dng_file(tmp_path / "a.dng", stored(mosaic_of(scene(64, 96), "RGGB")), "RGGB"))
    first, second = exif_of(source), exif_of(copied(source, tmp_path / "b.dng", kind))
    names = ["ExposureTime", "FNumber", "ISO", "DateTimeOriginal", "LensModel"]
    for name in names:
        assert second[f"ExifIFD:{name}"] == first[f"ExifIFD:{name}"]
    for name in ("Make", "Model", "Orientation", "ColorMatrix1", "AsShotNeutral", "CalibrationIlluminant1", "BaselineExposure"):
        assert second[f"IFD0:{name}"] == first[f"IFD0:{name}"]
    assert second["IFD0:DNGLensInfo"] == first["IFD0:DNGLensInfo"]
    assert second["SubIFD:BlackLevel"] == (0 if kind == "linear" else BLACK)
    assert not [name for name in second if "Warning" in name or "Error" in name]


@pytest.mark.skipif(not shutil.which("dcraw"), reason="dcraw is not installed")
@pytest.mark.parametrize("kind", ["linear", "mosaic"])
def test_dcraw_develops_it(tmp_path: Path, kind: str) -> None:
    light = scene(64, 96)
    source = dng_file(tmp_path / "a.dng", stored(mosaic_of(light, "RGGB")), "RGGB")
    made = copied(source, tmp_path / "b.dng", kind)

    def dcraw(path: Path) -> np.ndarray:
        said = subprocess.run(["dcraw", "-4", "-w", "-t", "0", "-c", str(path)], capture_output=True, check=True).stdout
        head = said.split(b"\n", 3)
        width, height = map(int, head[1].split())
        return np.frombuffer(head[3], ">u2").reshape(height, width, 3).astype(float)

    np.testing.assert_allclose(dcraw(made).mean((0, 1)), dcraw(source).mean((0, 1)), rtol=0.01)


def test_refusals(tmp_path: Path) -> None:
    source = dng_file(tmp_path / "x.dng", np.full((520, 520), 4000, np.uint16), "X-Trans")
    with pytest.raises(UsageError, match=r"x\.dng has a mosaic of 6 × 6 pixels, but --mosaic takes Bayer mosaics"):
        images.open(source, raw="mosaic")
    linear = dng_file(tmp_path / "l.dng", np.full((64, 96, 3), 4000, np.uint16))
    with pytest.raises(UsageError, match=r"l\.dng has no mosaic"):
        images.open(linear, raw="mosaic")
    images.write(tmp_path / "a.png", images.Picture(np.zeros((4, 4), np.uint8)))
    with pytest.raises(UsageError, match=r"a\.png is no camera raw, and DNG is made of nothing else; write \.tif"):
        images.open(tmp_path / "a.png", raw="linear")
