"""Reading picture files: exact pixels of an independent encoder, and a clear sentence for every bad file."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from images.handmade_pictures import png, random_pixels
from unnoise.errors import UnnoiseError, UsageError
from unnoise.images import Picture, read, to_tensor, vips

SIZES = [(1, 1), (3, 5), (17, 8)]


def tiff(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    extra = {"extrasamples": ["unassalpha"]} if pixels.ndim == 3 and pixels.shape[2] in (2, 4) else {}
    colour = pixels.ndim == 3 and pixels.shape[2] > 2
    tifffile.imwrite(
        path, pixels, **{"photometric": "rgb" if colour else "minisblack", "planarconfig": "contig"} | extra | options
    )
    return path


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_png_of_every_depth_and_channel_count(tmp_path: Path, dtype: str, channels: int, size: tuple[int, int]) -> None:
    pixels = random_pixels(dtype, channels, size)
    path = tmp_path / "a.png"
    path.write_bytes(png(pixels))
    picture = read(path)
    np.testing.assert_array_equal(picture.pixels, pixels, strict=True)
    assert picture.path == path


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_tiff_of_every_depth_and_channel_count(tmp_path: Path, dtype: str, channels: int, size: tuple[int, int]) -> None:
    pixels = random_pixels(dtype, channels, size)
    np.testing.assert_array_equal(read(tiff(tmp_path / "a.tif", pixels)).pixels, pixels, strict=True)


@pytest.mark.parametrize(
    "options",
    [
        {"byteorder": ">"},
        {"bigtiff": True},
        {"compression": "zlib", "predictor": True},
        {"tile": (16, 16)},
        {"planarconfig": "separate"},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
def test_tiff_of_every_layout(tmp_path: Path, dtype: str, options: dict[str, Any]) -> None:
    pixels = random_pixels(dtype, 3)
    stored = np.moveaxis(pixels, -1, 0) if "planarconfig" in options else pixels
    np.testing.assert_array_equal(read(tiff(tmp_path / "a.tif", stored, **options)).pixels, pixels, strict=True)


def test_tiff_in_a_compression_that_libvips_lacks(tmp_path: Path) -> None:
    pytest.importorskip("imagecodecs", reason="ZSTD in TIFF needs imagecodecs")
    pixels = random_pixels("uint16", 3)
    path = tiff(tmp_path / "a.tif", pixels, compression="zstd")
    np.testing.assert_array_equal(read(path).pixels, pixels, strict=True)


def test_profile_of_a_tiff_that_only_tifffile_reads(tmp_path: Path) -> None:
    picture = read(tiff(tmp_path / "a.tif", random_pixels("float64", 1), iccprofile=b"profile"))
    assert picture.metadata.icc == b"profile"


def test_half_floats_of_tiff_stay(tmp_path: Path) -> None:
    pixels = random_pixels("float16", 3)
    np.testing.assert_array_equal(read(tiff(tmp_path / "a.tif", pixels)).pixels, pixels, strict=True)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64", ">u2"])
def test_npy(tmp_path: Path, dtype: str) -> None:
    pixels = np.asfortranarray(np.arange(12).reshape(2, 3, 2).astype(dtype))
    np.save(tmp_path / "a.npy", pixels)
    picture = read(tmp_path / "a.npy")
    assert picture.pixels.dtype == pixels.dtype.newbyteorder("=")
    np.testing.assert_array_equal(picture.pixels, pixels)


def encoded(kind: str, **options: Any) -> bytes:
    """A small picture of 24×20 noisy pixels, as libvips encodes it."""
    image = pyvips.Image.new_from_array(random_pixels("uint8", 3, (24, 20)), interpretation="srgb")
    return bytes(getattr(image, f"{kind}save_buffer")(**options))


FILES = {
    "baseline.jpg": ("jpeg", {}),
    "progressive.jpg": ("jpeg", {"interlace": True}),
    "plain.png": ("png", {}),
    "interlaced.png": ("png", {"interlace": True}),
    "lossless.webp": ("webp", {"lossless": True}),
    "lossy.webp": ("webp", {}),
    "plain.tif": ("tiff", {}),
    "deflate.tif": ("tiff", {"compression": "deflate"}),
    "a.avif": ("heif", {"compression": "av1"}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for name, (kind, options) in FILES.items():
        (folder / name).write_bytes(encoded(kind, **options))
    tiff(folder / "double.tif", random_pixels("float64", 3, (24, 20)), compression="zlib")
    np.save(folder / "a.npy", random_pixels("float32", 3, (24, 20)))
    return folder


def attempt(path: Path) -> Picture | UnnoiseError:
    """Read a file that may be bad; an error must name it in one line."""
    try:
        return read(path)
    except UnnoiseError as error:
        caught = error
    assert str(path) in str(caught)
    assert "\n" not in str(caught)
    return caught


@pytest.mark.parametrize("name", [*FILES, "double.tif", "a.npy"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_file_cut_anywhere_is_refused_or_whole(folder: Path, name: str, data: st.DataObject) -> None:
    whole = (folder / name).read_bytes()
    keep = data.draw(st.integers(1, len(whole) - 1) | st.integers(len(whole) - 40, len(whole) - 1))
    cut = folder / f"cut{Path(name).suffix}"
    cut.write_bytes(whole[:keep])
    result = attempt(cut)
    assert not isinstance(result, UsageError)
    if isinstance(result, Picture):  # a PNG that lacks its empty last chunk only
        np.testing.assert_array_equal(result.pixels, read(folder / name).pixels)


@pytest.mark.parametrize("name", [*FILES, "double.tif", "a.npy"])
def test_a_file_without_its_second_half_is_refused_silently(folder: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    whole = (folder / name).read_bytes()
    cut = folder / f"half{Path(name).suffix}"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnnoiseError, match="cannot be decoded"):
        read(cut)
    assert capfd.readouterr() == ("", "")


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from([*FILES, "double.tif", "a.npy"]), data=st.data())
def test_damage_gives_a_picture_or_one_sentence_but_nothing_else(folder: Path, name: str, data: st.DataObject) -> None:
    damaged = bytearray((folder / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = folder / f"damaged{Path(name).suffix}"
    path.write_bytes(damaged)
    attempt(path)


def test_missing_strips_of_a_tiff_are_not_filled_up(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", random_pixels("float64", 1, (24, 20)), rowsperstrip=4, compression="zlib")
    with tifffile.TiffFile(path) as file:
        counts = file.pages[0].tags["StripByteCounts"]
        height = file.pages[0].tags["ImageLength"]
    whole = path.read_bytes()
    absent, taller = bytearray(whole), bytearray(whole)
    absent[counts.valueoffset : counts.valueoffset + 2] = b"\0\0"
    taller[height.valueoffset : height.valueoffset + 2] = struct.pack("<H", 28)
    for damaged in (absent, taller):
        path.write_bytes(damaged)
        with pytest.raises(UnnoiseError, match=r"a\.tif cannot be decoded \(strips or tiles are missing\)"):
            read(path)


def test_the_reason_is_that_of_this_file(folder: Path, tmp_path: Path) -> None:
    read(folder / "a.avif")  # leaves idle messages behind
    for name, reason in {
        "interlaced.png": "its bytes make no picture",
        "progressive.jpg": "premature end of JPEG image",
    }.items():
        whole = (folder / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(UnnoiseError) as caught:
            read(tmp_path / name)
        assert f"({reason})" in str(caught.value)


def test_nothing_but_the_error_is_printed(folder: Path, tmp_path: Path) -> None:
    """In a process of its own, as pytest listens to all loggers and so hides what would be printed."""
    for name in [*FILES, "double.tif", "a.npy"]:
        whole = (folder / name).read_bytes()
        for keep in (230, len(whole) - 60):
            (tmp_path / f"{keep}-{name}").write_bytes(whole[:keep])
    size = struct.pack(">II", 20, 24)
    huge = (folder / "a.avif").read_bytes().replace(b"ispe\0\0\0\0" + size, b"ispe\0\0\0\0" + struct.pack(">II", 10**9, 24))
    (tmp_path / "huge.avif").write_bytes(huge)
    code = """
