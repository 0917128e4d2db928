"""AVIF, HEIC and PNG beyond 8 bits and sRGB: depth, chroma and the meaning of the colours stay, as other readers see them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from images.test_stacks import copy
from unnoise.errors import UsageError
from unnoise.images import Layout, bmff, png, read, write

avif: Any = pytest.importorskip("imagecodecs")

LIGHT = struct.pack(">HH", 1000, 400)
SCREEN = struct.pack(">8HII", 8500, 39850, 6550, 2300, 35400, 14600, 15635, 16450, 10_000_000, 50)
"""Green, blue and red of BT.2020, the white of daylight, in fifty thousandths; 1000 and 0.005 candelas per square metre."""


def ramps(bits: int) -> np.ndarray:
    rows, columns = np.mgrid[:64, :96]
    values = np.stack([columns / 95, rows / 63, (rows + columns) / 158], axis=-1)
    return np.rint(values * (2**bits - 1)).astype("uint8" if bits == 8 else "uint16")


def nclx(path: Path) -> tuple[int, ...]:
    data = path.read_bytes()
    at = data.index(b"colrnclx") + 8
    return (*struct.unpack(">HHH", data[at : at + 6]), data[at + 6] >> 7)


def pixi(path: Path) -> list[int]:
    """Bits of each channel."""
    data = path.read_bytes()
    at = data.index(b"pixi") + 8
    return list(data[at + 1 : at + 1 + data[at]])


@pytest.mark.parametrize("chroma", ["444", "422", "420"])
@pytest.mark.parametrize("curve", [16, 18])
@pytest.mark.parametrize("bits", [10, 12])
def test_avif_in_pq_and_hlg_stays_so(tmp_path: Path, bits: int, curve: int, chroma: str) -> None:
    encoded = avif.avif_encode(
        ramps(bits), 95, bitspersample=bits, pixelformat=chroma, primaries=9, transfer=curve, matrix=9, speed=8
    )
    (tmp_path / "a.avif").write_bytes(
        bmff.put_properties(encoded, struct.pack(">I", 12) + b"clli" + LIGHT + struct.pack(">I", 32) + b"mdcv" + SCREEN)
    )
    source = avif.avif_decode((tmp_path / "a.avif").read_bytes())
    assert source.dtype == np.uint16
    copy(tmp_path / "a.avif", tmp_path / "b.avif")
    assert nclx(tmp_path / "b.avif") == nclx(tmp_path / "a.avif") == (9, curve, 9, 1)
    assert pixi(tmp_path / "b.avif") == [bits] * 3
    data = (tmp_path / "b.avif").read_bytes()
    assert b"clli" + LIGHT in data
    assert b"mdcv" + SCREEN in data
    assert bmff.coding(data).chroma == chroma
    again = avif.avif_decode(data)
    assert again.dtype == np.uint16
    assert np.abs(again.astype(float) - source).mean() < 2 ** (bits - 8) * 1.5
    copy(tmp_path / "a.avif", tmp_path / "c.png")
    chunks = {
        kind: (tmp_path / "c.png").read_bytes()[start + 8 : end - 4]
        for kind, start, end in png.chunks((tmp_path / "c.png").read_bytes())
    }
    assert chunks[b"cICP"] == bytes([9, curve, 0, 1])
    assert chunks[b"cLLI"] == struct.pack(">II", 10_000_000, 4_000_000)
    assert chunks[b"mDCV"] == SCREEN[8:12] + SCREEN[:8] + SCREEN[12:]
    values = avif.png_decode((tmp_path / "c.png").read_bytes()) / 65535 * (2**bits - 1)
    assert np.abs(values - source).max() < 2 ** (bits - 8) * 8  # chroma is made larger in other ways
    copy(tmp_path / "c.png", tmp_path / "d.avif")
    assert nclx(tmp_path / "d.avif")[:2] == (9, curve)
    for suffix in (".jpg", ".tif", ".webp"):
        with pytest.raises(UsageError, match=rf"e\{suffix} would show false colours"):
            copy(tmp_path / "a.avif", tmp_path / f"e{suffix}")


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("bits", [8, 10])
def test_avif_in_grey_stays_grey(tmp_path: Path, bits: int, alpha: bool) -> None:
    pixels = ramps(bits)[..., [0, 0, 0, 1] if alpha else [0, 0, 0]]
    encoded = avif.avif_encode(np.ascontiguousarray(pixels), 95, bitspersample=bits, pixelformat="400", speed=8)
    (tmp_path / "a.avif").write_bytes(encoded)
    picture = read(tmp_path / "a.avif")
    assert picture.layout == Layout("grey", alpha)
    write(tmp_path / "b.avif", picture)
    again = avif.avif_decode((tmp_path / "b.avif").read_bytes())
    wanted = avif.avif_decode(encoded)
    assert again.shape == wanted.shape == ((64, 96, 2) if alpha else (64, 96))
    assert np.abs(again.astype(float) - wanted).mean() < 2 ** (bits - 8) * 1.5


@pytest.mark.parametrize(("bits", "curve"), [(8, 13), (10, 16), (12, 18)])
@pytest.mark.parametrize("chroma", ["444", "420"])
def test_heic_in_pq_and_hlg_stays_so(tmp_path: Path, chroma: str, bits: int, curve: int) -> None:
    heif = pytest.importorskip("pillow_heif", reason="HEIC needs the extra heic")
    pixels = ramps(bits)
    primaries = 12 if curve == 13 else 9  # Display P3, as phones have it
    mode, data = "RGB", pixels.tobytes()
    if bits > 8:
        heif.options.SAVE_HDR_TO_12_BIT = bits == 12
        mode, data = "RGB;16", (pixels << (16 - bits)).tobytes()
    said = {"color_primaries": primaries, "transfer_characteristics": curve, "matrix_coefficients": 6, "full_range_flag": 1}
    heif.encode(mode, (96, 64), data, tmp_path / "a.heic", quality=95, chroma=chroma, **said)
    copy(tmp_path / "a.heic", tmp_path / "b.heic")
    old, new = (heif.open_heif(tmp_path / name, convert_hdr_to_8bit=False) for name in ("a.heic", "b.heic"))
    for key in ("nclx_profile", "bit_depth", "chroma"):
        assert old.info[key] == new.info[key]
    assert new.info["bit_depth"] == bits
    difference = np.abs(np.asarray(new).astype(float) - np.asarray(old)) / (2 ** (16 - bits) if bits > 8 else 1)
    assert difference.mean() < 2 ** (bits - 8) * 1.5
    copy(tmp_path / "a.heic", tmp_path / "c.avif")
    assert nclx(tmp_path / "c.avif")[:2] == (primaries, curve)


def test_the_metadata_of_an_avif_is_found_by_others(tmp_path: Path) -> None:
    """EXIF, XMP and profile beside light and colours, in one file."""
    image = pytest.importorskip("PIL.Image")
    if not pytest.importorskip("PIL.features").check("avif"):
        pytest.skip("this Pillow has no AVIF")
    source = image.fromarray(ramps(8))
    exif = source.getexif()
    exif[271] = "Camera"
    source.save(tmp_path / "a.avif", exif=exif.tobytes(), xmp=b"<x:xmpmeta/>", icc_profile=b"", quality=90)
    copy(tmp_path / "a.avif", tmp_path / "b.avif")
    with image.open(tmp_path / "b.avif") as again:
        again.load()
        assert again.getexif()[271] == "Camera"
        assert again.info["xmp"] == b"<x:xmpmeta/>"
        assert np.abs(np.asarray(again).astype(int) - np.asarray(image.open(tmp_path / "a.avif"))).mean() < 2
