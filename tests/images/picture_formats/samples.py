"""Small files of many picture formats, made by other libraries, and what these see in them."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import netpbmfile
import numpy as np
from PIL import Image

HEIGHT, WIDTH = 24, 37


def photo(dtype: str = "uint8", channels: int = 3, bits: int = 0, seed: int = 0) -> np.ndarray:
    """A noisy ramp over most of the range."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    ramp = np.stack([(rows * (c + 1) + columns * 2) / (HEIGHT * (c + 1) + WIDTH * 2) for c in range(channels)], axis=-1)
    values = (0.1 + 0.8 * ramp + random.normal(0, 0.03, ramp.shape)).clip(0, 1)
    if channels in (2, 4):
        values[..., -1] = 1
        values[3:8, 5:9, -1] = 0.5
    values = values[..., 0] if channels == 1 else values
    white = 1 if dtype.startswith("f") else 2 ** (bits or 8 * np.dtype(dtype).itemsize) - 1
    return (values * white if dtype.startswith("f") else np.rint(values * white)).astype(dtype)


def pillow(mode: str, name: str, **options: Any) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        image = Image.fromarray(photo(channels=len(mode) if mode not in ("P", "1") else 3))
        image = image.quantize(200) if mode == "P" else image.convert(mode)
        image.save(path, name, **options)

    return make


def content(encode: Callable[[], bytes]) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(bytes(encode())) and None


def netpbm(kind: str, pixels: np.ndarray, **options: Any) -> Callable[[Path], None]:
    return lambda path: netpbmfile.imwrite(path, pixels, magicnumber=kind, **options)


def float_map(order: str, channels: int) -> Callable[[], bytes]:
    pixels = photo("float32", channels) * 5
    kind, scale = {1: "Pf", 3: "PF"}[channels], -1.0 if order == "<" else 1.0
    return lambda: f"{kind}\n{WIDTH} {HEIGHT}\n{scale}\n".encode() + pixels[::-1].astype(f"{order}f4").tobytes()


def photoshop(
    pixels: np.ndarray, mode: int, *, packing: int = 1, layers: bytes = b"", resources: bytes = b"", version: int = 1
) -> Callable[[], bytes]:
    """A file as Photoshop's specification has it; pixels (H, W[, C]) as they are stored."""

    def make() -> bytes:
        planes = np.moveaxis(np.atleast_3d(pixels), -1, 0)
        bits = 8 * pixels.itemsize
        head = struct.pack(">4sH6xHIIHH", b"8BPS", version, planes.shape[0], HEIGHT, WIDTH, bits, mode)
        table = bytes(range(256)) * 3 if mode == 2 else b""
        rows = [bytes(row.astype(row.dtype.newbyteorder(">")).tobytes()) for plane in planes for row in plane]
        if packing:
            rows = [bytes(imagecodecs.packbits_encode(row)) for row in rows]
        lengths = b"".join(len(row).to_bytes(2 * version, "big") for row in rows) if packing else b""
        blocks = b"".join(struct.pack(">I", len(block)) + block for block in (table, resources))
        blocks += len(layers).to_bytes(4 * version, "big") + layers
        return head + blocks + struct.pack(">H", packing) + lengths + b"".join(rows)

    return make


def resource(number: int, body: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(body)) + body + b"\0" * (len(body) % 2)


RESOURCES = (
    resource(1005, struct.pack(">IHHIHH", 300 << 16, 1, 1, 300 << 16, 1, 1)) + resource(1028, b"\x1c\x02\x05\0\x05title")
    + resource(1060, b"<x:xmpmeta/>") + resource(1036, b"old thumbnail") + resource(1032, b"guides")
)  # fmt: skip
TWO_LAYERS = struct.pack(">Ih", 6, -2) + bytes(4)

