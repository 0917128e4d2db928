"""TIFFs of rarer kinds, made by tifffile and libvips: their very pixels are read, and the result is of the same kind."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile

from images.test_stacks import copy, noise
from unnoise import images
from unnoise.errors import UnnoiseError, UsageError
from unnoise.images import Layout, Scratch, read, tiff_pixels, vips

CODECS = ["lzw", "zlib", "packbits", "zstd", "lzma", "lerc", "jpeg2000", "jpegxl", "jpegxr", "png", "webp"]
LOSSLESS: dict[str, dict[str, Any]] = {"jpegxr": {"level": 100}, "webp": {"level": 100, "lossless": True}}


@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_in_strips_and_in_tiles(tmp_path: Path, codec: str, dtype: str, tile: Any) -> None:
    """libvips 8.18 gives zeros without an error for tiles of the codecs that it lacks."""
    if codec == "webp" and dtype != "uint8":
        pytest.skip("WebP holds 8 bits")
    rows, columns = np.mgrid[:40, :70]
    pixels = (np.stack([rows * 3, columns * 2, rows + columns], axis=-1) * (257 if dtype == "uint16" else 1)).astype(dtype)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="rgb", compression=codec, compressionargs=LOSSLESS.get(codec), tile=tile
    )
    stored = tifffile.imread(tmp_path / "a.tif")
    assert np.abs(stored.astype(int) - pixels).max() <= 4 * np.iinfo(dtype).max // 255
    np.testing.assert_array_equal(read(tmp_path / "a.tif").pixels, stored, strict=True)
    copy(tmp_path / "a.tif", tmp_path / "b.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), stored, strict=True)


def test_large_tiled_pages_are_put_together_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unnoise.images.scratch.IN_MEMORY", 0)
    pixels = noise((70, 90, 3))
    for planar in ("contig", "separate"):
        stored = np.moveaxis(pixels, -1, 0) if planar == "separate" else pixels
        tifffile.imwrite(
            tmp_path / "a.tif",
            stored,
            photometric="rgb",
            planarconfig=planar,
            compression="zstd",
            tile=(16, 32),
            rowsperstrip=9,
        )
        np.testing.assert_array_equal(read(tmp_path / "a.tif").pixels, pixels, strict=True)


@pytest.mark.parametrize("kind", ["tif", "png", "jpg"])
def test_pixels_that_come_out_all_the_same_are_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A decoder that gives zeros without an error is found out by the size of the file, whatever the reason."""
    pixels = noise((90, 80, 3), "uint8")
    image = pyvips.Image.new_from_array(pixels, interpretation="srgb")
    path = tmp_path / f"a.{kind}"
    image.write_to_file(str(path), **({"compression": "deflate"} if kind == "tif" else {}))

    def zeros(*_: Any, **__: Any) -> Any:
        return Scratch.of(np.zeros_like(pixels)), Layout("rgb"), images.Metadata()

    monkeypatch.setattr(vips, "decode", zeros)
    if kind == "tif":
        np.testing.assert_array_equal(read(path).pixels, pixels, strict=True)
        monkeypatch.setattr(tiff_pixels, "decode", lambda *_: struct.unpack("<I", b""))
    with pytest.raises(UnnoiseError, match=rf"a\.{kind} cannot be decoded"):
        read(path)


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".webp", ".avif"])
def test_a_picture_of_one_value_is_one(tmp_path: Path, suffix: str) -> None:
    image = pyvips.Image.black(64, 48, bands=3).copy(interpretation="srgb") + 128
    image.cast("uchar").write_to_file(str(tmp_path / f"a{suffix}"))
    assert np.unique(read(tmp_path / f"a{suffix}").pixels).size == 1


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_values_that_follow_the_byte_order_of_the_file(tmp_path: Path, byteorder: Any) -> None:
    """ImageJ's own tag holds numbers in the order of the file; IPTC is often stored as LONG though it is bytes."""
    labels, overlay = ["one", "zwei"], b"\x01\x02\x03"
    tifffile.imwrite(
        tmp_path / "a.tif",
        noise((2, 9, 11)),
        imagej=True,
        byteorder=byteorder,
        metadata={"Labels": labels, "Overlays": overlay},
    )
    copy(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.byteorder == byteorder
        assert file.imagej_metadata is not None
        assert (file.imagej_metadata["Labels"], file.imagej_metadata["Overlays"]) == (labels, overlay)
    iptc = b"\x1c\x02\x05\x00\x05title" + bytes(2)
    words = struct.unpack(f"{byteorder}3I", iptc)
    tifffile.imwrite(
        tmp_path / "c.tif", noise((9, 11, 3), "uint8"), photometric="rgb", byteorder=byteorder,
        extratags=[(33723, 4, 3, words, True)],
    )  # fmt: skip
    assert iptc in read(tmp_path / "c.tif").metadata.iptc
    copy(tmp_path / "c.tif", tmp_path / "d.tif")
    assert iptc in (tmp_path / "d.tif").read_bytes()
    copy(tmp_path / "c.tif", tmp_path / "e.jpg")
    assert iptc in (tmp_path / "e.jpg").read_bytes()


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize(
    ("photometric", "extra", "layout"),
    [
        ("minisblack", (0, 0, 2), Layout("channels", 1)),
        ("minisblack", (2, 0, 0), Layout("channels", 1)),
        ("rgb", (0, 0), Layout("channels")),
        ("rgb", (2, 0), Layout("channels", 1)),
        ("rgb", (1, 2), Layout("rgb", 2)),
        ("separated", (0,), Layout("channels")),
        ("separated", (0, 2), Layout("channels", 1)),
    ],
)
def test_extra_samples_stay_of_their_kind(
    tmp_path: Path, photometric: Any, extra: tuple[int, ...], layout: Layout, planar: Any
) -> None:
    colours = {"minisblack": 1, "rgb": 3, "separated": 4}[photometric]
    pixels = noise((20, 30, colours + len(extra)), "uint8")
    stored = np.moveaxis(pixels, -1, 0) if planar == "separate" else pixels
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric=photometric, planarconfig=planar, extrasamples=extra)
    picture = read(tmp_path / "a.tif")
    assert picture.layout == layout
    alphas = [colours + i for i, kind in enumerate(extra) if kind]
    if alphas:
        np.testing.assert_array_equal(picture.pixels[..., -len(alphas) :], pixels[..., alphas])
    tensor, form = images.to_tensor(picture.pixels, layout=layout)
    changed = form.restore(1 - tensor)
    images.write(tmp_path / "b.tif", picture.with_pixels(changed))
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        page = file.pages[0]
        assert (page.photometric.name.lower(), tuple(page.extrasamples)) == (photometric, extra)
        assert page.planarconfig.name.lower() == planar
        again = np.moveaxis(page.asarray(), 0, -1) if planar == "separate" else page.asarray()
    for channel in range(pixels.shape[2]):
        wanted = pixels[..., channel] if channel in alphas else 255 - pixels[..., channel]
        np.testing.assert_array_equal(again[..., channel], wanted)


