"""ICC profiles in the codestream of JPEG XL. Source: ISO/IEC 18181-1, annexes C (entropy coding) and E.4 (profiles).

imagecodecs decodes and encodes the pixels, and passes profiles over. Those that we write have one code of 8 bits for each
byte, and commands that insert bytes as they are. So they are a few bytes larger than they were.
"""

from __future__ import annotations

from unnoise.images.picture_formats.jpeg_xl_entropy import CODE_LENGTHS
from unnoise.images.picture_formats.jpeg_xl_header import GREY_SPACE, Header, bits_behind, replaced
from unnoise.images.picture_formats.jpeg_xl_unpredict import HEADER_BYTES, INSERT, expected_header, read_profile


def profile_within(stream: bytes, own: Header) -> bytes:
    """The profile in a codestream, whose header is `own` and says that there is one. ValueError: it is damaged."""
    bits = bits_behind(stream, own)
    return read_profile(bits, bits.u64())


def with_profile(stream: bytes, own: Header, icc: bytes, space: int) -> bytes:
    """The codestream `stream`, whose header is `own`, with a profile in place of its description of colors.

    Args:
        space: RGB_SPACE or GREY_SPACE of `jpeg_xl_header`.

    Raises ValueError where the colors cannot be described otherwise.
    """
    description = "0" + "1" + ("10" if space == GREY_SPACE else "00")
    return replaced(stream, own, description, encoded(icc))


def encoded(icc: bytes) -> str:
    """A profile as bits of a codestream, in the order of the stream."""
    content = _predicted(icc)
    bits = _u64(len(content))
    bits += "0"  # no LZ77
    bits += "1" + _u(0, 2)  # all contexts share a code
    bits += "1"  # a prefix code, and whole numbers below 256 stand for themselves
    bits += _u(8, 4) + _u(0, 4) + _u(0, 4)
    bits += "1" + _u(7, 4) + _u(127, 7)  # 256 symbols
    bits += _u(0, 2) + "".join("10" if length == 8 else "00" for length in CODE_LENGTHS)  # all codes have 8 bits
    return bits + "".join(f"{byte:08b}" for byte in content)  # codes begin with their highest bit


def _predicted(icc: bytes) -> bytes:
    """The profile as commands and data: differences from the expected header, then all else as it is."""
    rest = icc[HEADER_BYTES:]
    commands = b"" if len(icc) <= HEADER_BYTES else _varint(0) + bytes([INSERT]) + _varint(len(rest))
    header = bytes((value - wanted) & 255 for value, wanted in zip(icc, expected_header(icc, len(icc)), strict=False))
    return _varint(len(icc)) + _varint(len(commands)) + commands + header + rest


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])


def _u(value: int, count: int) -> str:
    """An unsigned number of so many bits, the lowest first."""
    return f"{value:0{count}b}"[::-1] if count else ""


def _u64(value: int) -> str:
    if value == 0:
        return _u(0, 2)
    if value < 17:
        return _u(1, 2) + _u(value - 1, 4)
    if value < 273:
        return _u(2, 2) + _u(value - 17, 8)
    made = _u(3, 2) + _u(value & 4095, 12)
    value >>= 12
    while value:
        made += "1" + _u(value & 255, 8)
        value >>= 8
    return made + "0"