SAMPLES: dict[str, Callable[[Path], None]] = {
    "rgb.jxl": content(lambda: imagecodecs.jpegxl_encode(photo(), lossless=True)),
    "grey16.jxl": content(lambda: imagecodecs.jpegxl_encode(photo("uint16", 1), lossless=True)),
    "ten.jxl": content(lambda: imagecodecs.jpegxl_encode(photo("uint16", bits=10), lossless=True, bitspersample=10)),
    "alpha.jxl": content(lambda: imagecodecs.jpegxl_encode(photo(channels=4), lossless=True)),
    "float.jxl": content(lambda: imagecodecs.jpegxl_encode(photo("float32"), lossless=True)),
    "half.jxl": content(lambda: imagecodecs.jpegxl_encode(photo("float16"), lossless=True)),
    "rgb.jp2": content(lambda: imagecodecs.jpeg2k_encode(photo(), reversible=True)),
    "grey12.jp2": content(lambda: imagecodecs.jpeg2k_encode(photo("uint16", 1, 12), reversible=True, bitspersample=12)),
    "alpha.jp2": content(lambda: imagecodecs.jpeg2k_encode(photo("uint16", 4), reversible=True)),
    "bare.j2k": content(lambda: imagecodecs.jpeg2k_encode(photo(), reversible=True, codecformat="j2k")),
    "rgb.bmp": pillow("RGB", "BMP", dpi=(300, 150)),
    "grey.bmp": pillow("L", "BMP"),
    "palette.bmp": pillow("P", "BMP"),
    "bits.bmp": pillow("1", "BMP"),
    "alpha.bmp": content(lambda: imagecodecs.bmp_encode(photo(channels=4))),
    "still.gif": pillow("P", "GIF", comment=b"hello"),
    "grey.gif": pillow("L", "GIF"),
    "rgb.tga": pillow("RGB", "TGA", id_section=b"a name"),
    "alpha.tga": pillow("RGBA", "TGA", compression="tga_rle"),
    "grey.tga": pillow("L", "TGA", orientation=1),
    "palette.tga": pillow("P", "TGA"),
    "text.ppm": netpbm("P3", photo(), comment="shot by hand"),
    "raw.ppm": netpbm("P6", photo("uint16", bits=12), maxval=4095),
    "raw.pgm": netpbm("P5", photo(channels=1)),
    "text.pgm": netpbm("P2", (photo(channels=1) // 3), maxval=100),
    "raw.pbm": netpbm("P4", photo(channels=1) > 127),
    "text.pbm": netpbm("P1", photo(channels=1) > 127),
    "alpha.pam": netpbm("P7", photo("uint16", 4), tupltype="RGB_ALPHA"),
    "five.pam": content(
        lambda: f"P7\nWIDTH {WIDTH}\nHEIGHT {HEIGHT}\nDEPTH 5\nMAXVAL 255\nENDHDR\n".encode() + photo(channels=5).tobytes()
    ),
    "little.pfm": content(float_map("<", 3)),
    "big.pfm": content(float_map(">", 1)),
    "rgb.psd": content(photoshop(photo(), 3, layers=TWO_LAYERS[:4] + struct.pack(">h", 2) + bytes(4), resources=RESOURCES)),
    "alpha16.psd": content(photoshop(photo("uint16", 4), 3, layers=TWO_LAYERS)),
    "selection.psd": content(photoshop(photo(channels=4), 3, packing=0)),
    "grey32.psd": content(photoshop(photo("float32", 1), 1, packing=0)),
    "cmyk.psd": content(photoshop(photo(channels=4), 4)),
    "palette.psd": content(photoshop(photo(channels=1), 2)),
    "large.psb": content(photoshop(photo("uint16"), 3, version=2)),
    "sky.hdr": content(lambda: imagecodecs.rgbe_encode(photo("float32") * 7)),
    "flat.hdr": content(lambda: imagecodecs.rgbe_encode(photo("float32") * 7, rle=False)),
}  # fmt: skip
"""Name of a file → what makes it at a path. All lose nothing when they are written again."""


def seen(path: Path) -> np.ndarray:
    """The pixels as another library than ours' own code gives them."""
    data, suffix = path.read_bytes(), path.suffix
    if suffix == ".jxl":
        return np.asarray(imagecodecs.jpegxl_decode(data))
    if suffix in (".jp2", ".j2k"):
        return np.asarray(imagecodecs.jpeg2k_decode(data))
    if suffix in (".ppm", ".pgm", ".pbm", ".pam", ".pfm"):
        return netpbmfile.imread(path)
    if suffix == ".hdr":
        return imagecodecs.rgbe_decode(data)
    if suffix in (".psd", ".psb"):
        return planes_of(data)
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB" if image.mode == "P" else image.mode))


def planes_of(data: bytes) -> np.ndarray:
    """The merged picture of a Photoshop file, (C, H, W), read by the specification alone."""
    version, channels, height, width, bits, mode = struct.unpack(">4xH6xHIIHH", data[:26])
    place = 26
    for size in (4, 4, 4 * version):
        place += size + int.from_bytes(data[place : place + size], "big")
    kind, place = int.from_bytes(data[place : place + 2], "big"), place + 2
    body = data[place:]
    if kind:
        count, size = channels * height, 2 * version
        ends = np.cumsum([int.from_bytes(body[i * size : i * size + size], "big") for i in range(count)]) + count * size
        starts = [count * size, *ends[:-1]]
        body = b"".join(bytes(imagecodecs.packbits_decode(body[a:b])) for a, b in zip(starts, ends, strict=True))
    planes = np.frombuffer(body, {8: "u1", 16: ">u2", 32: ">f4"}[bits]).reshape(channels, height, width)
    return np.frombuffer(data[30 : 30 + 768], "u1").reshape(3, 256)[:, planes[0]] if mode == 2 else planes