def test_inks_stay_inks(tmp_path: Path) -> None:
    """Four inks that are not those of CMYK, with their names."""
    pixels = noise((20, 30, 4), "uint8")
    names = b"red\0green\0gold\0white\0"
    said = [(332, 3, 1, 2, True), (334, 3, 1, 4, True), (333, 2, len(names), names, True)]
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="separated", extratags=said)
    assert read(tmp_path / "a.tif").layout == Layout("channels")
    copy(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as first, tifffile.TiffFile(tmp_path / "b.tif") as second:
        for code in (262, 332, 333, 334):
            assert second.pages[0].tags[code].value == first.pages[0].tags[code].value
        np.testing.assert_array_equal(second.asarray(), pixels)


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3)])
@pytest.mark.parametrize("bits", [1, 2, 4, 10, 12, 14])
def test_few_bits_stay_few_bits(tmp_path: Path, bits: int, shape: tuple[int, ...]) -> None:
    if bits == 1 and len(shape) == 3:
        pytest.skip("tifffile packs three channels of one bit wrongly")
    samples = (np.random.default_rng(0).integers(0, 2**bits, shape)).astype("uint8" if bits <= 8 else "uint16")
    samples.flat[:2] = 0, 2**bits - 1
    photometric: Any = "rgb" if len(shape) == 3 else "minisblack"
    if bits == 1:
        tifffile.imwrite(tmp_path / "a.tif", samples.astype(bool), photometric=photometric)
    else:
        tifffile.imwrite(tmp_path / "a.tif", samples, photometric=photometric, bitspersample=bits)
    picture = read(tmp_path / "a.tif")
    white = np.iinfo(picture.dtype).max
    np.testing.assert_array_equal(picture.pixels, np.rint(samples / (2**bits - 1) * white))
    copy(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].bitspersample == bits
        np.testing.assert_array_equal(file.asarray(), samples)
    assert (tmp_path / "b.tif").stat().st_size < (tmp_path / "a.tif").stat().st_size + 400