import sys
from unnoise.images import find_pictures, read
for path in find_pictures(sys.argv[1:]):
    try:
        read(path)
    except Exception as error:
        print(type(error).__name__)
"""
    result = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert set(result.stdout.split()) == {"UnnoiseError"}
    assert result.stderr == ""


def test_a_damaged_file_does_not_spoil_the_next(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "a.avif").read_bytes()
    (tmp_path / "bad.avif").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "bad.png").write_bytes((folder / "plain.png").read_bytes()[:40])
    reasons = set()
    for name in ("bad.avif", "bad.png"):
        with pytest.raises(UnnoiseError) as caught:
            read(tmp_path / name)
        reasons.add(str(caught.value).partition("(")[2])
    assert len(reasons) == 2  # libvips keeps one buffer of messages for all
    assert read(folder / "plain.png").pixels.shape == (24, 20, 3)


@pytest.mark.parametrize(
    ("name", "content", "kind", "fragment"),
    [
        ("missing.png", None, UsageError, "no file"),
        ("empty.jpg", b"", UnnoiseError, "is empty"),
        ("text.jpg", b"Dear Sir or Madam", UnnoiseError, "not a picture although it ends in .jpg"),
        (
            "drawing.png",
            b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
            UnnoiseError,
            "but is an SVG drawing",
        ),
        ("film.avif", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", UnnoiseError, "ends in .avif but is a video (MP4)"),
        ("picture.pcx", b"PCX", UsageError, ".png, .jpg"),
        ("picture", b"", UsageError, "has no suffix"),
        ("objects.npy", b"", UnnoiseError, "is empty"),
    ],
)
def test_what_is_no_picture(tmp_path: Path, name: str, content: bytes | None, kind: type[UnnoiseError], fragment: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UnnoiseError) as caught:
        read(tmp_path / name)
    assert type(caught.value) is kind
    assert str(tmp_path / name) in str(caught.value)
    assert fragment in str(caught.value)


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UsageError, match=r"folder\.png is a folder"):
        read(tmp_path / "folder.png")


@pytest.mark.parametrize(
    ("array", "fragment"),
    [
        (np.zeros((2, 3), np.complex64), "complex64"),
        (np.zeros((3, 20, 20), np.uint8), "(3, 20, 20)"),
        (np.zeros((0, 20), np.uint8), "(0, 20)"),
    ],
)
def test_arrays_that_are_no_pictures(tmp_path: Path, array: np.ndarray, fragment: str) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UsageError) as caught:
        read(tmp_path / "a.npy")
    assert str(tmp_path / "a.npy") in str(caught.value)
    assert fragment in str(caught.value)


def test_arrays_of_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[print]], object))
    with pytest.raises(UnnoiseError, match="holds Python objects"):
        read(tmp_path / "a.npy")


def test_other_pages_and_types_are_refused_by_name(tmp_path: Path) -> None:
    two = pyvips.Image.new_from_array(random_pixels("uint8", 3, (24, 20)), interpretation="srgb").copy()
    two.set_type(pyvips.GValue.gint_type, "page-height", 12)
    two.webpsave(str(tmp_path / "film.webp"))
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((5, 9, 11), np.uint16), photometric="minisblack")
    tifffile.imwrite(tmp_path / "complex.tif", np.zeros((9, 11), np.complex64))
    for name, fragment in {
        "film.webp": "2 pictures",
        "stack.tif": "5 pictures",
        "complex.tif": "complex numbers",
    }.items():
        with pytest.raises(UsageError) as caught:
            read(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert fragment in str(caught.value)


def test_films_of_which_the_first_picture_alone_would_be_read_are_refused(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="films are made by Pillow")
    frames = [image.fromarray(random_pixels("uint8", 3, (24, 20)) + np.uint8(n)) for n in range(3)]
    frames[0].save(tmp_path / "film.avif", save_all=True, append_images=frames[1:], duration=100)
    data = (tmp_path / "film.avif").read_bytes()  # the boxes are the same
    (tmp_path / "film.heic").write_bytes(data[:64].replace(b"avis", b"hevc").replace(b"avif", b"hevc") + data[64:])
    with pytest.raises(UsageError, match=r"film\.heic is a sequence of 3 pictures in HEIC"):
        read(tmp_path / "film.heic")
    frames[0].save(tmp_path / "one.avif", save_all=True, default_image=False)
    assert read(tmp_path / "one.avif").pixels.shape == (24, 20, 3)


def test_the_content_decides_and_not_the_suffix(tmp_path: Path) -> None:
    pixels = random_pixels("uint16", 3)
    (tmp_path / "a.JPG").write_bytes(png(pixels))
    np.testing.assert_array_equal(read(tmp_path / "a.JPG").pixels, pixels)


def test_orientation_is_kept_and_not_applied(tmp_path: Path) -> None:
    for kind, suffix in (("jpeg", "jpg"), ("png", "png"), ("tiff", "tif"), ("webp", "webp")):
        image = pyvips.Image.new_from_array(random_pixels("uint8", 3, (24, 20)), interpretation="srgb").copy()
        image.set_type(pyvips.GValue.gint_type, "orientation", 6)
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(getattr(image, f"{kind}save_buffer")())
        picture = read(path)
        assert picture.pixels.shape == (24, 20, 3)
        assert picture.metadata.orientation == 6


@pytest.mark.parametrize("bits", [10, 12])
def test_white_of_deep_avif_is_white(tmp_path: Path, bits: int) -> None:
    image = pyvips.Image.new_from_array(np.array([[[0] * 3, [65535] * 3]], np.uint16), interpretation="rgb16")
    (tmp_path / "a.avif").write_bytes(image.heifsave_buffer(compression="av1", lossless=True, bitdepth=bits))
    pixels = read(tmp_path / "a.avif").pixels
    assert pixels.dtype == np.uint16
    assert pixels[0, :, 0].tolist() == [0, 65535]


def test_nan_in_a_file_is_refused_with_its_name(tmp_path: Path) -> None:
    picture = read(tiff(tmp_path / "a.tif", np.array([[0.5, np.nan]], np.float32)))
    with pytest.raises(UsageError, match=r"a\.tif has 1 value that is NaN"):
        to_tensor(picture.pixels, name=str(picture.path))


@pytest.mark.parametrize("side", [200_000, 10**9, 2**31 - 1])
def test_a_huge_size_in_a_small_file_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str], side: int) -> None:
    data = bytearray(png(random_pixels("uint8", 3)))
    data[16:24] = struct.pack(">II", side, side)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "a.png").write_bytes(data)
    tifffile.imwrite(tmp_path / "a.tif", random_pixels("uint8", 3), photometric="rgb")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        file.pages[0].tags["ImageWidth"].overwrite(side, dtype="I")
    for name in ("a.png", "a.tif"):
        with pytest.raises(UnnoiseError, match=f"{name} (cannot be decoded|has [0-9,]* pixels, more than the limit)"):
            read(tmp_path / name)
    assert capfd.readouterr() == ("", "")  # not even from GLib


def test_without_pyvips_arrays_are_read_and_the_rest_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", random_pixels("uint8", 3))
    (tmp_path / "a.png").write_bytes(png(random_pixels("uint8", 3)))
    monkeypatch.setitem(sys.modules, "pyvips", None)
    vips.libvips.cache_clear()
    assert read(tmp_path / "a.npy").pixels.shape == (17, 8, 3)
    with pytest.raises(UnnoiseError, match=r'pip install "pyvips\[binary\]"'):
        read(tmp_path / "a.png")
