"""CZI, LIF and ND2 are read as their makers mean them, and become OME-TIFF and OME-Zarr that say the same."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from images.science.microscope_samples import stack, write_czi, write_lif, write_nd2
from images.science.samples import HEIGHT, WIDTH, counts
from images.test_stacks import copy
from unnoise import images
from unnoise.errors import UnnoiseError, UnnoiseWarning, UsageError
from unnoise.images.formats import result_name

TZC = stack(2, 3, 2)
"""Times, slices and channels."""


def nd2_pixels() -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(stack(3, 2), 1, -1))  # (T, H, W, C)


MAKERS: dict[str, tuple[Callable[[Path], None], np.ndarray, str]] = {
    "a.czi": (lambda path: write_czi(path, TZC, "TZC"), TZC, "TZCYX"),
    "mosaic.czi": (lambda path: write_czi(path, stack(3), "Z", tile=10), stack(3), "ZYX"),
    "bytes.czi": (lambda path: write_czi(path, stack(dtype="uint8"), ""), stack(dtype="uint8"), "YX"),
    "color.czi": (
        lambda path: write_czi(path, counts(HEIGHT, WIDTH, 3, dtype="uint8", most=250), ""),
        counts(HEIGHT, WIDTH, 3, dtype="uint8", most=250),
        "YXS",
    ),
    "a.lif": (lambda path: write_lif(path, [("one", TZC, "TZCYX")]), TZC, "TZCYX"),
    "bytes.lif": (lambda path: write_lif(path, [("one", stack(4, dtype="uint8"), "CYX")]), stack(4, dtype="uint8"), "CYX"),
    "a.nd2": (lambda path: write_nd2(path, nd2_pixels()), np.moveaxis(nd2_pixels(), -1, 1), "TCYX"),
}
STEPS = {"X": 0.2, "Y": 0.3, "Z": 1.5, "T": 2.0}


def made(folder: Path, name: str) -> Path:
    MAKERS[name][0](folder / name)
    return folder / name


@pytest.mark.parametrize("name", MAKERS)
def test_pixels_and_axes_are_those_of_the_file(tmp_path: Path, name: str) -> None:
    _, pixels, letters = MAKERS[name]
    with images.open(made(tmp_path, name)) as opened:
        found = np.stack([frame.picture().pixels for frame in opened]).reshape(pixels.shape)
        (scene,) = opened[0].metadata.coding.scenes
        assert scene.letters == letters
        colors = "rgb" if letters.endswith("S") else "channels" if pixels.dtype == np.uint8 else "grey"
        assert opened[0].layout.colours == colors
        part = opened[0].region(slice(3, 9), slice(2, 5))
    np.testing.assert_array_equal(found, pixels, strict=True)
    np.testing.assert_array_equal(part, pixels.reshape(-1, *pixels.shape[-3 if colors == "rgb" else -2 :])[0][3:9, 2:5])


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.filterwarnings("ignore::unnoise.errors.UnnoiseWarning")
def test_ome_tiff_says_the_same(tmp_path: Path, name: str) -> None:
    _, pixels, letters = MAKERS[name]
    copy(made(tmp_path, name), tmp_path / "out.ome.tif")
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        assert file.is_ome
        np.testing.assert_array_equal(file.asarray(), pixels, strict=True)
        assert file.series[0].axes == letters
        said = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
    if not name.endswith("nd2"):
        assert said["PhysicalSizeX"] == pytest.approx(0.2)
        assert said["PhysicalSizeY"] == pytest.approx(0.3)
        if "Z" in letters:
            assert said["PhysicalSizeZ"] == pytest.approx(1.5)
    else:
        assert said["PhysicalSizeX"] == said["PhysicalSizeY"] == pytest.approx(0.25)
    if "C" in letters and not name.endswith("lif"):
        assert [channel["Name"] for channel in said["Channel"]] == ["dye 0", "dye 1"]
    if name == "a.lif":
        assert said["TimeIncrement"] == pytest.approx(2.0)


@pytest.mark.parametrize("name", ["a.czi", "a.lif", "a.nd2", "color.czi"])
@pytest.mark.filterwarnings("ignore::unnoise.errors.UnnoiseWarning")
def test_ome_zarr_says_the_same(tmp_path: Path, name: str) -> None:
    _, pixels, letters = MAKERS[name]
    copy(made(tmp_path, name), tmp_path / "out.zarr")
    group = zarr.open(tmp_path / "out.zarr", mode="r")
    np.testing.assert_array_equal(group["0"][...], pixels, strict=True)
    scale = group.attrs["ome"]["multiscales"][0]
    assert "".join(axis["name"] for axis in scale["axes"]).upper() == letters
    steps = dict(zip(letters, scale["datasets"][0]["coordinateTransformations"][0]["scale"], strict=True))
    assert steps["X"] == pytest.approx(0.25 if name == "a.nd2" else 0.2)
    with images.open(tmp_path / "out.zarr") as again:
        assert len(again) in (1, pixels[..., 0, 0].size, pixels[..., 0, 0].size // 2)


@pytest.mark.filterwarnings("ignore::unnoise.errors.UnnoiseWarning")
def test_several_scenes_are_several_pictures(tmp_path: Path) -> None:
    write_czi(tmp_path / "a.czi", stack(), "", scenes=3)
    write_lif(tmp_path / "a.lif", [("one", stack(2), "ZYX"), ("two", stack(dtype="uint8"), "YX")])
    copy(tmp_path / "a.czi", tmp_path / "a.tif")
    copy(tmp_path / "a.lif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert [series.name for series in file.series] == ["a, scene 0", "a, scene 1", "a, scene 2"]
        np.testing.assert_array_equal(file.series[2].asarray(), stack() + 2)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert [(series.name, series.shape) for series in file.series] == [
            ("a, one", (2, HEIGHT, WIDTH)),
            ("a, two", (HEIGHT, WIDTH)),
        ]


def test_they_are_not_written(tmp_path: Path) -> None:
    source = made(tmp_path, "bytes.czi")
    with pytest.raises(UsageError, match=r"out\.czi would be a CZI file, which cannot be written; write \.ome\.tif or \.zarr"):
        copy(source, tmp_path / "out.czi")
    assert result_name("x/a.czi") == "x/a.ome.tif"
    with pytest.warns(UnnoiseWarning, match="what CZI says beyond axes, sizes of pixels and channels stays behind"):
        copy(source, tmp_path / "out.tif")
    with pytest.raises(UsageError, match="names its axes itself; leave out --axes"):
        images.open(source, axes="YX")


@pytest.mark.parametrize("name", ["a.czi", "a.lif", "a.nd2"])
def test_damage_is_one_sentence(tmp_path: Path, name: str) -> None:
    data = made(tmp_path, name).read_bytes()
    for share in (0.1, 0.4, 0.7, 0.95):
        path = tmp_path / f"cut{Path(name).suffix}"
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(UnnoiseError, match=rf"cut\{path.suffix} .*\.$") as caught:
            copy(path, tmp_path / "out.npy")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out.npy").exists()


def test_more_channels_than_a_czi_has_bytes_for_are_damage(tmp_path: Path) -> None:
    data = bytearray(made(tmp_path, "a.czi").read_bytes())
    entry = data.rindex(b"C\0\0\0" + struct.pack("<ii", 1, 1))  # of the directory: the second channel, and how many it is
    struct.pack_into("<i", data, entry + 4, 100_000)
    (tmp_path / "many.czi").write_bytes(data)
    with pytest.raises(UnnoiseError, match=r"many\.czi .*states 100001 planes along C, which its \d+ bytes cannot hold"):
        images.open(tmp_path / "many.czi")


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (48 + 28, struct.pack("<i", -473576750), "a block is damaged"),  # its count of axes, which ended the process
        (32, struct.pack("<i", -1), "a block is damaged"),
        (40, struct.pack("<q", -1), "a block is damaged"),
        (40, struct.pack("<q", 7), f"a block has 7 bytes for pixels of {HEIGHT * WIDTH * 2}"),
        (0, b"ZISRAWNOTHING", "a block is damaged"),
    ],
    ids=range(5),
)
def test_a_damaged_block_of_a_czi_is_not_given_to_the_library(tmp_path: Path, place: int, value: bytes, said: str) -> None:
    """Other planes are read all the same."""
    path = made(tmp_path, "a.czi")
    data = bytearray(path.read_bytes())
    start = data.rindex(b"ZISRAWSUBBLOCK") + place
    data[start : start + len(value)] = value
    path.write_bytes(data)
    with images.open(path) as opened:
        np.testing.assert_array_equal(opened[0].picture().pixels, TZC.reshape(-1, HEIGHT, WIDTH)[0])
        with pytest.raises(UnnoiseError, match=rf"a\.czi cannot be decoded \({said}\): it is damaged"):
            opened[len(opened) - 1].picture()


@pytest.mark.parametrize(
    "change", [(84, struct.pack("<q", 2**40)), (84, struct.pack("<q", -5)), (None, struct.pack("<i", -7))], ids=range(3)
)
def test_a_damaged_directory_of_a_czi(tmp_path: Path, change: tuple[int | None, bytes]) -> None:
    path = made(tmp_path, "a.czi")
    data = bytearray(path.read_bytes())
    place = data.rindex(b"ZISRAWDIRECTORY") + 160 + 28 if change[0] is None else change[0]
    data[place : place + len(change[1])] = change[1]
    path.write_bytes(data)
    with pytest.raises(UnnoiseError, match=r"a\.czi"):
        images.open(path)
