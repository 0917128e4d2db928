"""Metadata survives byte by byte, in the same format and in others, and other programs can read it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from images.exif_blocks import NOTE, exif_block
from unnoise.errors import UnnoiseWarning
from unnoise.images import Metadata, Picture, png, read, tags, write
from unnoise.images.jpeg import segment, segments

PROFILE = bytes(pyvips.Image.profile_load("srgb"))
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- \xc3\xa4 --></x:xmpmeta>'
RESOURCES = b"8BIM\x04\x04\0\0\0\0\0\x06\x1c\x02\x05\0\x01a"
BLOCKS = [".jpg", ".png", ".webp", ".avif", ".heic"]
"""Formats that hold EXIF as one block."""


def pixels(dtype: str = "uint8", channels: int = 3, size: tuple[int, int] = (24, 36)) -> np.ndarray:
    rows, columns = np.mgrid[: size[0], : size[1]]
    ramps = np.stack([(rows * (c + 1) + columns * 2) / (size[0] * (c + 1) + size[1] * 2) for c in range(channels)], axis=-1)
    return (ramps * np.iinfo(dtype).max).astype(dtype)


def needs_heic(suffix: str) -> None:
    if suffix == ".heic":
        pytest.importorskip("pillow_heif", reason="HEIC needs the extra heic")


def seen_by_pillow(path: Path) -> dict[str, Any]:
    if path.suffix == ".heic":
        import pillow_heif

        return dict(pillow_heif.open_heif(path).info)
    with Image.open(path) as image:
        image.load()
        return dict(image.info)


@pytest.mark.parametrize("suffix", BLOCKS)
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_byte_is_kept_and_others_find_it(tmp_path: Path, suffix: str, order: str) -> None:
    needs_heic(suffix)
    exif = exif_block(order)
    write(tmp_path / f"a{suffix}", Picture(pixels(), Metadata(exif, XMP, PROFILE, resolution=(11.811, 11.811))))
    said = read(tmp_path / f"a{suffix}").metadata
    assert said.exif == exif
    assert said.xmp == XMP
    assert said.icc == PROFILE
    assert said.resolution == pytest.approx((11.811, 11.811), rel=1e-3)
    other = seen_by_pillow(tmp_path / f"a{suffix}")
    assert other["exif"].removeprefix(b"Exif\0\0") == exif
    assert other["icc_profile"] == PROFILE
    assert other.get("xmp", XMP) == XMP


@pytest.mark.parametrize("suffix", [*BLOCKS, ".tif"])
def test_a_second_generation_says_the_same(tmp_path: Path, suffix: str) -> None:
    needs_heic(suffix)
    write(tmp_path / f"a{suffix}", Picture(pixels(), Metadata(exif_block(), XMP, PROFILE, RESOURCES, (11.811, 11.811))))
    first = read(tmp_path / f"a{suffix}")
    write(tmp_path / f"b{suffix}", first)
    assert read(tmp_path / f"b{suffix}").metadata == first.metadata


@pytest.mark.parametrize("suffix", [*BLOCKS, ".tif"])
def test_a_file_that_says_nothing_says_nothing_after(tmp_path: Path, suffix: str) -> None:
    needs_heic(suffix)
    write(tmp_path / f"a{suffix}", Picture(pixels()))
    first = read(tmp_path / f"a{suffix}")
    assert first.metadata == Metadata(coding=first.metadata.coding)
    write(tmp_path / f"b{suffix}", first)
    assert read(tmp_path / f"b{suffix}").metadata == first.metadata


@pytest.mark.parametrize("suffix", BLOCKS)
def test_from_tiff_and_back(tmp_path: Path, suffix: str) -> None:
    """The tags stay, the thumbnail does not."""
    needs_heic(suffix)
    block = exif_block(">", orientation=1)
    write(tmp_path / f"a{suffix}", Picture(pixels(), Metadata(block, XMP, PROFILE)))
    write(tmp_path / "b.tif", read(tmp_path / f"a{suffix}"))
    write(tmp_path / f"c{suffix}", read(tmp_path / "b.tif"))
    said = read(tmp_path / f"c{suffix}").metadata
    wanted = tags.first(block)
    assert {code: tags.first(said.exif)[code] for code in wanted} == wanted
    assert tags.first(said.exif)[tags.EXIF][37500].data == NOTE
    assert (said.xmp, said.icc) == (XMP, PROFILE)
    with Image.open(tmp_path / "b.tif") as image:
        seen = image.getexif()
        assert seen[271] == "Camera"
        assert seen.get_ifd(tags.EXIF)[34855] == 6400
        assert seen.get_ifd(tags.GPS)[1] == "N"
        assert image.info["icc_profile"] == PROFILE
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].tags[34665].value["ISOSpeedRatings"] == 6400


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_orientation_is_kept_where_the_pixels_are(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"a{suffix}", Picture(pixels(), Metadata(exif_block(orientation=6))))
    again = read(tmp_path / f"a{suffix}")
    assert again.metadata.orientation == 6
    assert again.pixels.shape == (24, 36, 3)


@pytest.mark.parametrize("suffix", [".avif", ".heic"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_formats_that_turn_themselves_turn_once(tmp_path: Path, suffix: str, orientation: int) -> None:
    """What is shown is what EXIF asked for, and asks for no more turning, whatever it is converted to next."""
    needs_heic(suffix)
    source = pixels()
    write(tmp_path / "a.png", Picture(source, Metadata(exif_block(orientation=orientation))))
    write(tmp_path / f"b{suffix}", read(tmp_path / "a.png"))
    write(tmp_path / "c.png", read(tmp_path / f"b{suffix}"))
    shown = {
        1: source, 2: source[:, ::-1], 3: source[::-1, ::-1], 4: source[::-1],
        5: source.swapaxes(0, 1), 6: np.rot90(source, -1), 7: source[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(source),
    }[orientation]  # fmt: skip
    again = read(tmp_path / "c.png")
    assert again.metadata.orientation == 1
    assert again.pixels.shape == shown.shape
    assert np.abs(again.pixels.astype(int) - shown).max() <= 6
    assert tags.first(again.metadata.exif)[tags.EXIF][37500].data == NOTE


def test_all_segments_of_a_jpeg_stay_in_their_order(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", Picture(pixels()))
    bare = (tmp_path / "a.jpg").read_bytes()
    own = [
        (0xE0, b"JFIF\0\1\1\2\0\x76\0\x77\0\0"),
        (0xE1, b"Exif\0\0" + exif_block(">")),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
        (0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + bytes(8) + b"more"),
        (0xED, b"Photoshop 3.0\0" + RESOURCES),
        (0xE2, b"ICC_PROFILE\0\1\2" + PROFILE[:100]),
        (0xE2, b"ICC_PROFILE\0\2\2" + PROFILE[100:]),
        (0xE1, b"FLIR\0\1\0\0thermal values"),
        (0xE2, b"FPXR\0FlashPix"),
        (0xE3, b"Meta\0\0Kodak"),
        (0xE5, b"RMETA\0Ricoh"),
        (0xE6, b"GoPro\0DEVC"),
        (0xEC, b"Ducky\0quality"),
        (0xFE, b"a comment in \xe4\xf6\xfc"),
    ]
    others = [(0xE2, b"MPF\0offsets of other pictures"), (0xEB, b"JP signed"), (0xEE, b"Adobe\0d\0\0\0\0\1")]
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8" + b"".join(segment(*part) for part in own + others) + bare[2 + 18 :])
    source = read(tmp_path / "b.jpg")
    assert source.metadata.icc == PROFILE
    assert source.metadata.iptc == RESOURCES
    assert source.metadata.resolution == pytest.approx((11.811, 11.811), rel=1e-4)  # EXIF's word goes before JFIF's
    write(tmp_path / "c.jpg", source.with_pixels(255 - source.pixels))
    assert [part for part in segments((tmp_path / "c.jpg").read_bytes()) if part[0] >= 0xE0] == own


def test_all_that_a_png_says_stays(tmp_path: Path) -> None:
    write(tmp_path / "a.png", Picture(pixels("uint16")))
    bare = (tmp_path / "a.png").read_bytes()
    own = [
        png.chunk(b"gAMA", struct.pack(">I", 100_000)),
        png.chunk(b"cHRM", bytes(range(32))),
        png.chunk(b"pHYs", struct.pack(">IIB", 11811, 5905, 1)),
        png.chunk(b"tEXt", b"Title\0a title in \xe4"),
        png.chunk(b"tIME", bytes([7, 230, 1, 2, 3, 4, 5])),
        png.chunk(b"eXIf", exif_block()),
        png.chunk(b"orNt", b"another program's"),
    ]
    unsafe = png.chunk(b"iDOT", b"where rows lie")
    (tmp_path / "b.png").write_bytes(bare[:33] + b"".join(own) + unsafe + bare[33:])
    source = read(tmp_path / "b.png")
    write(tmp_path / "c.png", source)
    data = (tmp_path / "c.png").read_bytes()
    assert [data[start:end] for kind, start, end in png.chunks(data) if kind not in (b"IHDR", b"IDAT", b"IEND")] == own
    np.testing.assert_array_equal(read(tmp_path / "c.png").pixels, source.pixels)


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_all_tags_of_a_tiff_stay(tmp_path: Path, byteorder: Any, bigtiff: bool) -> None:
    extra = [
        (271, 2, None, "Camera", True),
        (65000, 12, 3, (1.5, -2.0, 1e300), True),
        (65001, 9, 2, (-5, 7), True),
        (65002, 7, None, bytes(range(99)), True),
        (700, 1, len(XMP), XMP, True),
        (34377, 7, None, RESOURCES, True),
    ]
    tifffile.imwrite(
        tmp_path / "a.tif", pixels("uint16"), bigtiff=bigtiff, byteorder=byteorder, photometric="rgb", iccprofile=PROFILE,
        description="words", metadata=None, resolution=(118.1, 59.05), resolutionunit="CENTIMETER", extratags=extra, software="x",
        datetime="2026:01:02 03:04:05", tile=(16, 32), compression="lzw", predictor=True,
    )  # fmt: skip
    source = read(tmp_path / "a.tif")
    assert source.metadata.resolution == pytest.approx((11.81, 5.905))
    assert (source.metadata.xmp, source.metadata.icc, source.metadata.iptc) == (XMP, PROFILE, RESOURCES)
    write(tmp_path / "b.tif", source)
    with tifffile.TiffFile(tmp_path / "a.tif") as first, tifffile.TiffFile(tmp_path / "b.tif") as second:
        offsets = {273, 279, 324, 325}
        said = [
            {tag.code: (tag.dtype, tag.count, tag.value) for tag in file.pages[0].tags if tag.code not in offsets}
            for file in (first, second)
        ]
        assert said[0] == said[1]
        np.testing.assert_array_equal(second.asarray(), pixels("uint16"))


def test_iptc_goes_between_jpeg_and_tiff(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", Picture(pixels(), Metadata(iptc=RESOURCES)))
    write(tmp_path / "b.tif", read(tmp_path / "a.jpg"))
    write(tmp_path / "c.jpg", read(tmp_path / "b.tif"))
    assert read(tmp_path / "c.jpg").metadata.iptc == RESOURCES
    tifffile.imwrite(tmp_path / "d.tif", pixels(), photometric="rgb", extratags=[(33723, 7, None, RESOURCES[12:], True)])
    assert read(tmp_path / "d.tif").metadata.iptc == RESOURCES


def test_a_large_profile_is_cut_and_joined(tmp_path: Path) -> None:
    profile = PROFILE + bytes(200_000)
    profile = struct.pack(">I", len(profile)) + profile[4:]
    write(tmp_path / "a.jpg", Picture(pixels(), Metadata(icc=profile)))
    assert read(tmp_path / "a.jpg").metadata.icc == profile
    assert seen_by_pillow(tmp_path / "a.jpg")["icc_profile"] == profile


@pytest.mark.parametrize("suffix", [".webp", ".avif"])
def test_resolution_joins_exif_that_lacks_it(tmp_path: Path, suffix: str) -> None:
    bare = tags.build({271: tags.Value(2, b"Camera\0"), tags.EXIF: {37500: tags.Value(7, NOTE)}})
    write(tmp_path / f"a{suffix}", Picture(pixels(), Metadata(bare, resolution=(11.8, 5.9))))
    said = read(tmp_path / f"a{suffix}").metadata
    assert said.resolution == pytest.approx((11.8, 5.9), rel=1e-3)
    assert said.exif[8 : len(bare)] == bare[8:]  # nothing moved
    assert tags.first(said.exif)[tags.EXIF] == {37500: tags.Value(7, NOTE)}


values = st.one_of(
    st.binary(min_size=1, max_size=40).map(lambda data: tags.Value(7, data)),
    st.lists(st.integers(0, 65535), min_size=1, max_size=9).map(
        lambda list_: tags.Value(3, struct.pack(f"<{len(list_)}H", *list_))
    ),
    st.floats(allow_nan=False).map(lambda value: tags.Value(12, struct.pack("<d", value))),
)
directories = st.dictionaries(st.integers(1, 60000).filter(lambda code: code not in tags.POINTERS), values, max_size=6)


@given(directories.filter(bool), directories, directories)
def test_tags_that_are_built_are_found(main: dict[int, Any], below: dict[int, Any], added: dict[int, Any]) -> None:
    block = tags.build(main | {tags.EXIF: below})
    assert tags.first(block) == main | {tags.EXIF: below}
    grown = tags.block_with(block, added)
    assert tags.first(grown) == main | {tags.EXIF: below} | added
    assert grown[8 : len(block)] == block[8:]


@settings(max_examples=200)
@given(
    st.sampled_from(["<", ">"]), st.lists(st.tuples(st.integers(0, 699), st.integers(0, 255)), max_size=6), st.integers(0, 699)
)
def test_damaged_tags_are_passed_over(order: str, bytes_: list[tuple[int, int]], keep: int) -> None:
    block = bytearray(exif_block(order))[:keep]
    for place, value in bytes_:
        if place < len(block):
            block[place] = value
    tags.first(bytes(block))
    assert 1 <= tags.orientation(bytes(block)) <= 8
    tags.upright(bytes(block))
    tags.block_with(bytes(block), {271: tags.Value(2, b"x\0")})


def test_values_of_metamorph_are_named(tmp_path: Path) -> None:
    """They are longer than their tags say, and point into the file."""
    extra = [(65000, 2, None, "kept", True)]
    tifffile.imwrite(tmp_path / "a.tif", pixels("uint16")[..., 0], photometric="minisblack", metadata=None, extratags=extra)
    source = read(tmp_path / "a.tif")
    assert source.metadata.left_behind == ()
    data = (tmp_path / "a.tif").read_bytes()
    replaced = data.replace(struct.pack("<HH", 65000, 2), struct.pack("<HH", 33629, 2))
    (tmp_path / "b.tif").write_bytes(replaced)
    with pytest.warns(UnnoiseWarning, match="the values of MetaMorph"):
        write(tmp_path / "c.tif", read(tmp_path / "b.tif"))
    with tifffile.TiffFile(tmp_path / "c.tif") as file:
        assert 33629 not in file.pages[0].tags


def test_pictures_below_a_page_are_named(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(pixels(), photometric="rgb", subifds=1, metadata=None)
        file.write(pixels()[::2, ::2], photometric="rgb", metadata=None)  # which does not say that it is the same picture
    with pytest.warns(UnnoiseWarning, match="other pictures below its page"):
        write(tmp_path / "b.tif", read(tmp_path / "a.tif"))