@pytest.mark.parametrize("photometric", ["miniswhite", "minisblack"])
@pytest.mark.parametrize("compression", ["ccittfax4", "deflate", "none"])
def test_scanned_pages_of_one_bit(tmp_path: Path, compression: str, photometric: str) -> None:
    drawing = np.kron(noise((12, 9), "uint8") > 128, np.ones((8, 8), bool)).astype(np.uint8) * 255
    image = pyvips.Image.new_from_array(drawing, interpretation="b-w")
    image.tiffsave(
        str(tmp_path / "a.tif"), bitdepth=1, compression=compression, predictor="none", miniswhite=photometric == "miniswhite"
    )
    np.testing.assert_array_equal(read(tmp_path / "a.tif").pixels, drawing)
    copy(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert (file.pages[0].bitspersample, file.pages[0].photometric.name.lower()) == (1, photometric)
    pyvips.cache_set_max(0)
    np.testing.assert_array_equal(pyvips.Image.new_from_file(str(tmp_path / "b.tif")).numpy(), drawing)


@pytest.mark.parametrize("scale", [257, 256, 1])
@pytest.mark.parametrize("compression", [None, "lzw"])
def test_palettes_stay_palettes(tmp_path: Path, compression: str | None, scale: int) -> None:
    colours = np.random.default_rng(1).integers(0, 256, (3, 256))
    numbers = noise((20, 30), "uint8")
    tifffile.imwrite(
        tmp_path / "a.tif", numbers, photometric="palette", colormap=(colours * scale).astype("uint16"), compression=compression
    )
    picture = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.pixels, colours.T.astype(np.uint8)[numbers], strict=True)
    copy(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        page = file.pages[0]
        assert page.photometric.name == "PALETTE"
        np.testing.assert_array_equal(page.colormap.T[page.asarray()] >> 8, picture.pixels)
    # more colours than fit: the nearest of a table of their own
    rows, columns = np.mgrid[:64, :64]
    smooth = np.stack([rows * 4, columns * 4, (rows + columns) * 2], axis=-1).astype(np.uint8)
    images.write(tmp_path / "c.tif", picture.with_pixels(smooth))
    with tifffile.TiffFile(tmp_path / "c.tif") as file:
        page = file.pages[0]
        assert page.photometric.name == "PALETTE"
        assert np.abs((page.colormap.T[page.asarray()] >> 8).astype(int) - smooth).mean() < 8


def test_a_palette_of_few_bits_grows_where_the_result_has_more_colours(tmp_path: Path) -> None:
    colours = np.random.default_rng(1).integers(0, 256, (3, 16))
    numbers = np.random.default_rng(2).integers(0, 16, (20, 30), np.uint8)
    said = [(320, 3, 48, tuple((colours * 257).ravel().tolist()), True)]
    tifffile.imwrite(tmp_path / "a.tif", numbers, photometric="minisblack", bitspersample=4, extratags=said)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        file.pages[0].tags[262].overwrite(3)
    picture = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.pixels, colours.T.astype(np.uint8)[numbers], strict=True)
    rows, columns = np.mgrid[:64, :64]
    smooth = np.stack([rows * 4, columns * 4, (rows + columns) * 2], axis=-1).astype(np.uint8)
    for pixels, bits, error in ((picture.pixels[::-1], 4, 0.0), (smooth, 8, 8.0)):
        images.write(tmp_path / "b.tif", picture.with_pixels(pixels), overwrite=True)
        with tifffile.TiffFile(tmp_path / "b.tif") as file:
            page = file.pages[0]
            assert (page.photometric.name, page.bitspersample) == ("PALETTE", bits)
            assert np.abs((page.colormap.T[page.asarray()] >> 8).astype(int) - pixels).mean() <= error


