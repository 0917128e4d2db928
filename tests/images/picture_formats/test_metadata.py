"""What picture formats say beside their pixels stays, and other libraries find it."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pillow_jxl
import pytest
from PIL import Image, ImageCms

from images.exif_blocks import exif_block
from images.picture_formats.samples import HEIGHT, RESOURCES, SAMPLES, TWO_LAYERS, WIDTH, photo, photoshop
from images.test_stacks import copy
from unnoise.errors import UnnoiseError, UnnoiseWarning, UsageError
from unnoise.images import Layout, Metadata, Picture, read, tags, vips, write
from unnoise.images.picture_formats import jpeg_xl_header
from unnoise.images.picture_formats.boxes import box, boxes

XMP = b"<x:xmpmeta>words</x:xmpmeta>"
assert pillow_jxl  # it registers itself with Pillow


def p3() -> bytes:
    return bytes(vips.libvips().Image.profile_load("p3"))


def in_srgb(pixels: np.ndarray, icc: bytes) -> np.ndarray:
    made = ImageCms.profileToProfile(Image.fromarray(pixels), io.BytesIO(icc), ImageCms.createProfile("sRGB"))
    return np.array(made)


def test_boxes_of_jpeg_xl_stay(tmp_path: Path) -> None:
    block = exif_block(orientation=1)
    Image.fromarray(photo()).save(tmp_path / "a.jxl", lossless=True, exif=block, xmp=XMP, use_container=True)
    copy(tmp_path / "a.jxl", tmp_path / "b.jxl")
    with Image.open(tmp_path / "b.jxl") as image:
        assert image.info["exif"].removeprefix(b"Exif\0\0") == block
        np.testing.assert_array_equal(np.array(image), photo())
    assert box(b"xml ", XMP) in (tmp_path / "b.jxl").read_bytes()
    copy(tmp_path / "b.jxl", tmp_path / "c.png")
    assert read(tmp_path / "c.png").metadata.exif == block


def test_a_turned_jpeg_xl_is_read_upright(tmp_path: Path) -> None:
    stream = bytes(imagecodecs.jpegxl_encode(photo(), lossless=True, usecontainer=False))
    exif = box(b"Exif", bytes(4) + exif_block(orientation=6))
    (tmp_path / "a.jxl").write_bytes(
        box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl \0\0\0\0jxl ") + exif + box(b"jxlc", stream)
    )
    picture = read(tmp_path / "a.jxl")
    assert picture.metadata.orientation == 1  # the codestream alone turns the picture
    assert picture.shape == (HEIGHT, WIDTH, 3)


def test_wide_colors_of_jpeg_xl_stay(tmp_path: Path) -> None:
    """A few bits say what they are, of which libjxl makes a profile."""
    stream = bytes(imagecodecs.jpegxl_encode(photo(), lossless=True, usecontainer=False))
    # not the default, no profile, RGB, D65, P3, a curve by number: sRGB, relative intent
    bits = "0" + "0" + "00" + "10" + "01" + "1001" + "0" + "01" + "1101" + "10"
    (tmp_path / "a.jxl").write_bytes(jpeg_xl_header.with_colors(stream, bits))
    picture = read(tmp_path / "a.jxl")
    assert picture.metadata.icc
    copy(tmp_path / "a.jxl", tmp_path / "b.jxl")
    np.testing.assert_array_equal(np.asarray(imagecodecs.jpegxl_decode((tmp_path / "b.jxl").read_bytes())), photo())
    with Image.open(tmp_path / "a.jxl") as old, Image.open(tmp_path / "b.jxl") as new:
        assert new.info["icc_profile"] == old.info["icc_profile"]
        theirs = in_srgb(photo(), old.info["icc_profile"])
    ours = in_srgb(photo(), picture.metadata.icc)
    assert np.abs(theirs.astype(int) - photo()).max() > 10
    assert np.abs(theirs.astype(int) - ours).max() <= 1


def test_hdr_of_jpeg_xl_stays_and_is_refused_elsewhere(tmp_path: Path) -> None:
    stream = bytes(imagecodecs.jpegxl_encode(photo("uint16", bits=10), lossless=True, bitspersample=10, usecontainer=False))
    own = jpeg_xl_header.parse(stream)
    # not the default, no profile, RGB, D65, BT.2100, a curve by number: PQ, relative intent
    pq = "0" + "0" + "00" + "10" + "01" + "1110" + "0" + "01" + "0111" + "10"
    assert own.bits == 10
    named = jpeg_xl_header.described(pq)
    assert named["space"] == 0
    (tmp_path / "a.jxl").write_bytes(jpeg_xl_header.with_colors(stream, pq))
    picture = read(tmp_path / "a.jxl")
    assert picture.metadata.cicp == (9, 16)
    copy(tmp_path / "a.jxl", tmp_path / "b.jxl")
    assert read(tmp_path / "b.jxl").metadata.cicp == (9, 16)
    copy(tmp_path / "a.jxl", tmp_path / "c.png")
    assert read(tmp_path / "c.png").metadata.cicp == (9, 16)
    for suffix in (".jp2", ".psd", ".tif"):
        with pytest.raises(UsageError, match=r"would show false colours: the picture is HDR \(PQ\)"):
            write(tmp_path / f"d{suffix}", picture)


@pytest.mark.parametrize("quality", [60, 90])
def test_a_lossy_jpeg_xl_stays_about_as_large(tmp_path: Path, quality: int) -> None:
    pixels = np.kron(photo(), np.ones((4, 4, 1), np.uint8))
    (tmp_path / "a.jxl").write_bytes(imagecodecs.jpegxl_encode(pixels, level=quality, lossless=False))
    copy(tmp_path / "a.jxl", tmp_path / "b.jxl")
    old, new = ((tmp_path / name).stat().st_size for name in ("a.jxl", "b.jxl"))
    assert 0.6 * old < new < 1.6 * old


@pytest.mark.parametrize("lossy", [False, True])
def test_boxes_of_jpeg_2000_stay(tmp_path: Path, lossy: bool) -> None:
    options = {"level": 38} if lossy else {"reversible": True}
    stream = bytes(imagecodecs.jpeg2k_encode(photo(), codecformat="j2k", **options))
    header = box(b"ihdr", struct.pack(">IIHBBBB", HEIGHT, WIDTH, 3, 7, 7, 0, 0)) + box(b"colr", b"\2\0\0" + p3())
    header += box(b"res ", box(b"resc", struct.pack(">HHHHbb", 300, 254, 300, 254, 4, 4)))
    extra = box(b"uuid", b"JpgTiffExif->JP2" + exif_block()) + box(b"xml ", b"<gml/>")
    extra += box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + XMP)
    head = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    (tmp_path / "a.jp2").write_bytes(head + box(b"jp2h", header) + extra + box(b"jp2c", stream))
    said = read(tmp_path / "a.jp2").metadata
    assert (said.exif, said.xmp, said.icc) == (exif_block(), XMP, p3())
    assert said.resolution == pytest.approx((11.811, 11.811), rel=1e-3)
    copy(tmp_path / "a.jp2", tmp_path / "b.jp2")
    found = {kind: whole for kind, _, whole in boxes((tmp_path / "b.jp2").read_bytes())}
    assert extra in (tmp_path / "b.jp2").read_bytes()
    assert header[22:] in found[b"jp2h"]
    assert len(found[b"jp2c"]) < 1.5 * len(stream) + 100
    with Image.open(tmp_path / "b.jp2") as image:  # by OpenJPEG too, but with a parser of its own for boxes
        assert np.abs(np.array(image).astype(int) - read(tmp_path / "a.jp2").pixels).max() <= (40 if lossy else 0)


def test_jpeg_2000_of_other_sources_says_what_they_say(tmp_path: Path) -> None:
    write(tmp_path / "a.jp2", Picture(photo(), Metadata(exif_block(), XMP, p3(), resolution=(11.8, 11.8))))
    said = read(tmp_path / "a.jp2").metadata
    assert (said.exif, said.xmp, said.icc) == (exif_block(), XMP, p3())
    assert said.resolution == pytest.approx((11.8, 11.8), rel=1e-3)
    write(tmp_path / "b.jp2", Picture(photo(channels=4), stated=Layout("cmyk")))
    assert read(tmp_path / "b.jp2").layout == Layout("cmyk")
    np.testing.assert_array_equal(read(tmp_path / "b.jp2").pixels, photo(channels=4))


def test_colors_of_jpeg_2000_in_luma_and_chroma_are_refused_or_right(tmp_path: Path) -> None:
    """sYCC that OpenJPEG turns to RGB comes back as RGB, and says so."""
    stream = bytes(
        imagecodecs.jpeg2k_encode(np.full((16, 16, 3), 128, np.uint8), codecformat="j2k", reversible=True, mct=False)
    )
    header = box(b"ihdr", struct.pack(">IIHBBBB", 16, 16, 3, 7, 7, 0, 0)) + box(b"colr", b"\1\0\0" + struct.pack(">I", 18))
    head = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    (tmp_path / "a.jp2").write_bytes(head + box(b"jp2h", header) + box(b"jp2c", stream))
    with Image.open(tmp_path / "a.jp2") as image:
        wanted = np.array(image.convert("RGB"))
    try:
        np.testing.assert_allclose(read(tmp_path / "a.jp2").pixels.astype(int), wanted, atol=1)
    except UsageError as error:
        assert "YCC" in str(error)  # noqa: PT017


def test_resources_of_photoshop_stay_and_layers_are_named(tmp_path: Path) -> None:
    SAMPLES["rgb.psd"](tmp_path / "a.psd")
    with pytest.warns(UnnoiseWarning, match=r"b\.psd does not hold all that its source does: its layers stays behind"):
        copy(tmp_path / "a.psd", tmp_path / "b.psd")
    data = (tmp_path / "b.psd").read_bytes()
    for number in (1005, 1028, 1060, 1032):
        assert RESOURCES[RESOURCES.index(b"8BIM" + struct.pack(">H", number)) :][:20] in data
    assert b"old thumbnail" not in data
    said = read(tmp_path / "b.psd").metadata
    assert said.xmp == b"<x:xmpmeta/>"
    assert said.resolution == pytest.approx((11.811, 11.811), rel=1e-3)
    with Image.open(tmp_path / "b.psd") as image:
        np.testing.assert_array_equal(np.array(image), photo())


@pytest.mark.filterwarnings("ignore::unnoise.errors.UnnoiseWarning")
def test_transparency_of_photoshop_is_no_selection(tmp_path: Path) -> None:
    SAMPLES["alpha16.psd"](tmp_path / "a.psd")
    SAMPLES["selection.psd"](tmp_path / "b.psd")
    assert read(tmp_path / "a.psd").layout == Layout("rgb", 1)
    assert read(tmp_path / "b.psd").layout == Layout("channels")
    copy(tmp_path / "a.psd", tmp_path / "c.psd")
    assert read(tmp_path / "c.psd").layout == Layout("rgb", 1)


def test_photoshop_without_a_merged_picture_is_refused(tmp_path: Path) -> None:
    version = b"8BIM" + struct.pack(">HHI", 1057, 0, 6) + b"\0\0\0\1\0\0"
    (tmp_path / "a.psd").write_bytes(photoshop(photo(), 3, layers=TWO_LAYERS, resources=version)())
    with pytest.raises(UsageError, match="holds layers but no merged picture"):
        read(tmp_path / "a.psd")
    (tmp_path / "b.psd").write_bytes(photoshop(photo(), 9)())
    with pytest.raises(UsageError, match="has Lab colors"):
        read(tmp_path / "b.psd")


def test_headers_of_simple_formats_stay(tmp_path: Path) -> None:
    SAMPLES["rgb.bmp"](tmp_path / "a.bmp")
    copy(tmp_path / "a.bmp", tmp_path / "b.bmp")
    with Image.open(tmp_path / "b.bmp") as image:
        assert image.info["dpi"] == pytest.approx((300, 150), rel=1e-3)
    SAMPLES["rgb.tga"](tmp_path / "a.tga")
    copy(tmp_path / "a.tga", tmp_path / "b.tga")
    with Image.open(tmp_path / "b.tga") as image:
        assert image.info["id_section"] == b"a name"
    SAMPLES["text.ppm"](tmp_path / "a.ppm")
    copy(tmp_path / "a.ppm", tmp_path / "b.ppm")
    assert (tmp_path / "b.ppm").read_bytes().startswith(b"P3\n# shot by hand\n")
    for order in ("-Y 24 +X 37", "+Y 24 -X 37", "-X 24 +Y 37"):
        sky = bytes(imagecodecs.rgbe_encode(photo("float32") * 7, rle=False)).replace(b"-Y 24 +X 37", order.encode())
        (tmp_path / "a.hdr").write_bytes(sky.replace(b"FORMAT", b"EXPOSURE=2.5\nFORMAT", 1))
        (tmp_path / "b.hdr").unlink(missing_ok=True)
        copy(tmp_path / "a.hdr", tmp_path / "b.hdr")
        assert (tmp_path / "b.hdr").read_bytes().partition(b"\n\n")[0] == b"#?RADIANCE\nEXPOSURE=2.5\nFORMAT=32-bit_rle_rgbe"
        assert order.encode() in (tmp_path / "b.hdr").read_bytes()
        np.testing.assert_array_equal(read(tmp_path / "a.hdr").pixels, read(tmp_path / "b.hdr").pixels)
    np.testing.assert_array_equal(read(tmp_path / "a.hdr").pixels[:, ::-1].shape, (WIDTH, HEIGHT, 3))


def test_what_a_plain_format_cannot_say_is_named(tmp_path: Path) -> None:
    with pytest.warns(UnnoiseWarning, match=r"its EXIF, its XMP, its ICC profile stays behind"):
        write(tmp_path / "a.ppm", Picture(photo(), Metadata(exif_block(), XMP, p3())))
    with pytest.raises(UsageError, match=r"a\.hdr cannot hold values of type uint8, coded for display"):
        write(tmp_path / "a.hdr", Picture(photo()))


def test_a_bitmap_of_sixteen_colors_gets_more_where_the_result_has_more(tmp_path: Path) -> None:
    colors = np.random.default_rng(0).integers(0, 256, (16, 3), np.uint8)
    numbers = np.random.default_rng(1).integers(0, 16, (24, 32), np.uint8)
    table = np.pad(colors[:, ::-1], ((0, 0), (0, 1))).tobytes()
    rows = (numbers[::-1, ::2] << 4 | numbers[::-1, 1::2]).tobytes()
    place = 14 + 40 + len(table)
    head = struct.pack("<IiiHHIIiiII", 40, 32, 24, 1, 4, 0, len(rows), 0, 0, 16, 16)
    (tmp_path / "a.bmp").write_bytes(b"BM" + struct.pack("<IHHI", place + len(rows), 0, 0, place) + head + table + rows)
    picture = read(tmp_path / "a.bmp")
    np.testing.assert_array_equal(picture.pixels, colors[numbers], strict=True)
    smooth = np.stack(np.broadcast_arrays(*np.ogrid[:256:4, :256:4], 90), axis=-1).astype(np.uint8)
    write(tmp_path / "b.bmp", picture.with_pixels(smooth))
    with Image.open(tmp_path / "b.bmp") as image:
        assert image.mode == "P"
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - smooth).mean() < 8


def test_several_pictures_of_netpbm_are_refused(tmp_path: Path) -> None:
    SAMPLES["raw.pgm"](tmp_path / "a.pgm")
    (tmp_path / "b.pgm").write_bytes((tmp_path / "a.pgm").read_bytes() * 2)
    with pytest.raises(UsageError, match="several pictures"):
        read(tmp_path / "b.pgm")


def test_a_huge_size_in_a_small_file_is_damage(tmp_path: Path) -> None:
    data = bytearray(photoshop(photo(), 3)())
    data[14:22] = struct.pack(">II", 2**20, 2**20)
    (tmp_path / "a.psd").write_bytes(data)
    with pytest.raises(UnnoiseError, match="cannot be decoded"):
        read(tmp_path / "a.psd")


def test_bytes_decide_which_format_it_is(tmp_path: Path) -> None:
    made = io.BytesIO()
    Image.fromarray(photo()).save(made, "BMP")
    (tmp_path / "a.png").write_bytes(made.getvalue())
    np.testing.assert_array_equal(read(tmp_path / "a.png").pixels, photo())
    assert tags.orientation(read(tmp_path / "a.png").metadata.exif) == 1
