"""Writing picture files: the written pixels are read again, and no file is ever half written or lost."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images import Metadata, Picture, read, vips, write

SIZES = [(1, 1), (3, 5), (17, 8)]
LOSSLESS = [
    (suffix, dtype, channels)
    for suffix, dtypes in {
        ".png": ["uint8", "uint16"],
        ".tif": ["uint8", "uint16", "float32", "float64"],
        ".npy": ["uint8", "uint16", "float16", "float32", "float64"],
        ".webp": ["uint8"],
    }.items()
    for dtype in dtypes
    for channels in (1, 2, 3, 4)
    if suffix != ".webp" or channels > 2
]


def random_pixels(dtype: str, channels: int, size: tuple[int, int]) -> np.ndarray:
    shape = size if channels == 1 else (*size, channels)
    values = np.random.default_rng(channels).random(shape)
    return values.astype(dtype) if dtype.startswith("f") else (values * (np.iinfo(dtype).max + 1)).astype(dtype)


def smooth_pixels(dtype: str, channels: int, size: tuple[int, int] = (40, 56)) -> np.ndarray:
    """A soft ramp with another slope in each channel, which lossy formats keep well."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    ramps = np.stack([(rows * (c + 1) + columns * 2) / (size[0] * (c + 1) + size[1] * 2) for c in range(channels)], axis=-1)
    pixels = (ramps * np.iinfo(dtype).max).astype(dtype)
    return pixels[..., 0] if channels == 1 else pixels


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("suffix", "dtype", "channels"), LOSSLESS)
def test_lossless_formats_keep_every_bit(tmp_path: Path, suffix: str, dtype: str, channels: int, size: tuple[int, int]) -> None:
    pixels = random_pixels(dtype, channels, size)
    path = tmp_path / f"a{suffix}"
    write(path, Picture(pixels))
    np.testing.assert_array_equal(read(path).pixels, pixels, strict=True)
    if suffix == ".tif":  # by another reader too
        np.testing.assert_array_equal(tifffile.imread(path), pixels, strict=True)


@pytest.mark.parametrize("channels", [1, 2])
def test_webp_makes_three_equal_channels_of_grey(tmp_path: Path, channels: int) -> None:
    pixels = random_pixels("uint8", channels, (17, 8))
    write(tmp_path / "a.webp", Picture(pixels))
    again = read(tmp_path / "a.webp").pixels
    planes = pixels.reshape(17, 8, -1)
    wanted = np.concatenate([planes[..., :1]] * 3 + [planes[..., 1:]], axis=-1)
    np.testing.assert_array_equal(again, wanted)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".jpg", ".JPEG"])
def test_jpeg_keeps_shape_and_depth(tmp_path: Path, suffix: str, channels: int, size: tuple[int, int]) -> None:
    pixels = random_pixels("uint8", channels, size)
    write(tmp_path / f"a{suffix}", Picture(pixels))
    again = read(tmp_path / f"a{suffix}").pixels
    assert (again.shape, again.dtype) == (pixels.shape, pixels.dtype)
    assert np.abs(again.astype(int) - pixels).mean() < 6


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_jpeg_is_of_high_quality_and_full_chroma(tmp_path: Path, dtype: str) -> None:
    pixels = smooth_pixels(dtype, 3)
    write(tmp_path / "a.jpg", Picture(pixels))
    data = (tmp_path / "a.jpg").read_bytes()
    frame = data.index(b"\xff\xc0")  # baseline: length, precision, height, width, count, then 3 bytes for each component
    assert [data[frame + 11 + 3 * i] for i in range(3)] == [0x11, 0x11, 0x11]
    table = data.index(b"\xff\xdb")  # quantisation: length, table number, then 64 steps, 16 of the standard's for the first
    assert data[table + 5] == round(16 * (200 - 2 * 95) / 100)
    exact = pixels / np.iinfo(dtype).max * 255
    difference = read(tmp_path / "a.jpg").pixels - exact
    assert np.abs(difference).max() <= 4
    assert abs(difference.mean()) < 0.25  # cutting bits off instead of rounding would darken by a half


@pytest.mark.parametrize(("suffix", "depth"), [(".jpg", "uint8"), (".webp", "uint8"), (".png", "uint16")])
def test_floats_take_the_deepest_integers_of_the_format(tmp_path: Path, suffix: str, depth: str) -> None:
    pixels = np.full((16, 16, 3), 0.3, np.float32)
    write(tmp_path / f"a{suffix}", Picture(pixels))
    again = read(tmp_path / f"a{suffix}").pixels
    assert again.dtype == depth
    assert np.abs(again / np.iinfo(depth).max - 0.3).max() <= 0.5 / np.iinfo(depth).max + 1e-7


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_16_bits_and_8_bits_agree_on_black_and_white(tmp_path: Path, suffix: str) -> None:
    for dtype in ("uint8", "uint16"):
        pixels = np.zeros((16, 32, 3), dtype)
        pixels[:, 16:] = np.iinfo(dtype).max
        write(tmp_path / f"{dtype}{suffix}", Picture(pixels))
        again = read(tmp_path / f"{dtype}{suffix}").pixels
        assert again[0, 0, 0] == 0
        assert again[-1, -1, 0] == np.iinfo(again.dtype).max


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(("dtype", "bound"), [("uint8", 5), ("uint16", 700)])
def test_avif_keeps_shape_and_depth(tmp_path: Path, dtype: str, bound: int, channels: int) -> None:
    pixels = smooth_pixels(dtype, channels)
    write(tmp_path / "a.avif", Picture(pixels))
    again = read(tmp_path / "a.avif").pixels
    assert (again.shape, again.dtype) == (pixels.shape, pixels.dtype)
    assert np.abs(again.astype(int) - pixels).max() <= bound