def test_pages_that_libvips_cannot_decode_do_not_spoil_those_before(tmp_path: Path) -> None:
    """libvips 8.18 walks to a page in ZSTD, and then gives up on the others."""
    first, second = noise((20, 30)), noise((24, 18, 3))
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(first, photometric="minisblack", metadata=None)
        file.write(second, photometric="rgb", compression="zstd", metadata=None)
    frames = copy(tmp_path / "a.tif", tmp_path / "b.tif")
    np.testing.assert_array_equal(frames[0], first)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif", key=1), second)


def test_a_smaller_picture_of_another_kind_is_one_of_its_own(tmp_path: Path) -> None:
    full, thumbnail = noise((96, 64)), noise((24, 16, 3))
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(full, photometric="minisblack", metadata=None)
        file.write(thumbnail, photometric="rgb", subfiletype=1, metadata=None)
    assert [frame.shape for frame in copy(tmp_path / "a.tif", tmp_path / "b.tif")] == [(96, 64), (24, 16, 3)]
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif", key=1), thumbnail)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert int(file.pages[1].subfiletype) == 1


@pytest.mark.parametrize("side", [16, 32, 64])
def test_small_tiles_of_jpeg(tmp_path: Path, side: int) -> None:
    """libvips 8.18 reads grey ones of 16 x 16 wrongly, by up to half the range."""
    pixels = noise((64, 80), "uint8")
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", compression="jpeg", tile=(side, side))
    found = read(tmp_path / "a.tif").pixels
    np.testing.assert_array_equal(found, tifffile.imread(tmp_path / "a.tif"), strict=True)
    assert np.abs(found.astype(int) - pixels).max() < 20


@pytest.mark.parametrize("bits", [8, 12])
def test_jpeg_in_tiff_beyond_grey_and_rgb_of_8_bits(tmp_path: Path, bits: int) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    rows, columns = np.mgrid[:48, :64]
    pixels = np.stack([rows * 4, columns * 3, rows + columns, 255 - columns * 2], axis=-1).astype(np.uint8)
    said: Any = {"photometric": "rgb", "extrasamples": (2,), "planarconfig": "contig"}
    if bits == 12:
        pixels, said = pixels[..., 0].astype(np.uint16) * 16, {"photometric": "minisblack", "bitspersample": 12}
    encoded = imagecodecs.jpeg8_encode(pixels, level=98, bitspersample=bits)
    tifffile.imwrite(
        tmp_path / "a.tif", iter([encoded]), shape=pixels.shape, dtype=pixels.dtype, compression="jpeg", rowsperstrip=48, **said
    )
    copy(tmp_path / "a.tif", tmp_path / "b.tif")
    picture = read(tmp_path / "b.tif")
    assert picture.layout == (Layout("rgb", 1) if bits == 8 else Layout("grey"))
    made = tifffile.imread(tmp_path / "b.tif")
    assert np.abs(made.astype(int) - pixels).max() <= 4 * 2**bits // 256
    assert tifffile.TiffFile(tmp_path / "b.tif").pages[0].bitspersample == bits


