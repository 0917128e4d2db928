"""Stacks frame by frame, and pictures with any channels, survive in every file format that can store them."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import pyvips
import tifffile
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from unnoise import images
from unnoise.errors import UnnoiseError, UnnoiseWarning, UsageError
from unnoise.images import Layout, Picture, read, write

DTYPES = ["uint8", "uint16", "float16", "float32", "float64"]


def noise(shape: tuple[int, ...], dtype: str = "uint16") -> np.ndarray:
    values = np.random.default_rng(0).random(shape)
    return values.astype(dtype) if dtype.startswith("f") else (values * np.iinfo(dtype).max).astype(dtype)


def copy(source: Path, target: Path, axes: str | None = None, step: int = 7) -> list[np.ndarray]:
    """Through by strips, as restoring does; gives the frames."""
    frames = []
    with images.open(source, axes=axes) as opened, images.create(target, opened) as made:
        for frame in opened:
            canvas = made.add(frame)
            for top in range(0, frame.height, step):
                canvas[top : top + step] = frame.region(slice(top, top + step), slice(None))
            frames.append(frame.picture().pixels)
    return frames


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_picture_comes_back_from_every_file_that_holds_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    suffix = data.draw(st.sampled_from([".tif", ".npy", ".png", ".webp"]))
    dtype = data.draw(st.sampled_from({".png": DTYPES[:2], ".webp": DTYPES[:1]}.get(suffix, DTYPES)))
    channels = data.draw({".png": st.integers(1, 4), ".webp": st.integers(3, 4)}.get(suffix, st.integers(1, 9)))
    size = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    finite = {"elements": {"allow_nan": False, "min_value": 0, "max_value": 1}} if dtype.startswith("f") else {}
    pixels = data.draw(arrays.arrays(dtype, (*size, channels) if channels > 1 else size, **finite))
    # WebP's library leaves out an alpha channel that hides nothing.
    assume(not (suffix == ".webp" and channels == 4 and (pixels[..., 3] == 255).all()))
    stated = Layout("channels") if channels > 4 else None
    if suffix == ".tif":
        stated = data.draw(
            st.sampled_from(
                [stated, Layout("channels") if channels > 1 else stated, Layout("cmyk") if channels == 4 else stated]
            )
        )
    folder = tmp_path_factory.mktemp("any")
    write(folder / f"a{suffix}", Picture(pixels, stated=stated))
    with images.open(folder / f"a{suffix}", axes="YXC" if suffix == ".npy" and channels > 4 else None) as source:
        again = source[0].picture()
    np.testing.assert_array_equal(again.pixels, pixels, strict=True)
    assert again.layout == (stated or Layout.of(pixels.shape))


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("channels", [2, 3, 4, 5, 7])
def test_channels_that_are_no_colours_stay_so(tmp_path: Path, channels: int, planar: Any) -> None:
    pixels = noise((20, 30, channels))
    stored = np.moveaxis(pixels, -1, 0) if planar == "separate" else pixels
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric="minisblack", planarconfig=planar, extrasamples=(0,) * (channels - 1)
    )
    picture = read(tmp_path / "a.tif")
    assert picture.layout == Layout("channels")
    write(tmp_path / "b.tif", picture)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        page = file.pages[0]
        np.testing.assert_array_equal(page.asarray(), stored, strict=True)
        assert (page.photometric.name, page.planarconfig.name.lower()) == ("MINISBLACK", planar)
        assert tuple(page.extrasamples) == (0,) * (channels - 1)
    with pytest.raises(UsageError, match=r"c\.png cannot hold .* channels that are no colours"):
        write(tmp_path / "c.png", picture)


@pytest.mark.parametrize(
    "options", [{}, {"compression": "lzw"}, {"compression": "zlib", "predictor": True}, {"tile": (16, 16)}], ids=str
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("alpha", [1, 2])
def test_alpha_stays_of_its_kind(tmp_path: Path, alpha: int, channels: int, dtype: str, options: dict[str, Any]) -> None:
    pixels = noise((20, 30, channels), dtype)
    photometric = "rgb" if channels == 4 else "minisblack"
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric=photometric, planarconfig="contig", extrasamples=(alpha,), **options
    )
    picture = read(tmp_path / "a.tif")
    assert picture.layout == Layout("rgb" if channels == 4 else "grey", alpha=True)
    np.testing.assert_array_equal(picture.pixels, pixels, strict=True)
    write(tmp_path / "b.tif", picture)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].extrasamples == (alpha,)
        np.testing.assert_array_equal(file.pages[0].asarray(), pixels, strict=True)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".npy"])
def test_colours_that_alpha_multiplied_look_the_same_where_alpha_is_straight(tmp_path: Path, suffix: str) -> None:
    """Half transparent 100 is 199 seen through; the transparent is black, and none is more than white."""
    pixels = np.array([[[100, 50, 0, 128], [7, 7, 7, 0], [200, 100, 0, 128], [9, 80, 200, 255]]], np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=(1,))
    copy(tmp_path / "a.tif", tmp_path / f"b{suffix}")
    made = read(tmp_path / f"b{suffix}")
    wanted = [[199, 100, 0, 128], [0, 0, 0, 0], [255, 199, 0, 128], [9, 80, 200, 255]]
    np.testing.assert_array_equal(made.pixels, np.array([wanted], np.uint8), strict=True)
    write(tmp_path / "c.tif", made)
    assert tifffile.TiffFile(tmp_path / "c.tif").pages[0].extrasamples == (2,)


@pytest.mark.parametrize("alpha", [1, 2])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_white_that_is_zero_stays_so(tmp_path: Path, planar: Any, alpha: int) -> None:
    pixels = np.full((6, 5, 2), (155, 128), np.uint8)
    stored = np.moveaxis(pixels, -1, 0) if planar == "separate" else pixels
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="miniswhite", planarconfig=planar, extrasamples=(alpha,))
    np.testing.assert_array_equal(read(tmp_path / "a.tif").pixels[0, 0], (100, 128))
    copy(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert (file.pages[0].photometric.name, file.pages[0].extrasamples) == ("MINISWHITE", (alpha,))
        np.testing.assert_array_equal(file.asarray(), stored)


@pytest.mark.parametrize("suffix", [".tif", ".jpg"])
def test_cmyk(tmp_path: Path, suffix: str) -> None:
    rows, columns = np.mgrid[:32, :48]
    ink = np.stack([rows * 4, columns * 4, rows + columns, 255 - rows * 2], axis=-1).astype(np.uint8)
    image = pyvips.Image.new_from_array(ink, interpretation="cmyk")
    image.write_to_file(str(tmp_path / f"a{suffix}"))
    picture = read(tmp_path / f"a{suffix}")
    assert picture.layout == Layout("cmyk")
    assert np.abs(picture.pixels.astype(int) - ink).max() <= (0 if suffix == ".tif" else 12)
    write(tmp_path / f"b{suffix}", picture)
    again = pyvips.Image.new_from_file(str(tmp_path / f"b{suffix}"))
    assert again.interpretation == "cmyk"
    assert np.abs(again.numpy().astype(int) - picture.pixels).max() <= (0 if suffix == ".tif" else 12)
    with pytest.raises(UsageError, match=r"c\.png cannot hold CMYK"):
        write(tmp_path / "c.png", picture)


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".zarr"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_pages_go_to_every_file_that_holds_stacks(tmp_path: Path, dtype: str, suffix: str) -> None:
    if suffix == ".zarr":
        pytest.importorskip("zarr", reason="Zarr needs the extra zarr")
    stack = noise((5, 9, 11), dtype)
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    copy(tmp_path / "a.tif", tmp_path / f"b{suffix}")
    copy(tmp_path / f"b{suffix}", tmp_path / "c.tif", axes=None if suffix == ".tif" else "ZYX")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "c.tif"), stack, strict=True)


def test_pages_may_differ_and_each_says_its_own(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(noise((9, 11)), photometric="minisblack", description="one", metadata=None)
        file.write(noise((7, 5, 3), "uint8"), photometric="rgb", description="two", metadata=None, compression="zlib")
        file.write(
            noise((3, 4), "float32"), photometric="minisblack", description="three", metadata=None, iccprofile=b"profile"
        )
    frames = copy(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as first, tifffile.TiffFile(tmp_path / "b.tif") as second:
        for old, new, frame in zip(first.pages, second.pages, frames, strict=True):
            np.testing.assert_array_equal(new.asarray(), old.asarray(), strict=True)
            np.testing.assert_array_equal(frame, old.asarray(), strict=True)
            assert (new.description, new.compression, new.iccprofile) == (old.description, old.compression, old.iccprofile)
    with pytest.raises(UsageError, match=r"c\.npy holds pictures of one shape"):
        copy(tmp_path / "a.tif", tmp_path / "c.npy")
    with pytest.raises(UsageError, match=r"c\.png can hold one picture only"):
        copy(tmp_path / "a.tif", tmp_path / "c.png")
    assert sorted(os.listdir(tmp_path)) == ["a.tif", "b.tif"]  # noqa: PTH208 - hidden files too


@pytest.mark.parametrize("kind", ["ome", "imagej", "imagej one page"])
def test_time_and_depth_stay_as_microscopes_say(tmp_path: Path, kind: str) -> None:
    stack = noise((2, 3, 2, 9, 11))
    said: dict[str, Any] = {"metadata": {"axes": "TZCYX"}, "photometric": "minisblack"}
    if kind == "ome":
        said |= {"ome": True, "tile": (16, 16), "compression": "zlib", "resolution": (400, 400), "resolutionunit": "CENTIMETER"}
    else:
        said |= {"imagej": True}
    tifffile.imwrite(tmp_path / "a.tif", stack, **said)
    if kind == "imagej one page":  # as ImageJ writes stacks of many gigabytes: the chain of pages ends after the first
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            end = file.pages[0].offset + 2 + 12 * len(file.pages[0].tags)
        data = bytearray((tmp_path / "a.tif").read_bytes())
        data[end : end + 4] = bytes(4)
        (tmp_path / "a.tif").write_bytes(data)
    copy(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert len(file.series) == 1
        assert file.series[0].axes == "TZCYX"
        np.testing.assert_array_equal(file.asarray(), stack, strict=True)
    descriptions = [pyvips.Image.new_from_file(str(tmp_path / f"{name}.tif")).get("image-description") for name in "ab"]
    assert descriptions[0] == descriptions[1]


@pytest.mark.parametrize("shape", [(4, 9, 11), (2, 3, 9, 11), (4, 9, 11, 3)], ids=str)
@pytest.mark.parametrize("imagej", [True, False])
def test_a_stack_behind_a_single_page_is_read_whole_or_refused(tmp_path: Path, imagej: bool, shape: tuple[int, ...]) -> None:
    stack = noise(shape, "uint8" if shape[-1] == 3 else "uint16")
    said = {"metadata": {"axes": "TZYX"[-len(shape) :]}} if imagej and shape[-1] != 3 else {}
    photometric: Any = "rgb" if shape[-1] == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=imagej, truncate=True, photometric=photometric, **said)
    frames = copy(tmp_path / "a.tif", tmp_path / "b.tif")
    np.testing.assert_array_equal(np.reshape(frames, shape), stack)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), stack, strict=True)
    whole = (tmp_path / "a.tif").read_bytes()
    for keep in (len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.tif").write_bytes(whole[:keep])
        with pytest.raises(UnnoiseError, match=r"cut\.tif cannot be decoded \(it speaks of . pictures and ends before"):
            images.open(tmp_path / "cut.tif")


@pytest.mark.parametrize("imagej", [True, False])
def test_a_page_that_was_taken_from_a_stack_with_its_words_is_a_picture(tmp_path: Path, imagej: bool) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", noise((4, 9, 11)), imagej=imagej, photometric="minisblack")
    page = pyvips.Image.new_from_file(str(tmp_path / "stack.tif"))
    assert ("images=4" if imagej else '"shape": [4, 9, 11]') in page.get("image-description")
    page.tiffsave(str(tmp_path / "page.tif"))
    np.testing.assert_array_equal(read(tmp_path / "page.tif").pixels, noise((4, 9, 11))[0], strict=True)
    if not imagej:  # tifffile says so where a stack lies behind its page
        tifffile.imwrite(tmp_path / "page.tif", noise((9, 11)), description=page.get("image-description"), metadata=None)
        np.testing.assert_array_equal(read(tmp_path / "page.tif").pixels, noise((9, 11)), strict=True)


@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_broken_chain_of_pages_is_refused(tmp_path: Path, bigtiff: bool) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise((3, 9, 11)), photometric="minisblack", bigtiff=bigtiff)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        first, last = file.pages[0].offset, file.pages[-1]
        head, size, code = (8, 20, "<Q") if bigtiff else (2, 12, "<I")
        end = last.offset + head + size * len(last.tags)
    for following in (first, last.offset, 10**6):
        data = bytearray((tmp_path / "a.tif").read_bytes())
        struct.pack_into(code, data, end, following)
        (tmp_path / "b.tif").write_bytes(data)
        with pytest.raises(UnnoiseError, match=r"b\.tif cannot be decoded \(its chain of pages is broken after page 3\)"):
            images.open(tmp_path / "b.tif")


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_arrays_of_any_axes_come_back(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    letters = "".join(data.draw(st.permutations(data.draw(st.sampled_from(["YX", "YXC", "YXS", "ZYX", "TZCYX", "TYXS"])))))
    shape = tuple(3 if letter == "S" else data.draw(st.integers(1, 6)) for letter in letters)
    whole = noise(shape, data.draw(st.sampled_from(DTYPES)))
    folder = tmp_path_factory.mktemp("axes")
    np.save(folder / "a.npy", whole)
    frames = copy(folder / "a.npy", folder / "b.npy", axes=letters, step=2)
    np.testing.assert_array_equal(np.load(folder / "b.npy"), whole, strict=True)
    assert len(frames) == whole.size // frames[0].size


def test_arrays_of_many_meanings_ask(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", noise((5, 9, 11)))
    with pytest.raises(UsageError, match=r"a\.npy has the shape \(5, 9, 11\), which may mean many things.*axes='ZYX'"):
        read(tmp_path / "a.npy")
    for axes in ("YX", "ZZX", "ZCX"):
        with pytest.raises(UsageError, match=rf"The axes '{axes}' do not fit"):
            images.open(tmp_path / "a.npy", axes=axes)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_ome_zarr(tmp_path: Path, zarr_format: Any) -> None:
    """Axes, chunks, compression and what the group says stay; smaller versions of the picture do not."""
    zarr = pytest.importorskip("zarr", reason="Zarr needs the extra zarr")
    stack = noise((2, 3, 40, 50))
    scales = {
        "multiscales": [
            {
                "axes": [{"name": name, "type": "space"} for name in "tcyx"],
                "datasets": [{"path": "0"}, {"path": "1"}],
                "name": "cells",
            }
        ]
    }
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    group.attrs.update({"ome": {"version": "0.5", **scales}, "lab": 7} if zarr_format == 3 else {**scales, "lab": 7})
    keys: Any = {"name": "v2" if zarr_format == 2 else "default", "separator": "/" if zarr_format == 2 else "."}
    group.create_array("0", data=stack, chunks=(1, 1, 16, 16), chunk_key_encoding=keys)
    group.create_array("1", data=stack[..., ::2, ::2])
    words = b"<OME>what the microscope says</OME>"
    zarr.create_group(group.store, path="OME", zarr_format=zarr_format)
    (tmp_path / "a.zarr" / "OME" / "METADATA.ome.xml").write_bytes(words)
    assert images.find_pictures([tmp_path]) == [tmp_path / "a.zarr"]
    copy(tmp_path / "a.zarr", tmp_path / "b.zarr")
    made = zarr.open(tmp_path / "b.zarr", mode="r")
    np.testing.assert_array_equal(made["0"][:], stack, strict=True)
    assert made["0"].chunks == (1, 1, 16, 16)
    assert made["0"].compressors == group["0"].compressors
    assert made.attrs["lab"] == 7
    said = (made.attrs.get("ome") or made.attrs)["multiscales"][0]
    assert said == scales["multiscales"][0] | {"datasets": [{"path": "0"}]}
    assert sorted(made.keys()) == ["0", "OME"]
    assert (tmp_path / "b.zarr" / "OME" / "METADATA.ome.xml").read_bytes() == words
    chunk = "0/0/0/0/0" if zarr_format == 2 else "0/c.0.0.0.0"
    assert (tmp_path / "a.zarr" / chunk).is_file()
    assert (tmp_path / "b.zarr" / chunk).is_file()
    write(tmp_path / "one.zarr", Picture(stack[0, 0]))
    write(tmp_path / "one.zarr", Picture(stack[1, 0]), overwrite=True)
    np.testing.assert_array_equal(read(tmp_path / "one.zarr").pixels, stack[1, 0])
    assert sorted(os.listdir(tmp_path)) == ["a.zarr", "b.zarr", "one.zarr"]  # noqa: PTH208 - hidden files too


@pytest.mark.parametrize("damage", ["cut", "empty", "junk"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_damaged_chunks_of_a_zarr(tmp_path: Path, zarr_format: Any, damage: str) -> None:
    zarr = pytest.importorskip("zarr", reason="Zarr needs the extra zarr")
    zarr.create_array(tmp_path / "a.zarr", data=noise((3, 40, 50)), chunks=(1, 20, 50), zarr_format=zarr_format)
    chunk = tmp_path / "a.zarr" / ("c/1/0/0" if zarr_format == 3 else "1.0.0")
    whole = chunk.read_bytes()
    chunk.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "junk": b"junk" * 50}[damage])
    with pytest.raises(UnnoiseError, match=r"a\.zarr cannot be decoded \([^\n]+\): it is damaged"):
        copy(tmp_path / "a.zarr", tmp_path / "b.tif", axes="ZYX")
    assert os.listdir(tmp_path) == ["a.zarr"]  # noqa: PTH208 - hidden files too


def test_frames_by_number(tmp_path: Path) -> None:
    stack = noise((3, 9, 11))
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    with images.open(tmp_path / "a.tif") as source:
        assert (len(source), source.outer) == (3, (3,))
        frame = source[2]
        assert (frame.height, frame.width, frame.channels, frame.dtype) == (9, 11, 1, "uint16")
        assert frame.name == f"{tmp_path / 'a.tif'}, frame 2"
        np.testing.assert_array_equal(frame.region(slice(2, 5), slice(1, 4)), stack[2, 2:5, 1:4])
        with pytest.raises(IndexError):
            source[3]


def test_every_plane_of_metamorph(tmp_path: Path) -> None:
    """One page, the tag UIC2 for each plane, and their pixels one after the other."""
    stack = noise((4, 9, 11))
    times = [
        (33628, 4, 4, (0, 1, 2, 3), True),
        (33629, 5, 4, tuple(range(1, 9)), True),
        (65000, 2, None, "words of a microscope", True),
    ]
    options: dict[str, Any] = {"metadata": None, "extratags": times, "software": False, "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.stk", stack[0], **options)
    with tifffile.TiffFile(tmp_path / "a.stk") as file:
        assert file.is_stk
        assert file.pages[0].dataoffsets[0] + stack[0].nbytes == (tmp_path / "a.stk").stat().st_size
    with (tmp_path / "a.stk").open("ab") as end:
        end.write(stack[1:].tobytes())
    with pytest.warns(UnnoiseWarning, match="the values of MetaMorph"):
        copy(tmp_path / "a.stk", tmp_path / "b.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), stack, strict=True)


def test_an_ome_zarr_whose_picture_is_a_group(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_group("0")
    group.attrs.update({"ome": {"multiscales": [{"axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "0"}]}]}})
    with pytest.raises(UnnoiseError, match="its picture '0' is a group, not an array"):
        images.open(tmp_path / "a.zarr")