def test_avif_of_one_pixel(tmp_path: Path) -> None:
    write(tmp_path / "a.avif", Picture(np.full((1, 1, 3), 200, np.uint8)))
    assert np.abs(read(tmp_path / "a.avif").pixels.astype(int) - 200).max() <= 3


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".avif"])
def test_resolution_is_kept_without_exif_too(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"a{suffix}", Picture(smooth_pixels("uint8", 3), Metadata(resolution=(11.8, 5.9))))
    assert read(tmp_path / f"a{suffix}").metadata.resolution == pytest.approx((11.8, 5.9), rel=0.01)


def test_with_pixels_changes_pixels_only() -> None:
    picture = Picture(np.zeros((2, 3), np.uint8), Metadata(xmp=b"<x/>", resolution=(1.0, 2.0)), Path("a.png"))
    other = picture.with_pixels(np.ones((2, 3), np.uint16))
    assert (other.metadata, other.path) == (picture.metadata, picture.path)
    assert other.pixels.dtype == np.uint16
    assert picture.pixels.dtype == np.uint8


def test_an_existing_file_is_kept_unless_overwriting_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write(path, Picture(np.zeros((2, 3), np.uint8)))
    path.chmod(0o640)
    with pytest.raises(UsageError, match=r"a\.png exists already"):
        write(path, Picture(np.ones((2, 3), np.uint8)))
    assert read(path).pixels.max() == 0
    write(path, Picture(np.ones((2, 3), np.uint8)), overwrite=True)
    assert read(path).pixels.max() == 1
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["a.png"]  # noqa: PTH208 - hidden files too


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    write(tmp_path / "a.png", Picture(np.zeros((2, 3), np.uint8)))
    (tmp_path / "link.png").symlink_to("a.png")
    write(tmp_path / "link.png", Picture(np.ones((2, 3), np.uint8)), overwrite=True)
    assert (tmp_path / "link.png").is_symlink()
    assert read(tmp_path / "a.png").pixels.max() == 1


@pytest.mark.parametrize("step", ["fsync", "replace", "interrupt"])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "a.png"
    write(path, Picture(np.zeros((2, 3), np.uint8)))

    def fail(*_: object) -> None:
        if step == "interrupt":
            raise KeyboardInterrupt
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if step == "replace":
            patch.setattr(Path, "replace", fail)
        else:
            patch.setattr(os, "fsync", fail)
        kind, words = (KeyboardInterrupt, None) if step == "interrupt" else (UnnoiseError, r"a\.png .*: No space left")
        with pytest.raises(kind, match=words):
            write(path, Picture(np.ones((2, 3), np.uint8)), overwrite=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]
    assert read(path).pixels.max() == 0


def test_the_file_is_complete_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    replace = Path.replace

    def spy(self: Path, target: Path) -> Path:
        seen.append((self.parent, self.suffix, self.name.startswith("."), read(self).pixels.shape, target.exists()))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", spy)
    write(tmp_path / "a.png", Picture(np.zeros((2, 3), np.uint8)))
    assert seen == [(tmp_path, ".png", True, (2, 3), False)]


@pytest.mark.parametrize(
    ("name", "pixels", "fragment"),
    [
        ("a.pcx", np.zeros((2, 3), np.uint8), ".png, .jpg"),
        ("a", np.zeros((2, 3), np.uint8), "no suffix"),
        ("folder.png", np.zeros((2, 3), np.uint8), "is a folder"),
        ("nowhere/a.png", np.zeros((2, 3), np.uint8), "There is no folder"),
        ("a.jpg", np.zeros((2, 3, 4), np.uint8), "transparency"),
        ("a.jpg", np.zeros((2, 3, 2), np.uint16), "transparency"),
        ("a.png", np.zeros((2, 3), np.int64), "int64"),
        ("a.png", np.zeros((2, 3, 5), np.uint8), "(2, 3, 5)"),
        ("a.npy", np.zeros((0, 3), np.uint8), "(0, 3)"),
        ("a.png", np.full((2, 3), 200.0), "from 200 to 200"),
        ("a.jpg", np.full((2, 3), np.nan), "6 values that are NaN"),
    ],
)
def test_wrong_calls_are_refused_and_leave_nothing(tmp_path: Path, name: str, pixels: np.ndarray, fragment: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UsageError) as caught:
        write(tmp_path / name, Picture(pixels))
    assert Path(name).name in str(caught.value)
    assert fragment in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.png"]


def test_what_cannot_be_encoded_is_said_in_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnnoiseError) as caught:
        write(tmp_path / "a.webp", Picture(np.zeros((1, 20_000), np.uint8)))  # WebP ends at 16383
    assert str(caught.value).startswith(f"{tmp_path / 'a.webp'} cannot be encoded here (")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_the_operation_cache_is_off(tmp_path: Path) -> None:
    write(tmp_path / "a.png", Picture(np.zeros((2, 3), np.uint8)))
    read(tmp_path / "a.png")
    assert vips.libvips().cache_get_max() == 0
    assert vips.libvips().cache_get_size() == 0
