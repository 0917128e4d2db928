"""Profile, EXIF and XMP of WebP files, byte by byte. Source: RFC 9649, section 2.7."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from unnoise.images.picture import Metadata
from unnoise.images.tags import Data

ICC_FLAG, ALPHA_FLAG, EXIF_FLAG, XMP_FLAG = 0x20, 0x10, 0x08, 0x04


def lossy_bytes(data: Data) -> int:
    """Count the bytes of the colours of a lossy picture. 0: the picture is lossless, or a film."""
    return next((len(content) for kind, content in chunks(data) if kind == b"VP8 "), 0)


def chunks(data: Data) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and content of each chunk, as far as the data goes."""
    place = 12
    while place + 8 <= len(data):
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        yield bytes(data[place : place + 4]), bytes(data[place + 8 : place + 8 + length])
        place += 8 + length + length % 2


def frames(data: Data) -> int:
    """Count the pictures of a film. 1: the file is no film."""
    return max(1, sum(kind == b"ANMF" for kind, _ in chunks(data)))


def rebuilt(encoded: Data, metadata: Metadata) -> bytes:
    """Add metadata to a file that has none."""
    picture, size, alpha = b"", b"", False
    place = 12
    while place + 8 <= len(encoded):
        kind, length = bytes(encoded[place : place + 4]), int.from_bytes(encoded[place + 4 : place + 8], "little")
        whole = bytes(encoded[place : place + 8 + length + length % 2])
        if kind in (b"VP8 ", b"ALPH"):  # three bytes of frame, three of a mark, then 14 bits each of width and height
            alpha = alpha or kind == b"ALPH"
            if kind == b"VP8 ":
                across, down = (int.from_bytes(whole[at : at + 2], "little") & 0x3FFF for at in (14, 16))
                size = (across - 1).to_bytes(3, "little") + (down - 1).to_bytes(3, "little")
            picture += whole
        elif kind == b"VP8L":  # signature, then 14 bits each of width − 1 and height − 1, then alpha
            bits = int.from_bytes(whole[9:13], "little")
            size = (bits & 0x3FFF).to_bytes(3, "little") + (bits >> 14 & 0x3FFF).to_bytes(3, "little")
            alpha = bool(bits >> 28 & 1)
            picture = whole
        place += len(whole)
    flags = ICC_FLAG * bool(metadata.icc) | ALPHA_FLAG * alpha | EXIF_FLAG * bool(metadata.exif) | XMP_FLAG * bool(metadata.xmp)
    made = b"WEBP" + chunk(b"VP8X", bytes([flags, 0, 0, 0]) + size)
    if metadata.icc:
        made += chunk(b"ICCP", metadata.icc)
    made += picture
    if metadata.exif:
        made += chunk(b"EXIF", metadata.exif)
    if metadata.xmp:
        made += chunk(b"XMP ", metadata.xmp)
    return b"RIFF" + struct.pack("<I", len(made)) + made


def chunk(kind: bytes, content: bytes) -> bytes:
    """Make a chunk."""
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
