"""Files that state much and hold little are refused before memory or time is spent."""

from __future__ import annotations

import gzip
import io
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise import images
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files import memory
from unnoise.files.limits import PAGES, PIXELS, UNPACKED_BYTES
from unnoise.images import Picture, read, write
from unnoise.images.claims import check_claim
from unnoise.images.damage import damaged
from unnoise.images.formats import JPEG, PNG
from unnoise.images.single_page import SinglePage
from unnoise.images.tags import File


def png(path: Path, width: int, height: int, color_type: int = 2, bits: int = 8, data: bytes = b"") -> Path:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("size", [(4_194_384, 96), (60_000, 60_000)])
def test_a_png_that_states_more_than_it_can_hold(tmp_path: Path, size: tuple[int, int]) -> None:
    path = png(tmp_path / "a.png", *size, data=zlib.compress(bytes(6000)))
    with pytest.raises(UnnoiseError, match=f"states {size[0]} × {size[1]} pixels, which its"):
        read(path)


@pytest.mark.parametrize(("color_type", "bits"), [(0, 1), (0, 8), (2, 8), (2, 16), (6, 8)])
def test_the_emptiest_png_passes(tmp_path: Path, color_type: int, bits: int) -> None:
    samples = {0: 1, 2: 3, 6: 4}[color_type]
    rows = bytes((1 + (4000 * samples * bits + 7) // 8) * 4000)
    path = png(tmp_path / "a.png", 4000, 4000, color_type, bits, zlib.compress(rows, 9))
    check_claim(path, PNG)


def test_the_emptiest_jpegs_pass(tmp_path: Path) -> None:
    from unnoise.images.vips import libvips

    black = libvips().Image.black(4000, 4000)
    for number, options in enumerate(({}, {"interlace": True}, {"optimize_coding": True, "interlace": True, "Q": 1})):
        path = tmp_path / f"{number}.jpg"
        black.jpegsave(str(path), **options)
        check_claim(path, JPEG)


def test_a_jpeg_that_states_more_than_it_can_hold(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", Picture(np.zeros((16, 16, 3), np.uint8)))
    data = bytearray((tmp_path / "a.jpg").read_bytes())
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 65500, 65500)
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(UnnoiseError, match="states 65500 × 65500 pixels"):
        read(tmp_path / "a.jpg")


def test_more_pixels_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.zeros((20, 30), np.uint8)
    for name in ("a.png", "a.tif", "a.jpg", "a.webp"):
        write(tmp_path / name, Picture(pixels if name[-1] != "p" else np.zeros((20, 30, 3), np.uint8)))
    tifffile.imwrite(tmp_path / "planes.tif", np.zeros((3, 20, 30), np.uint16), planarconfig="separate", photometric="rgb")
    np.save(tmp_path / "a.npy", pixels)
    for path in sorted(tmp_path.iterdir()):
        monkeypatch.setenv(PIXELS.variable, "599")
        with pytest.raises(UnnoiseError, match=r"has 600 pixels, more than the limit of 599.*set UNNOISE_MAX_PIXELS=600"):
            read(path)
        monkeypatch.setenv(PIXELS.variable, "600")
        assert read(path).shape[:2] == (20, 30)


def test_a_zarr_that_states_more_than_the_limit(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(10**6, 10**6), chunks=(1000, 1000), dtype="uint8")
    with pytest.raises(UnnoiseError, match="UNNOISE_MAX_PIXELS"), images.open(tmp_path / "a.zarr") as source:
        source[0]


def test_a_small_packed_file_that_holds_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nibabel = pytest.importorskip("nibabel")
    pixels = np.arange(20 * 24, dtype=np.float32).reshape(24, 20)
    whole, path = nibabel.Nifti1Image(pixels, np.eye(4)).to_bytes(), tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(whole))
    monkeypatch.setenv(UNPACKED_BYTES.variable, str(len(whole)))
    np.testing.assert_array_equal(read(path).pixels, pixels.T)
    path.write_bytes(gzip.compress(whole + bytes(10**7)))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with pytest.raises(UnnoiseError, match=r"a\.nii\.gz has .* bytes unpacked, more than .* set UNNOISE_MAX_UNPACKED_BYTES="):
        read(path)
    assert not list((tmp_path / "temporary").iterdir())


def test_a_small_psd_whose_pixels_unpack_to_much(tmp_path: Path) -> None:
    data = b"8BPS" + struct.pack(">H6xHIIHH", 1, 1, 20, 24, 8, 1) + bytes(12)
    for extra, sound in ((0, True), (3 * 10**8, False)):
        path = tmp_path / f"{extra}.psd"
        path.write_bytes(data + struct.pack(">H", 2) + _deflated(bytes(range(240)) * 2, extra))
        tracemalloc.start()
        pixels = read(path).pixels
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert pixels.tobytes() == bytes(range(240)) * 2
        assert sound or most < 2 * 10**7


def _deflated(start: bytes, zeros: int) -> bytes:
    """Deflated without holding all."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(start), *(packer.compress(bytes(10**6)) for _ in range(zeros // 10**6)), packer.flush()]
    return b"".join(parts)


@pytest.mark.parametrize("compression", ["zlib", "lzw", "packbits"])
def test_a_small_page_that_states_a_large_strip(tmp_path: Path, compression: str) -> None:
    """libtiff would take the memory before it finds that the bytes are too few."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((4000, 4000), np.uint8), compression=compression, rowsperstrip=4000)
    assert not read(path).pixels.any()  # the emptiest passes
    tifffile.imwrite(path, np.zeros((18, 20), np.uint8), compression=compression)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["ImageWidth"].overwrite(12_255_252)
    with pytest.raises(
        UnnoiseError, match=r"a\.tif cannot be decoded \(it states 220594536 bytes of pixels, which \d+ bytes cannot hold\)"
    ):
        read(path)


def test_a_limit_that_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PIXELS.variable, "many")
    with pytest.raises(UsageError, match="UNNOISE_MAX_PIXELS does not take 'many'"):
        PIXELS.value()