@pytest.mark.parametrize(
    ("photometric", "words"), [("cielab", "CIELAB colours"), ("cfa", "CFA colours"), ("linear_raw", "LINEAR_RAW colours")]
)
def test_colours_that_are_not_supported_are_named(tmp_path: Path, photometric: str, words: str) -> None:
    pixels = noise((20, 30) if photometric == "cfa" else (20, 30, 3), "uint8")
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=photometric)
    with pytest.raises(UsageError, match=rf"a\.tif is a TIFF of {words}"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("options", [{"tile": (16, 16, 16)}, {"tile": (4, 16, 16)}, {"compression": "zlib"}, {}], ids=str)
def test_every_slice_of_a_volume(tmp_path: Path, options: dict[str, Any]) -> None:
    """One page with ImageDepth 16: its slices are pictures of a stack, and come out as pages."""
    volume = noise((16, 40, 50))
    tifffile.imwrite(tmp_path / "a.tif", volume, volumetric=True, photometric="minisblack", metadata=None, **options)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert (len(file.pages), file.pages[0].imagedepth) == (1, 16)
    with images.open(tmp_path / "a.tif") as source:
        assert (len(source), source.outer) == (16, (16,))
    copy(tmp_path / "a.tif", tmp_path / "b.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), volume, strict=True)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_overviews_of_a_pyramid_show_the_result(tmp_path: Path, dtype: str) -> None:
    pixels = noise((96, 64, 3), dtype)
    other = noise((30, 50, 3), dtype)  # of another shape: a picture of its own, such as a label
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(pixels, photometric="rgb", tile=(32, 32), metadata=None, description="full")
        for factor in (2, 4):
            small = np.zeros_like(pixels[::factor, ::factor])
            file.write(small, photometric="rgb", tile=(16, 16), subfiletype=1, metadata=None, description=f"1/{factor}")
        file.write(other, photometric="rgb", subfiletype=1, metadata=None, description="label")
    frames = copy(tmp_path / "a.tif", tmp_path / "b.tif")
    assert [frame.shape for frame in frames] == [(96, 64, 3), (30, 50, 3)]
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert [int(page.subfiletype) for page in file.pages] == [0, 1, 1, 1]
        assert [page.description for page in file.pages] == ["full", "1/2", "1/4", "label"]
        assert file.pages[2].tile == (16, 16)
        np.testing.assert_array_equal(file.pages[0].asarray(), pixels)
        np.testing.assert_array_equal(file.pages[3].asarray(), other)
        half = pixels.astype(float).reshape(48, 2, 32, 2, 3).mean((1, 3))
        white = np.iinfo(dtype).max if dtype.startswith("u") else 1
        assert np.abs(file.pages[1].asarray() - half).max() < 0.005 * white


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_overviews_below_a_page_show_the_result(
    tmp_path: Path, big: bool, byteorder: str, compression: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pyramids of OME-TIFF have them; read again by tifffile, which finds the levels, and by libvips."""
    pages = noise((2, 96, 64), "uint16")
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", bigtiff=big, byteorder=byteorder, ome=True) as file:
        options = {"tile": (32, 32), "compression": compression, "photometric": "minisblack"}
        file.write(pages, subifds=2, metadata={"axes": "TYX"}, **options)
        for factor in (2, 4):
            file.write(np.zeros_like(pages[:, ::factor, ::factor]), subfiletype=1, **options)
    plain = tifffile.TiffWriter  # results are BigTIFF from 2 GiB on
    monkeypatch.setattr(tifffile, "TiffWriter", lambda *given, **more: plain(*given, **(more | {"bigtiff": big})))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copy(tmp_path / "a.ome.tif", tmp_path / "b.ome.tif")
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as file:
        assert (file.byteorder, file.is_bigtiff, file.is_ome) == (byteorder, big, True)
        levels = [level.asarray() for level in file.series[0].levels]
        assert [level.shape for level in levels] == [(2, 96, 64), (2, 48, 32), (2, 24, 16)]
        assert [int(level.keyframe.subfiletype) for level in file.series[0].levels] == [0, 1, 1]
    np.testing.assert_array_equal(levels[0], pages)
    for factor, level in ((2, levels[1]), (4, levels[2])):
        blocks = pages.reshape(2, 96 // factor, factor, 64 // factor, factor).astype(float).mean((2, 4))
        assert np.abs(level - blocks).max() < 0.005 * 65535
        seen = pyvips.Image.new_from_file(str(tmp_path / "b.ome.tif"), page=1, subifd=factor // 2 - 1).numpy()
        np.testing.assert_array_equal(seen, level[1])


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}])
def test_samples_of_one_bit_beside_each_other_are_refused_for_what_they_are(tmp_path: Path, options: dict[str, Any]) -> None:
    pixels = np.random.default_rng(0).random((20, 24, 3)) > 0.5
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", planarconfig="contig", **options)
    with pytest.raises(UsageError, match="is a TIFF with 3 channels of 1 bit beside each other, which are not supported"):
        images.read(tmp_path / "a.tif")
