"""PNGs of few bits and few colours, and the chunks that speak of measurements."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from images.test_stacks import copy, noise
from unnoise.images import Picture, png, read, write

image: Any = pytest.importorskip("PIL.Image")


def kind(path: Path) -> tuple[int, int]:
    """Bits and colour type."""
    data = path.read_bytes()
    return data[24], data[25]


def chunk_names(path: Path) -> list[bytes]:
    return [name for name, _, _ in png.chunks(path.read_bytes())]


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_few_bits_stays_so(tmp_path: Path, bits: int, interlace: bool) -> None:
    pyvips = pytest.importorskip("pyvips")
    numbers = np.random.default_rng(0).integers(0, 2**bits, (20, 30))
    pixels = (numbers * 255 // (2**bits - 1)).astype(np.uint8)
    pyvips.Image.new_from_array(pixels, interpretation="b-w").pngsave(
        str(tmp_path / "a.png"), bitdepth=bits, interlace=interlace
    )
    assert kind(tmp_path / "a.png") == (bits, 0)
    picture = read(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.pixels, pixels, strict=True)
    # the nearest, not the upper bits
    write(
        tmp_path / "b.png",
        picture.with_pixels(np.clip(pixels.astype(int) + 255 // (2**bits - 1) // 2 - 1, 0, 255).astype("uint8")),
    )
    assert kind(tmp_path / "b.png") == (bits, 0)
    np.testing.assert_array_equal(np.asarray(image.open(tmp_path / "b.png").convert("L")), pixels)


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("count", [2, 13, 256])
def test_palettes_stay_palettes(tmp_path: Path, count: int, alpha: bool) -> None:
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (count, 3), np.uint8)
    numbers = rng.integers(0, count, (40, 30), np.uint8)
    source = image.fromarray(numbers, "P")
    source.putpalette(colours.tobytes())
    made = io.BytesIO()
    source.save(made, "PNG", bits=(count - 1).bit_length(), **({"transparency": bytes(range(count - 1))} if alpha else {}))
    data = made.getvalue()
    profile = png.chunk(b"gAMA", struct.pack(">I", 45455))
    (tmp_path / "a.png").write_bytes(data[:33] + profile + data[33:])
    wanted = np.asarray(image.open(tmp_path / "a.png").convert("RGBA" if alpha else "RGB"))
    copy(tmp_path / "a.png", tmp_path / "b.png")
    assert kind(tmp_path / "b.png") == kind(tmp_path / "a.png")
    again = image.open(tmp_path / "b.png")
    assert again.mode == "P"
    np.testing.assert_array_equal(np.asarray(again.convert("RGBA" if alpha else "RGB")), wanted)
    names = chunk_names(tmp_path / "b.png")
    assert names.index(b"gAMA") < names.index(b"PLTE") < names.index(b"IDAT")
    assert (tmp_path / "b.png").stat().st_size < 1.3 * (tmp_path / "a.png").stat().st_size + 100
    # more colours than fit
    rows, columns = np.mgrid[:64, :64]
    smooth = np.stack([rows * 4, columns * 4, rows * 2 + columns * 2, 255 - rows], axis=-1)[..., : 3 + alpha].astype(np.uint8)
    write(tmp_path / "c.png", read(tmp_path / "a.png").with_pixels(smooth))
    assert kind(tmp_path / "c.png") == (8, 3)
    seen = np.asarray(image.open(tmp_path / "c.png").convert("RGBA" if alpha else "RGB")).astype(int)
    assert np.abs(seen - smooth).mean() < 12


def test_chunks_of_measurements_stay(tmp_path: Path) -> None:
    own = [
        png.chunk(b"sBIT", b"\x0c\x0c\x0c"),
        png.chunk(b"bKGD", struct.pack(">3H", 1, 2, 3)),
        png.chunk(b"pCAL", b"depth\0" + struct.pack(">iiBB", 0, 65535, 0, 2) + b"mm\x000\x001"),
        png.chunk(b"sCAL", b"\x011.5e-6\x001.5e-6"),
        png.chunk(b"oFFs", struct.pack(">iiB", -5, 7, 1)),
    ]
    write(tmp_path / "bare.png", Picture(noise((20, 30, 3))))
    bare = (tmp_path / "bare.png").read_bytes()
    (tmp_path / "a.png").write_bytes(bare[:33] + b"".join(own) + bare[33:])
    copy(tmp_path / "a.png", tmp_path / "b.png")
    data = (tmp_path / "b.png").read_bytes()
    assert [data[start:end] for name, start, end in png.chunks(data) if name not in (b"IHDR", b"IDAT", b"IEND")] == own
    grey = read(tmp_path / "a.png").with_pixels(noise((20, 30)))  # colours of another kind: sBIT and bKGD would be damage
    write(tmp_path / "c.png", grey)
    assert b"sBIT" not in chunk_names(tmp_path / "c.png")
    assert b"pCAL" in chunk_names(tmp_path / "c.png")