def pages(path: Path, count: int, **options: object) -> list[np.ndarray]:
    frames = [np.full((5, 4), 3 * number % 251, np.uint8) for number in range(count)]
    with tifffile.TiffWriter(path, **options) as file:  # type: ignore[arg-type]
        for frame in frames:
            file.write(frame, contiguous=False, compression="zlib" if len(path.name) > 5 else None)
    return frames


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}])
@pytest.mark.parametrize("name", ["a.tif", "deflate.tif"])
def test_each_of_many_pages_is_read_as_it_is(tmp_path: Path, options: dict[str, object], name: str) -> None:
    frames = pages(tmp_path / name, 18, **options)
    with images.open(tmp_path / name) as source:
        for number in (0, 1, 9, len(frames) - 1):
            np.testing.assert_array_equal(source[number].picture().pixels, frames[number])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux counts the bytes that a process reads")
def test_opening_a_page_reads_no_other(tmp_path: Path) -> None:
    def bytes_read(count: int) -> int:
        pages(tmp_path / "a.tif", count)
        with images.open(tmp_path / "a.tif") as source:
            before = psutil.Process().io_counters().read_chars
            for number in range(count - 20, count):
                source[number]
            return int(psutil.Process().io_counters().read_chars - before)

    bytes_read(20)
    few, many = bytes_read(30), bytes_read(1500)
    assert many < 5 * few  # 50 times, when libvips counts the pages each time


def test_pages_of_half_floats_are_read_by_tifffile(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).random((20, 8, 9)).astype(np.float16)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for frame in frames:
            file.write(frame, contiguous=False)
    with images.open(tmp_path / "a.tif") as source:
        np.testing.assert_array_equal(source[19].picture().pixels, frames[19])


def test_more_pages_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages(tmp_path / "a.tif", 5)
    monkeypatch.setenv(PAGES.variable, "4")
    with pytest.raises(UnnoiseError, match="set UNNOISE_MAX_PAGES=5"):
        images.open(tmp_path / "a.tif")


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 400), size=st.integers(0, 400), big=st.booleans())
def test_a_single_page_reads_alike_in_any_pieces(
    tmp_path_factory: pytest.TempPathFactory, start: int, size: int, big: bool
) -> None:
    path = tmp_path_factory.mktemp("pages") / "a.tif"
    pages(path, 3, bigtiff=big)
    file = File.of(path.read_bytes())
    assert file is not None
    last = list(file.directories())[-2][0]
    with SinglePage(path, last, file) as page:
        whole = page.read()
        page.seek(start)
        assert page.read(size) == whole[start : start + size]
    found = File.of(whole)
    assert found is not None
    assert [place for place, _ in found.directories()] == [last]
    assert len(tifffile.TiffFile(io.BytesIO(whole)).pages) == 1


def _stating(path: Path, side: int) -> Path:
    """A small picture whose header states a square of this side. No decoder sees it."""
    images.write(path, images.Picture(np.zeros((20, 24, 3), np.uint8)))
    data = path.read_bytes()
    if path.suffix == ".webp":
        place = data.index(b"VP8L") + 9
        data = data[:place] + (side - 1 | side - 1 << 14).to_bytes(4, "little") + data[place + 4 :]
    else:
        place = data.index(b"ispe") + 8
        data = data[:place] + side.to_bytes(4, "big") * 2 + data[place + 8 :]
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("suffix", "side"), [(".avif", 30_000), (".heic", 30_000), (".webp", 16_000)])
def test_memory_is_estimated_before_a_decoder_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, side: int
) -> None:
    if suffix == ".heic":
        pytest.importorskip("pillow_heif")
    monkeypatch.setattr(memory, "free_bytes", lambda: 10**9)
    path = _stating(tmp_path / f"a{suffix}", side)
    with pytest.raises(
        UnnoiseError, match=r"a\.\w+ needs about [\d.]+ GiB of memory, and [\d.]+ [GM]iB are missing; .*PNG or TIFF"
    ):
        images.read(path)


def test_memory_for_a_strip_is_estimated_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    options = {"compression": "zlib", "rowsperstrip": 20}
    tifffile.imwrite(path, np.zeros((20, 24), np.float16), **options)
    assert images.read(path).shape == (20, 24)
    with tifffile.TiffFile(path, mode="r+") as file:
        for name in ("ImageLength", "ImageWidth", "RowsPerStrip"):
            file.pages[0].tags[name].overwrite(30_000)
        file.pages[0].tags["StripByteCounts"].overwrite(2_000_000)  # enough for so many zeros
    with path.open("ab") as end:
        end.write(bytes(2_000_000))
    monkeypatch.setattr(memory, "free_bytes", lambda: 10**9)
    with pytest.raises(
        UnnoiseError, match=r"needs about 5\.0 GiB of memory, and 4\.1 GiB are missing; .*strips or tiles of fewer rows"
    ):
        images.read(path)


@pytest.mark.parametrize("reason", [MemoryError(), ValueError("Unable to allocate 3 GiB for an array"), "out of memory"])
def test_a_lack_of_memory_is_no_damage(reason: Exception | str) -> None:
    said = str(damaged(Path("a.png"), reason))
    assert "memory ran out" in said
    assert "damaged" not in said
